#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# With build users and on a machine that has none: the same outputs as Nix's, owned by root.
. "$(dirname "$0")/../lib.sh"
world "$@"
expr=$here/e2e/small.nix

for users in yes no; do
  build_users $users
  for side in ref hook; do
    rm -rf "${W:?}/$side" && mkdir "$W/$side"
  done
  build_both "build users: $users: multi" "$expr" -A multi && compare "build users: $users: multi"
  build_both "build users: $users: files" "$expr" -A files && compare "build users: $users: files"
  # More builds than users, at once: nobody shares one, all get their turn.
  build_both "build users: $users: 20 at once" "$expr" --arg n 20 -A many &&
    compare "build users: $users: 20 at once"
done
finish

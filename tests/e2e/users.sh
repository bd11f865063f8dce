#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# With build users and on a machine without them, outputs are those of Nix, and root owns them.
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

# root of a user namespace that has no ids but root's. Nix 2.8 itself cannot build there.
build_users no
for side in ref hook; do
  rm -rf "${W:?}/$side" && mkdir "$W/$side"
done
in_userns() { # in_userns ATTR OPTION...
  local attr=$1
  shift
  on hook unshare --user --map-root-user --mount nix-build --no-out-link \
    --option build-hook "$NIX_OCI_HOOK" "$@" "$expr" -A "$attr" >/dev/null 2>"$W/hook.log"
}
groups=
if nix_at_least 2.17; then
  in_userns multi
  check "root of a user namespace: it fails where supplementary groups have to be dropped" [ $? != 0 ]
  check_log "root of a user namespace: that is why" "setgroups failed" "$W/hook.log"
  groups="--option require-drop-supplementary-groups false"
fi
for attr in multi files; do
  nix_build ref "$expr" -A $attr >/dev/null
  # shellcheck disable=SC2086 # words
  in_userns $attr $groups || not_ok "root of a user namespace: $attr builds" "$W/hook.log"
  check_log "root of a user namespace: $attr is built by the hook" "^building .* on 'oci:" "$W/hook.log"
done
compare "root of a user namespace"
finish

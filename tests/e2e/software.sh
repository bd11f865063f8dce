#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# GNU hello, zlib, lua and sqlite from Debian's sources, by Debian's toolchain.
. "$(dirname "$0")/../lib.sh"
need gcc make tclsh
world "$@"
debian_sources hello zlib lua5.4 sqlite3

for attr in hello zlib zpipe lua sqlite; do
  build_both "$attr" --arg sources "$NIH_CACHE" "$here/e2e/software.nix" -A "$attr" &&
    compare "$attr"
done
out=$(on hook nix-build --no-out-link --arg sources "$NIH_CACHE" "$here/e2e/software.nix" -A hello \
  2>"$W/hook.log")
check_eq "hello says so" "$(on hook "$out/bin/hello")" "Hello, world!"
finish

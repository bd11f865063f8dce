#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# GNU hello with a toolchain that is an input from the store, and nothing of the host in sight.
. "$(dirname "$0")/../lib.sh"
need gcc make patchelf
world "$@"
debian_sources hello zlib lua5.4 sqlite3

expr=$here/e2e/toolchain.nix
args=(--arg sources "$NIH_CACHE" "$expr")
build_both "the toolchain" "${args[@]}" -A tools && compare "the toolchain"

# From here on builds see no path of the host.
host_paths=
nix_conf ref
nix_conf hook
if build_both "hello" "${args[@]}" -A hello; then
  check_eq "hello built by the store's toolchain runs" "$(on hook "$out/bin/hello")" "Hello, world!"
  # Its loader and libraries are the store's.
  on hook nix-store -q --references "$out" >"$W/references"
  check_log "hello refers to the store's libraries" '^/nix/store/.*-libc$' "$W/references"
  compare "hello"
fi
finish

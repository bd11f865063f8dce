#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds on a machine without Nix, from a cache of files and into one. What Nix substitutes of the
# result is what it builds itself.
. "$(dirname "$0")/../lib.sh"
world "$@"
expr=$here/nonix/build.nix
. "$here/nonix/nonix.sh"
nix_conf ref "sandbox-paths = /bin/sh=/bin/busybox" "trusted-public-keys = $ref_key"

check "the root has no Nix" bare sh -c '[ ! -e /nix ] && ! command -v nix && ! command -v nix-store'
top=$(drv_of top)
ref_build top >"$W/ref.out" || not_ok "Nix builds it" "$W/ref.log"
on ref nix-store -q --outputs "$top" | sort >"$W/ref.outputs"
push all --derivation "$top"
# shellcheck disable=SC2046 # a list of paths
push all $(inputs_of "$top")
left_begin

# ---- the round trip ----
bare_build "$top" --from "file://$share/all" --to "file://$share/out" \
  --secret-key-file "$share/bare.secret" >"$W/bare.out"
check_eq "a build from a cache of files succeeds" $? 0
cat "$W/bare.log" >&2
finish

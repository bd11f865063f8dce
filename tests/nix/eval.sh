#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# nix/ is evaluated by the real Nix, with a small stand-in for nixpkgs. Needs no root, no store.
. "$(dirname "$0")/../lib.sh"
need nix-instantiate python3
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
export HOME=$W NIX_STATE_DIR=$W/var NIX_LOG_DIR=$W/log NIX_STORE_DIR=$W/store NIX_CONF_DIR=$W
for f in "$top_srcdir"/nix/*.nix; do
  check "nix/$(basename "$f") parses" nix-instantiate --parse "$f"
done
if nix-instantiate --eval --strict --json "$here/nix/eval.nix" --arg top "$top_srcdir" \
  >"$W/result" 2>"$W/eval.log"; then
  while read -r name value; do
    if [ "$value" = True ]; then ok "$name"; else not_ok "$name"; fi
  done < <(python3 -c 'import json, sys
for name, value in json.load(sys.stdin).items():
    print(name, value)' <"$W/result")
else
  not_ok "nix/ evaluates" "$W/eval.log"
fi
finish

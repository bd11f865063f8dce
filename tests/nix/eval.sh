#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Evaluate nix/ by the real Nix, with a small stand-in for nixpkgs, and run the commands that make
# its configuration file by hand. Needs neither root nor a store.
. "$(dirname "$0")/../lib.sh"
need nix-instantiate python3
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
export HOME=$W NIX_STATE_DIR=$W/var NIX_LOG_DIR=$W/log NIX_STORE_DIR=$W/store NIX_CONF_DIR=$W
for f in "$top_srcdir"/nix/*.nix; do
  check "nix/$(basename "$f") parses" nix-instantiate --parse "$f"
done
evaluate() { # evaluate EXPRESSION: in `tests`, what eval.nix gives, as JSON
  nix-instantiate --eval --strict --json -E "let tests = import $here/nix/eval.nix {
    top = $top_srcdir; prefix = \"$W/package\"; }; in $1" 2>"$W/eval.log"
}
if evaluate tests.tests >"$W/result"; then
  while read -r name value; do
    if [ "$value" = True ]; then ok "$name"; else not_ok "$name"; fi
  done < <(python3 -c 'import json, sys
for name, value in json.load(sys.stdin).items():
    print(name, value)' <"$W/result")
else
  not_ok "nix/ evaluates" "$W/eval.log"
fi

# The configuration as the module has it built: by the program itself, if it takes it.
mkdir -p "$W/package/bin"
ln -s "$(realpath "$NIX_OCI_HOOK")" "$W/package/bin/nix-oci-hook"
string() { python3 -c 'import json, sys; sys.stdout.write(json.load(sys.stdin))'; }
configuration() { # configuration SETTINGS: make it as $W/made
  evaluate "tests.conf (tests.settings { settings = $1; })" | string >"$W/text" &&
    evaluate "tests.check $1" | string >"$W/commands" || { cat "$W/eval.log"; return 2; }
  env -i PATH="$PATH" textPath="$W/text" out="$W/made" bash -e "$W/commands"
}
check "right settings are taken" configuration '{ max-jobs = 4; profile = "tvix"; }'
check_eq "and are the file" "$(cat "$W/made")" "$(cat "$W/text")"
refused() { # refused NAME SETTINGS PATTERN
  configuration "$2" >"$W/said" 2>&1
  check_eq "$1: is refused when the system is built" $? 1
  check_log "$1: it is said why" "$3" "$W/said"
}
refused "a wrong value" '{ max-jobs = "many"; }' "made:1: key 'max-jobs' is 'many', allowed is "
refused "a wrong key" '{ max-jbos = 4; }' "made:1: .*'max-jbos'"
check_log "it is said where that comes from" "nix.ociHook.settings" "$W/said"
finish

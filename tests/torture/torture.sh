#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# SIGKILL to the hook, to its supervisor and to both at each of their system calls, and a failure of
# each of these: no hang, no crash, nothing left, outputs valid all or none and never without files.
#
# Memory that ends at a call is one of the failures: then, too, something is said.
#
# Every 29th point, which takes about a minute and a half; NIH_EVERY=1: all of them, which takes an
# hour; NIH_ONLY: a regular expression of what to do; NIH_VERBOSE=1 names each point.
. "$(dirname "$0")/../lib.sh"
need python3 crun
inject=${NIH_INJECT:-$(dirname "$NIX_OCI_HOOK")/tests/torture/inject}
[ -x "$inject" ] || skip_all "no $inject (make tests/torture/inject)"
"$inject" -c -- true || skip_all "no process can be traced here, or not on this architecture"
world "$@"
on hook nix-instantiate "$here/e2e/small.nix" -A dep >/dev/null 2>&1 # make the store's directories
mkdir -p "$W/work"
new=
! nix_at_least 2.32 || new=--new
on hook python3 "$here/torture/torture.py" "$NIX_OCI_HOOK" "$inject" "$W/work" "$W/state" $new \
  >"$W/torture.out"
rc=$?
grep -v '^1\.\.' "$W/torture.out"
tap_n=$(grep -cE '^(not )?ok ' "$W/torture.out")
[ $rc = 0 ] || tap_bad=1
check "the store is sound" verify hook
"$inject" -m 1 -- "$NIX_OCI_HOOK" config >"$W/out" 2>&1
check_log "no memory from the beginning: it is told" '^error: .*out of memory' "$W/out"
finish

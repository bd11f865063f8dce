#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Kill the hook, its supervisor or both at each of their system calls, or let the call fail: nothing
# hangs, crashes or is left, and outputs are valid all or none and never without files.
#
# One failure is that memory is out from a call on: the hook still prints a message.
#
# Every 29th point runs, which takes about three minutes. NIH_EVERY=1: all points, which take two
# hours. NIH_ONLY: a regular expression of the kinds to run. NIH_VERBOSE=1: name each point.
. "$(dirname "$0")/../lib.sh"
need python3 crun
inject=${NIH_INJECT:-$(dirname "$NIX_OCI_HOOK")/tests/tools/inject}
[ -x "$inject" ] || skip_all "no $inject (make tests/tools/inject)"
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

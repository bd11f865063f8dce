#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh SCRIPT...: run TAP test scripts one after the other and add up what they say.
#
# Prints every line that is not a plain "ok", and last "# NAME: N passed, N failed, N skipped". A
# script that dies, says nothing or has another count than its plan is a failure. With NIH_COUNTS
# set, the three numbers are appended to that file.
set -u
limit=${NIH_TEST_LIMIT:-900}
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for script; do
  start=$SECONDS
  timeout -k 10 "$limit" "$script" >"$log" 2>&1
  rc=$?
  p=$(grep -cE '^ok ' "$log")
  f=$(grep -cE '^not ok ' "$log")
  plan=$(sed -nE 's/^1\.\.([0-9]+).*/\1/p' "$log" | tail -n 1)
  name=$(basename "$(dirname "$script")")/$(basename "$script")
  if [ $rc = 77 ]; then
    skipped=$((skipped + 1))
    echo "skip $name: $(sed -n 's/^1\.\.0 # SKIP //p' "$log")"
    continue
  fi
  if [ "$f" = 0 ] && { [ $rc != 0 ] || [ "$plan" != "$p" ] || [ "$p" = 0 ]; }; then
    f=1
    echo "not ok - $name ended with status $rc after $p of ${plan:-an unknown number of} tests"
    tail -n 30 "$log" | sed 's/^/#   /'
  else
    grep -vE '^(ok |1\.\.)' "$log"
  fi
  passed=$((passed + p)) failed=$((failed + f))
  echo "$name: $p passed, $f failed, $((SECONDS - start)) s"
done
[ -z "${NIH_COUNTS-}" ] || echo "$passed $failed $skipped" >>"$NIH_COUNTS"
echo "# $passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]

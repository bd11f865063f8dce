#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh SCRIPT...: run TAP test scripts and add up their results.
#
# NIH_JOBS scripts run at once (default: 1). When a script has ended, prints every line of it that
# is not a plain "ok", then "# NAME: N passed, N failed, N skipped". A script that dies, prints
# nothing or has another count than its plan is a failure. NIH_COUNTS: append the three numbers to
# this file.
set -u
limit=${NIH_TEST_LIMIT:-900}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
one() { # one SCRIPT LOG: run it, and print all that is to be said of it
  local script=$1 log=$2 start=$SECONDS rc p f plan name
  timeout -k 10 "$limit" "$script" >"$log" 2>&1
  rc=$?
  p=$(grep -cE '^ok ' "$log")
  f=$(grep -cE '^not ok ' "$log")
  plan=$(sed -nE 's/^1\.\.([0-9]+).*/\1/p' "$log" | tail -n 1)
  name=$(basename "$(dirname "$script")")/$(basename "$script")
  if [ $rc = 77 ]; then
    echo "0 0 1" >>"$dir/counts"
    echo "skip $name: $(sed -n 's/^1\.\.0 # SKIP //p' "$log")"
    return
  fi
  if [ "$f" = 0 ] && { [ $rc != 0 ] || [ "$plan" != "$p" ] || [ "$p" = 0 ]; }; then
    f=1
    echo "not ok - $name ended with status $rc after $p of ${plan:-an unknown number of} tests"
    tail -n 30 "$log" | sed 's/^/#   /'
  else
    grep -avE '^(ok |1\.\.)' "$log"
  fi
  echo "$p $f 0" >>"$dir/counts"
  echo "$name: $p passed, $f failed, $((SECONDS - start)) s"
}
: >"$dir/counts"
n=0
for script; do
  n=$((n + 1))
  while [ "$(jobs -pr | wc -l)" -ge "${NIH_JOBS:-1}" ]; do wait -n; done
  (one "$script" "$dir/$n.log" >"$dir/$n.said"; flock "$dir" cat "$dir/$n.said") &
done
wait
read -r passed failed skipped < <(awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }' "$dir/counts")
# A script of which nothing is counted is one that could not even be started.
[ "$(wc -l <"$dir/counts")" = $# ] || failed=$((failed + 1))
[ -z "${NIH_COUNTS-}" ] || echo "$passed $failed $skipped" >>"$NIH_COUNTS"
echo "# $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]

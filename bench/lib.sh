# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# For the benches: sides that are timed in turn, and the medians of their times.
. "$(dirname "${BASH_SOURCE[0]}")/../tests/lib.sh"

now() { date +%s%N; }
median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
time_of() { # time_of FILE COMMAND...: append its milliseconds to FILE
  local file=$1 start
  shift
  start=$(now)
  "$@" >"$W/bench.out" 2>"$W/bench.log" || {
    tail -n 5 "$W/bench.log" >&2
    return 1
  }
  echo $((($(now) - start) / 1000)) | awk '{ print $1 / 1000 }' >>"$file"
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

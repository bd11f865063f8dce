# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Shared by the benches: time several sides in turn, and print the medians of their times.
. "$(dirname "${BASH_SOURCE[0]}")/../tests/lib.sh"

median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
# time_of NAME COMMAND...: append its milliseconds to $W/NAME.ms, and those of the processor, of it
# and all that it waited for, to $W/NAME.cpu
time_of() {
  local name=$1 rc TIMEFORMAT='%R %U %S'
  shift
  { time "$@" >"$W/bench.out" 2>"$W/bench.log"; } 2>"$W/bench.time"
  rc=$?
  [ $rc = 0 ] || {
    tail -n 5 "$W/bench.log" >&2
    return 1
  }
  awk '{ print $1 * 1000 }' "$W/bench.time" >>"$W/$name.ms"
  awk '{ print ($2 + $3) * 1000 }' "$W/bench.time" >>"$W/$name.cpu"
}
# report SIDE TITLE: the medians of a side, and their ratios to those of the side ref
report() {
  local ms cpu
  ms=$(median <"$W/$1.ms") cpu=$(median <"$W/$1.cpu")
  printf '  %-24s %8.1f ms  %sx   %8.1f ms of processor  %sx\n' "$2" \
    "$ms" "$(ratio "$ms" "$(median <"$W/ref.ms")")" "$cpu" "$(ratio "$cpu" "$(median <"$W/ref.cpu")")"
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

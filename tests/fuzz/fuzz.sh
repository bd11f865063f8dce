#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Run each libFuzzer target for FUZZ_SECONDS (5) over its corpus. TAP. New inputs are written to
# fuzz-found/<parser>/ in the build directory, and an input that failed to fuzz-found/*-crash-*.
src=${top_srcdir:-.}/tests/fuzz
found=${top_builddir:-.}/fuzz-found
fuzz() { # fuzz TARGET N
  parser=${1##*/fuzz_}
  mkdir -p "$found/$parser"
  dict=
  [ -f "$src/dict/$parser.dict" ] && dict="-dict=$src/dict/$parser.dict"
  # shellcheck disable=SC2086
  if "${top_builddir:-.}/$1" -max_total_time="${FUZZ_SECONDS:-5}" -timeout=10 \
    -rss_limit_mb=1024 -artifact_prefix="$found/$parser-" -print_final_stats=1 $dict \
    "$found/$parser" "$src/corpus/$parser" >"$found/$parser.log" 2>&1; then
    echo "ok $2 - $parser: $(sed -n 's/^stat::number_of_executed_units: *//p' "$found/$parser.log") runs"
  else
    echo "not ok $2 - $parser"
    tail -n 60 "$found/$parser.log" | sed 's/^/# /'
  fi
}
# shellcheck disable=SC2086
set -- $FUZZ_TARGETS
echo "1..$#"
mkdir -p "$found"
n=0
for target; do
  n=$((n + 1))
  fuzz "$target" $n >"$found/said-$n" &
  # As many at a time as there are processors.
  [ $((n % $(nproc))) != 0 ] || wait
done
wait
bad=0
for n in $(seq $#); do
  cat "$found/said-$n"
  grep -q '^ok ' "$found/said-$n" || bad=1
done
exit $bad

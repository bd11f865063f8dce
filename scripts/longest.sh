#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# longest.sh [--check]: print the longest functions and files. The guides are 60 and 600 lines. With
# --check more than three times a guide is a failure: only a flat table or switch needs so many.
# TAP.
cd "${top_srcdir:-$(dirname "$0")/..}" || exit 1
command -v ctags >/dev/null || { echo "1..0 # SKIP ctags (universal-ctags) is not installed"; exit 0; }
files=$(find nar specgen hook builtin tests compat -name '*.[ch]' | sort)
functions=$(mktemp)
trap 'rm -f "$functions"' EXIT
# shellcheck disable=SC2086 # a list of names without blanks
ctags -o - --languages=C --langmap=C:.c.h --kinds-C=f --fields=+ne-fkst $files |
  awk -F'\t' '{
    for (i = 4; i <= NF; i++) {
      if ($i ~ /^line:/) from = substr($i, 6)
      if ($i ~ /^end:/) to = substr($i, 5)
    }
    printf "%d %s %s:%d\n", to - from + 1, $1, $2, from
  }' | sort -rn >"$functions"
if [ "$1" = --check ]; then
  too_long=$(awk '$1 > 180' "$functions"; wc -l $files | awk '$2 != "total" && $1 > 1800')
  echo 1..1
  if [ -z "$too_long" ]; then
    echo "ok 1 - no function is longer than 180 lines, no file longer than 1800"
  else
    echo "not ok 1 - no function is longer than 180 lines, no file longer than 1800"
    echo "$too_long" | sed 's/^/# /'
    exit 1
  fi
  exit
fi
echo "Longest functions (of $(wc -l <"$functions"); $(awk '$1 <= 60' "$functions" | wc -l) fit 60 lines):"
head -n 15 "$functions"
echo "Longest files:"
# shellcheck disable=SC2086
wc -l $files | grep -v ' total$' | sort -rn | head -n 15

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# No two objects of this project call each other, directly or through others: nm(1) prints the
# symbols that each needs and defines, and tsort(1) orders the objects and names every loop. Run it
# after the build. TAP.
cd "${top_builddir:-.}" || exit 1
echo 1..2
objects=$(find nar specgen hook builtin -name '*.o')
pairs=$(for o in $objects; do nm -P "$o" | sed "s#\$# $o#"; done |
  awk '$2 ~ /^[TDBR]$/ { home[$1] = $NF }
       $2 == "U" { want[$1 " " $NF] = 1 }
       END { for (w in want) { split(w, a, " "); if (a[1] in home) print a[2], home[a[1]] } }')
# Without any call there would be nothing to find.
if [ "$(echo "$pairs" | wc -l)" -gt 100 ]; then echo "ok 1 - there are objects"; else
  echo "not ok 1 - there are objects: build first"
fi
loops=$(echo "$pairs" | tsort 2>&1 >/dev/null)
if [ -z "$loops" ]; then echo "ok 2 - no circle of calls"; else
  echo "not ok 2 - no circle of calls"
  echo "$loops" | sed 's/^/# /'
fi

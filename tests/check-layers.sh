#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Arrows point down only: hook > specgen > nar, builtin > nar; launch is alone. TAP.
cd "${top_srcdir:-.}" || exit 1
n=0 bad=0
check() { # check DIR FORBIDDEN...: no file of DIR includes a header of FORBIDDEN
  dir=$1 pattern=$2
  n=$((n + 1))
  hits=$(grep -nE "^#include \"($pattern)/" "$dir"/*.[ch])
  if [ -n "$hits" ]; then
    echo "not ok $n - $dir includes nothing of $pattern"
    echo "$hits" | sed 's/^/# /'
    bad=1
  else
    echo "ok $n - $dir includes nothing of $pattern"
  fi
}
echo 1..6
check nar 'specgen|hook|builtin|launch'
check specgen 'hook|builtin|launch'
check hook 'builtin'
check builtin 'hook|specgen|launch'
check launch 'nar|specgen|hook|builtin'
n=6
hits=$(grep -nE '^#include "(nar|specgen)/' specgen/*.[ch] | grep -vE '"(specgen/|nar/(err|buf|scope|banned)\.h)')
if [ -n "$hits" ]; then
  echo "not ok 6 - specgen takes only err, buf and scope from nar"
  echo "$hits" | sed 's/^/# /'
  bad=1
else
  echo "ok 6 - specgen takes only err, buf and scope from nar"
fi
exit $bad

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each folder includes only what the table below allows: the table is the architecture
# (docs/architecture.md). A folder may include itself and the folders in its row. hook/job,
# hook/nonix, hook/cmd and the mains are the top, and may include all folders below them. hook/job
# includes neither hook/nonix nor hook/cmd, and these two do not include each other. TAP.
cd "${top_srcdir:-.}" || exit 1
n=0 bad=0 known=" hook/job hook/nonix hook/cmd "
result() { # result NAME HITS: a test that passes where there are no hits
  n=$((n + 1))
  if [ -z "$2" ]; then echo "ok $n - $1"; else
    echo "not ok $n - $1"
    echo "$2" | sed 's/^/# /'
    bad=1
  fi
}
includes() { # includes DIR: FILE:LINE:INCLUDED of what the files of DIR include by a path
  grep -nE '^#include "[^"]+/' "$1"/*.[ch] | sed -E 's/#include "([^"]+)".*/\1/'
}
while read -r dir allowed; do
  known="$known$dir "
  pattern=$(echo "$dir $allowed" | sed 's/ /|/g')
  result "$dir includes only ${allowed:-itself}" "$(includes "$dir" | grep -vE ":($pattern)/[^/]+$")"
done <<'END'
nar/base
nar nar/base
nar/http nar nar/base
nar/cache nar/http nar nar/base
specgen nar/base
launch
builtin nar/http nar nar/base
hook/base nar nar/base
hook/json nar/base
hook/conf specgen nar/base
hook/nix hook/base nar/base
hook/drv hook/json nar nar/base
hook/cgroup hook/base nar/base
hook/host hook/cgroup hook/nix hook/conf hook/base specgen nar/base
hook/runtime hook/cgroup hook/conf specgen nar/base
hook/store hook/drv hook/nix hook/conf hook/base nar nar/base
hook/request hook/store hook/host hook/drv hook/nix hook/conf hook/json hook/base launch specgen nar nar/base
hook/inputs hook/store hook/host hook/conf hook/base specgen nar nar/base
hook/bundle hook/host specgen nar/base
hook/keep hook/host hook/drv hook/nix nar nar/base
hook/run hook/keep hook/runtime hook/cgroup hook/base nar nar/base
hook/outputs hook/store hook/host hook/drv hook/nix hook/base nar nar/base
hook/report hook/conf hook/json specgen nar/base
END
result "hook/job includes no verb and no build without Nix" \
  "$(includes hook/job | grep -E ':(hook/(cmd|nonix)|nar/cache|nar/http)/')"
result "hook/nonix includes no verb" "$(includes hook/nonix | grep -E ':hook/cmd/')"
result "hook/cmd includes no build without Nix" \
  "$(includes hook/cmd | grep -E ':(hook/nonix|nar/cache|nar/http)/')"
result "x_internal.h stays in its folder" "$(for dir in nar nar/*/ specgen builtin hook hook/*/; do
  includes "${dir%/}" | grep '_internal\.h$' | grep -v ":${dir%/}/[^/]*$"
done)"
# A folder that has no row would be free to include anything.
result "each folder is known" "$(for dir in nar/*/ hook/*/; do
  case $known in *" ${dir%/} "*) ;; *) echo "$dir" ;; esac
done)"
# A unit test lies where what it tests lies, without hook/, and bears its name, behind which may stand
# what the test is about.
sources=" $(find nar specgen builtin launch hook -name '*.[ch]' | sed 's,^hook/,,; s,\.[ch]$,,' | tr '\n' ' ')"
result "each unit test has a source" "$(find tests/unit -name 'test_*.c' | while read -r test; do
  name=${test#tests/unit/} name=${name%.c}
  folder=${name%test_*} name=${name##*/test_}
  while case $sources in *" $folder$name "*) false ;; esac do
    case $name in *_*) name=${name%_*} ;; *) echo "$test" && break ;; esac
  done
done)"
echo "1..$n"
exit $bad

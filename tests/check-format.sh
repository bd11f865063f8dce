#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every C file is formatted by clang-format 14 (`make format`), and no line is over 100 columns:
# clang-format does not wrap comments.
cd "${top_srcdir:-.}" || exit 1
bad=0 # make check looks at the exit code
mapfile -t files < <(find nar specgen hook launch builtin compat tests -name '*.[ch]' | sort)
long=$(expand "${files[@]}" | grep -E '^.{101,}')
if [ -z "$long" ]; then echo "ok 1 - no line is over 100 columns"; else
  bad=1
  echo "not ok 1 - no line is over 100 columns"
  echo "${long//$'\n'/$'\n'# }" | sed '1s/^/# /'
fi
# Another version formats otherwise.
if ! command -v clang-format-14 >/dev/null; then
  echo "ok 2 # SKIP clang-format-14 is not installed"
elif said=$(clang-format-14 --dry-run --Werror "${files[@]}" 2>&1); then
  echo "ok 2 - all is formatted"
else
  bad=1
  echo "not ok 2 - all is formatted: run make format"
  grep -o '^[^ ]*: error' <<<"$said" | head -n 20 | sed 's/^/# /'
fi
echo "1..2"
exit $bad

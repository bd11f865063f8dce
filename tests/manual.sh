#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The manuals agree with the program's own help. TAP. `manual.sh update` instead writes the keys of
# the configuration into them.
prog=${top_builddir:-.}/nix-oci-hook
docs=${top_srcdir:-.}/docs
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT

# with_keys FILE FORMAT: FILE with what the program prints between its two marks.
with_keys() {
  "$prog" config "--$2" >"$t/keys" || exit 1
  awk -v keys="$t/keys" '
    /^(<!--|\.\\") \/keys/ { inside = 0 }
    !inside { print }
    /^(<!--|\.\\") keys: / { inside = 1; marks++; while ((getline line < keys) > 0) print line }
    END { exit marks != 1 || inside }' "$1"
}

if [ "${1-}" = update ]; then
  for f in configuration.md:markdown nix-oci-hook.1:man; do
    with_keys "$docs/${f%:*}" "${f#*:}" >"$t/new" || exit 1
    cmp -s "$t/new" "$docs/${f%:*}" || cat "$t/new" >"$docs/${f%:*}"
  done
  exit
fi

n=0 bad=0
result() { # result OK TEXT FILE: a line of TAP, and FILE where it is not ok
  n=$((n + 1))
  if [ "$1" = 0 ]; then
    echo "ok $n - $2"
  else
    echo "not ok $n - $2"
    sed 's/^/# /' "$3"
    bad=1
  fi
}
for f in configuration.md:markdown nix-oci-hook.1:man; do
  with_keys "$docs/${f%:*}" "${f#*:}" >"$t/new" && diff "$docs/${f%:*}" "$t/new" >"$t/diff"
  result $? "docs/${f%:*} has the keys of this program (make manual)" "$t/diff"
done

"$prog" --help >"$t/help"
sed -n '/^Verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p' "$t/help" >"$t/verbs"
: >"$t/missing"
while read -r verb; do
  grep -q "^\.BI* \"*$verb[ \"]*" "$docs/nix-oci-hook.1" || echo "$verb" >>"$t/missing"
done <"$t/verbs"
[ -s "$t/verbs" ] && [ ! -s "$t/missing" ]
result $? "the manual page has every verb" "$t/missing"

: >"$t/missing"
"$prog" build --help >"$t/build-help"
grep -oh -e '--[a-z][a-z-]*' "$t/help" "$t/build-help" | sed '/^--load-db$/d' | sort -u | while read -r option; do
  sed 's/\\-/-/g' "$docs/nix-oci-hook.1" | grep -q -e "$option" || echo "$option" >>"$t/missing"
done
[ ! -s "$t/missing" ]
result $? "the manual page has every option of --help" "$t/missing"

if command -v groff >/dev/null; then
  groff -man -Tutf8 -ww -z "$docs/nix-oci-hook.1" >"$t/warnings" 2>&1
  [ ! -s "$t/warnings" ]
  result $? "the manual page is formatted without a warning" "$t/warnings"
elif command -v mandoc >/dev/null; then
  mandoc -Tlint -Wwarning "$docs/nix-oci-hook.1" >"$t/warnings" 2>&1
  result $? "the manual page is formatted without a warning" "$t/warnings"
else
  n=$((n + 1))
  if [ "${TEST_STRICT-0}" = 1 ]; then
    echo "not ok $n - neither groff nor mandoc is installed"
    bad=1
  else
    echo "ok $n # SKIP neither groff nor mandoc is installed"
  fi
fi
echo "1..$n"
exit $bad

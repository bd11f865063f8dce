#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The command line from outside: help, version, exit codes, where messages go. TAP.
prog=${top_builddir:-.}/nix-oci-hook
out=$(mktemp) err=$(mktemp) t=$(mktemp -d)
trap 'rm -rf "$out" "$err" "$t"' EXIT
n=0 bad=0
result() { # result OK TEXT: print a line of TAP
  n=$((n + 1))
  if [ "$1" = 0 ]; then
    echo "ok $n - $2"
  else
    echo "not ok $n - $2"
    sed 's/^/# stdout: /' "$out"
    sed 's/^/# stderr: /' "$err"
    bad=1
  fi
}
run() { "$prog" "$@" >"$out" 2>"$err"; rc=$?; }

run --version
[ $rc = 0 ] && grep -qx 'nix-oci-hook [0-9.]*' "$out" && [ ! -s "$err" ]
result $? "--version prints it, and nothing else"

run --help
[ $rc = 0 ] && grep -q '^Usage: ' "$out" && grep -q 'Exit codes: ' "$out" && [ ! -s "$err" ]
result $? "--help goes to standard output"

run
[ $rc = 2 ] && [ ! -s "$out" ] && grep -q 'no verb was given' "$err"
result $? "no verb is a wrong command line"

run wrong
[ $rc = 2 ] && grep -q "there is no verb 'wrong'" "$err"
result $? "an unknown verb is named"

run --wrong 1x
[ $rc = 2 ] && grep -q "there is no option '--wrong'" "$err"
result $? "an unknown option is named"

"$prog" --help >/dev/full 2>"$err"
[ $? = 1 ] && grep -q 'writing to standard output: ' "$err"
result $? "a full disk under standard output is a failure"

"$prog" --help >&- 2>"$err"
[ $? = 1 ] && grep -q 'writing to standard output: ' "$err"
result $? "a closed standard output is a failure"

# As Nix starts its hook: a number at the end, and what build-hook says before it.
for words in 3 "--option max-jobs 2 3" "hook 3" "--option max-jobs 2 hook 3"; do
  # shellcheck disable=SC2086
  "$prog" $words >"$out" 2>"$err" </dev/null 4<&-
  [ $? = 1 ] && grep -q "is not open; the verb 'hook' is for Nix to start" "$err" && [ ! -s "$out" ]
  result $? "'$words' is the verb hook, which wants the descriptors of Nix"
done
run --wrong 3
[ $rc = 2 ] && grep -q "there is no option '--wrong'" "$err"
result $? "the verb hook refuses an option it has not"

# What is no file: it is said at once, whatever a person has named.
mkfifo "$t/fifo" && ln -s /dev/zero "$t/zero" && echo "include fifo" >"$t/to-fifo" &&
  echo "include loop" >"$t/loop" || exit 1
for words in "spec $t/fifo" "request $t/zero" "bundle $t" "nar ls $t/fifo" "nar ls $t/zero" \
  "config --config $t/zero" "config --config $t"; do
  # shellcheck disable=SC2086
  timeout 10 "$prog" $words >"$out" 2>"$err" </dev/null
  [ $? = 1 ] && grep -q "$t" "$err"
  result $? "'${words%"$t"*}' refuses what is no file, and names it"
done
timeout 10 "$prog" config --config "$t/to-fifo" >"$out" 2>"$err"
result $? "a configuration is not held up by a pipe that nobody writes to"
printf '{' | "$prog" spec /dev/stdin >"$out" 2>"$err"
[ $? = 1 ] && grep -q "reading '/dev/stdin'" "$err"
result $? "a pipe is read"
run config --config "$t/loop"
[ $rc = 1 ] && grep -q "$t/loop:1: .*: configuration files include each other more than 10 deep" "$err"
result $? "a configuration that includes itself is refused, with file and line"

# Every verb that --help lists has a --help of its own, and refuses what is no option of it.
run --help
verbs=$(sed -n '/^Verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p' "$out")
for verb in $verbs; do
  run "$verb" --help
  [ $rc = 0 ] && grep -q "^Usage: nix-oci-hook $verb" "$out" && grep -q -- '--config FILE' "$out"
  result $? "$verb --help"
  run "$verb" --no-such-option
  [ $rc = 2 ] && grep -q "no option '--no-such-option'" "$err" && [ ! -s "$out" ]
  result $? "$verb refuses an option it has not"
  run --help "$verb"
  [ $rc = 0 ] && grep -q "^Usage: nix-oci-hook $verb" "$out"
  result $? "options of all verbs may stand before $verb"
done
echo "1..$n"
exit $bad

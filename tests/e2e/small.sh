#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Multi-output and dependent derivations, files for the builder, 200 at once, and failing builds.
. "$(dirname "$0")/../lib.sh"
world "$@"
expr=$here/e2e/small.nix

for attr in multi link chain files structured; do
  build_both "$attr" "$expr" -A "$attr" && compare "$attr"
done
build_both "cores = 0" "$expr" -A cores --cores 0 && compare "cores = 0"

# Outputs that are valid already are left alone, the missing one is built.
for side in ref hook; do
  on $side nix-store --delete "$(on $side nix-build --no-out-link "$expr" -A multi 2>"$W/$side.log")" \
    >/dev/null 2>&1
done
left_begin
build_both "the missing output of multi" "$expr" -A multi && compare "one output of three"

if build_both "200 at once" "$expr" -A many; then
  compare "200 at once"
  check_eq "all 200 are there" "$(wc -l <<<"$out")" 200
fi
nothing_left "after 200 builds" hook

# All of a bundle in a directory of its own, nothing of it in memory.
mkdir "$W/bundles"
chmod 755 "$W/bundles"
export NIX_OCI_HOOK_BUNDLE_DIR=$W/bundles
left_begin
build_both "a bundle-dir" "$expr" -A inBundleDir && compare "a bundle-dir"
nothing_left "a build with a bundle-dir" hook
check_eq "the bundle-dir is empty after it" "$(ls -A "$W/bundles")" ""
unset NIX_OCI_HOOK_BUNDLE_DIR

# Each accepted build costs Nix descriptors: 60 of them more than it may have here.
out=$(ulimit -Sn 160 && export NIX_OCI_HOOK_MAX_JOBS=8 && nix_build hook "$expr" -A fewDescriptors) ||
  not_ok "60 at once with 160 descriptors" "$W/hook.log"
check_eq "60 at once with 160 descriptors: all are there" "$(wc -l <<<"$out")" 60

# A failing build: Nix's exit code, the log, no output, and what depends on it is not built.
nix_build hook "$expr" -A afterFails >/dev/null
check_eq "a failing build: nix-build's exit code" $? "$(failure_code 100)"
check_log "a failing build: its log is shown" 'this goes to the log' "$W/hook.log"
check_log "a failing build: the builder's exit code is told" 'exit code 7' "$W/hook.log"
nothing_left "a failing build" hook
nix_build hook --keep-going "$expr" -A killed >/dev/null
check_log "a killed builder: the signal is told" 'signal 11' "$W/hook.log"
nix_build hook "$expr" -A noOutput >/dev/null
check_eq "a missing output: nix-build's exit code is 1" $? 1
check_log "a missing output is named" \
  "failed to produce output path for output 'dev' at ['\"]/nix/store/.*-no-output-dev['\"]" "$W/hook.log"
nix_build hook "$expr" -A badFile >/dev/null
check_eq "a fifo in an output: nix-build's exit code is 1" $? 1
check_log "a fifo in an output is named" "file ['\"].*fifo['\"] has an unsupported type" "$W/hook.log"
start=$(date +%s)
nix_build hook --timeout 2 "$expr" -A timesOut >/dev/null
check_eq "a timeout: nix-build's exit code" $? "$(failure_code 101)"
check "a timeout comes in time" [ $(($(date +%s) - start)) -lt 10 ]
check_log "a timeout is told" 'timed out after 2 seconds' "$W/hook.log"
nix_build hook --max-silent-time 2 "$expr" -A timesOut >/dev/null
silence=' of silence'
nix_at_least 2.32 && silence= # it says the same of both
check_log "silence is told" "timed out after 2 seconds$silence\$" "$W/hook.log"
nothing_left "failing builds" hook
nix_build hook "$expr" -A lastLine >/dev/null
check_log "a last line without newline is shown" 'no newline at the end' "$W/hook.log"
on hook nix-store --read-log "$(on hook nix-instantiate "$expr" -A lastLine 2>/dev/null)" >"$W/read.log"
check_eq "the log can be read later" "$(cat "$W/read.log")" $'first line\nno newline at the end'
check "the store is sound after all that" verify hook
check_eq "no output of a failed build is valid" "$(sqlite3 "$W/hook/var/nix/db/db.sqlite" \
  "select path from ValidPaths where path not like '%.drv' and (path like '%-fails' or
   path like '%-killed' or path like '%no-output%' or path like '%-bad-file'
   or path like '%-times-out')")" ""
finish

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# oom-retry: a build that ran out of memory begins again with more.
. "$(dirname "$0")/../lib.sh"
need crun
world "$@"
expr=$here/e2e/retry.nix
has() { grep -qE "^[0-9]+:([^:]*,)?$1[,:]" /proc/self/cgroup || grep -qw "$1" /sys/fs/cgroup/cgroup.controllers; }
has memory 2>/dev/null || skip_all "this machine has no control groups for memory"
left_begin
journal=$W/crun.jsonl
config() { printf '%s\n' "journal = $journal" "$@" >"$NIX_OCI_HOOK_CONFIG"; }
begins() { grep -c '^begins$' "$W/hook.log"; }
last() { tail -n 1 "$journal" | sed -n "s/.*\"$1\": \"\{0,1\}\([a-z0-9]*\).*/\1/p"; }
kept() { grep -c "note: keeping build directory" "$W/hook.log"; }
for runtime in crun runc runsc; do
  has_runtime $runtime || continue
  export NIX_OCI_HOOK_RUNTIME=$runtime
  seed=$uid_base-$runtime journal=$W/$runtime.jsonl
  # gVisor itself needs some.
  max=64 twice=128
  [ $runtime != runsc ] || max=100 twice=200
  config "memory-max = ${max}M" "oom-retry = 2"
  check "$runtime: a build with too little succeeds" nix_build hook "$expr" -A needs100 --argstr seed "$seed"
  check_eq "$runtime: it began twice" "$(begins)" 2
  check_eq "$runtime: from a clean build directory" "$(grep -c '^clean$' "$W/hook.log")" 2
  check_log "$runtime: it is told" "^note: the build ran out of memory with $max MiB; it begins again with $twice MiB \(try 2 of 3\)$" "$W/hook.log"
  check_eq "$runtime: and no error" "$(grep -c "error" "$W/hook.log")" 0
  check_eq "$runtime: tries in the journal" "$(last tries)" 2
  check_eq "$runtime: and the limit" "$(last memory_max_bytes)" $((twice << 20))
  nothing_left "$runtime: after two tries" hook

  check "$runtime: the next one of the package" nix_build hook "$expr" -A needs100Again --argstr seed "$seed"
  check_eq "$runtime: starts with what was enough" "$(begins) $(last tries) $(last memory_max_bytes)" "1 1 $((twice << 20))"

  nix_build hook "$expr" -A needs1000 --keep-failed --argstr seed "$seed" >/dev/null
  check_eq "$runtime: one that needs more: nix-build's exit code" $? "$(failure_code 100)"
  check_eq "$runtime: all tries" "$(begins) $(last tries) $(last end)" "3 3 oom"
  check_eq "$runtime: one directory is kept" "$(kept)" 1
  check_log "$runtime: it is told what the last had" "ran out of memory and was killed: it may use $((max * 4)) MiB" "$W/hook.log"
  rm -rf "$TMPDIR"/nix-build-*

  nix_build hook "$expr" -A fails --argstr seed "$seed" >/dev/null
  check_eq "$runtime: what fails otherwise is not tried again" "$(begins) $(last tries)" "1 1"
  config "memory-max = ${max}M" "oom-retry = 5" "memory-retry-max = ${max}M"
  nix_build hook "$expr" -A needs1000 --argstr seed "$seed" >/dev/null
  check_eq "$runtime: nothing above memory-retry-max" "$(begins) $(last tries)" "1 1"
  nothing_left "$runtime: after failures" hook
done

export NIX_OCI_HOOK_RUNTIME=crun
journal=$W/last.jsonl
config "memory-max = 64M" "oom-retry = 5" "memory-retry-max = 4G"
nix_build hook "$expr" -A slow --argstr seed "$uid_base" --timeout 7 >/dev/null
check_log "a timeout is of all tries together" "^timeout [2-4]$" <(echo "$(last end) $(last tries)")
config "memory-max = 64M" "oom-retry = 3" "memory-retry-max = 200M" "log-max = 5000"
nix_build hook "$expr" -A says --argstr seed "$uid_base" >/dev/null
check_eq "so is the bound of the log" "$(last end) $(last tries)" "flood 2"
config "[match pname=needs-*]" "memory-max = 64M" "oom-retry = 1"
check "a section sets both" nix_build hook "$expr" -A needs100 --argstr seed "$uid_base-section"
check_eq "a section sets both: it began twice" "$(begins)" 2

# The machine, here a group around all, runs out of memory, and has enough the second time.
memory=/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)/nih-test-$uid_base
bounded() { # bounded COMMAND...: in a group of 80 MiB, which has 1 GiB from the second try on
  mkdir "$memory" && echo $((80 << 20)) >"$memory/memory.limit_in_bytes" || return
  : >"$W/hook.log"
  (
    for _ in $(seq 200); do grep -q 'begins again' "$W/hook.log" && break; sleep 0.05; done
    echo $((1 << 30)) >"$memory/memory.limit_in_bytes"
  ) &
  (echo 0 >"$memory/cgroup.procs" && "$@")
  local rc=$?
  wait
  find "$memory" -depth -type d -exec rmdir {} +
  return $rc
}
if [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
  journal=$W/machine.jsonl
  config "oom-retry = 1"
  check "the machine's memory runs out" bounded nix_build hook "$expr" -A needs100 --argstr seed "$uid_base-machine"
  check_eq "the machine's memory runs out: it began twice" "$(begins) $(last tries)" "2 2"
  check_log "the machine's memory runs out: it is told" \
    "^note: the build was killed because the machine ran out of memory; it begins again \(try 2 of 2\)$" "$W/hook.log"
fi

# The reservation grows, and waits for its turn.
journal=$W/budget.jsonl
config "memory-max = 64M" "oom-retry = 1" "memory-budget = 150M" "memory-default = 20M"
check "with a budget" nix_build hook "$expr" -A needs100 --argstr seed "$uid_base-budget"
check_eq "with a budget: it began twice" "$(begins)" 2
config "max-jobs = 2" "memory-max = 64M" "oom-retry = 1" "memory-budget = 150M" "memory-default = 20M" \
  "[match pname=holds]" "memory-reserve = 60M"
check "beside another build" nix_build hook "$expr" -j4 -A holds -A needs100 --argstr seed "$uid_base-beside"
check_log "beside another build: it waits for twice as much" '"name": "needs-100-1.0".*"wait_memory_us": [1-9][0-9]{5,}' "$journal"
check_eq "no reservation is left" "$(find "$W" -path '*/memory/*' ! -name lock | wc -l)" 0
nothing_left "in the end" hook
finish

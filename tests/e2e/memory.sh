#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# memory-budget, load-max: builds that do not fit beside each other run one after the other.
. "$(dirname "$0")/../lib.sh"
need crun
world "$@"
expr=$here/e2e/memory.nix
config() { printf '%s\n' "max-jobs = 4" "$@" >"$NIX_OCI_HOOK_CONFIG"; }
# built SEED: build four at once; each notes when it began and ended.
built() { nix_build hook -j0 "$expr" --argstr seed "$uid_base-$1" -A all; }
# together FILE...: how many of the builds ran at the same time at most.
together() {
  for f in $(cat "$W/hook.out"); do
    read -r begin end <"$(real hook "$f")"
    printf '%s 1\n%s -1\n' "$begin" "$end"
  done | sort -k1,1n -k2,2n | awk '{ n += $2; if (n > max) max = n } END { print max + 0 }'
}
real() { echo "$W/$1/store/$(basename "$2")"; }

config
built none >"$W/hook.out"
check_eq "without a budget: all build" $? 0
check "without a budget: at once" [ "$(together)" -gt 1 ]

config "memory-budget = 4G" "memory-reserve = 3G"
built one >"$W/hook.out"
check_eq "one fits at a time: all build" $? 0
check_eq "one fits at a time: one after the other" "$(together)" 1

config "memory-budget = 4G" "memory-reserve = 3G" "[match pname=small]" "memory-reserve = 1G"
built two >"$W/hook.out"
check_eq "small ones beside a large one: all build" $? 0
check_eq "small ones beside a large one: two at once" "$(together)" 2

config "memory-budget = 1G" "memory-reserve = 3G"
built alone >"$W/hook.out"
check_eq "none fits: all build" $? 0
check_eq "none fits: each alone" "$(together)" 1
check_log "and it is told" "reserves 3072 MiB, more than the memory-budget of 1024 MiB, so it runs alone" "$W/hook.log"

# Something runs at any time: at least the look.
config "load-max = 0.001"
built load >"$W/hook.out"
check_eq "a machine that is always loaded: all build" $? 0
check_eq "a machine that is always loaded: one after the other" "$(together)" 1
config "load-max = 10000"
built no-load >"$W/hook.out"
check "a machine that is not: at once" [ "$(together)" -gt 1 ]

config "memory-budget = much"
built wrong >/dev/null
check "a wrong budget: nothing is built" [ $? != 0 ]
check_log "its place is told" "key 'memory-budget' is 'much', allowed is a number of bytes" "$W/hook.log"
check_eq "no reservation is left" "$(find "$W" -path '*/memory/*' ! -name lock | wc -l)" 0
finish

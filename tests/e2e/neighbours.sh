#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds that take all that they can get, each beside one that does nothing wrong: with limits the
# one ends, it is said why, and the other is built as if it were alone.
. "$(dirname "$0")/../lib.sh"
need crun mkfs.ext4
world "$@"
[ -e /dev/loop-control ] || skip_all "this machine has no loop devices"
expr=$here/e2e/neighbours.nix
left_begin
limits=("max-jobs = 2" "memory-max = 128M" "pids-max = 100" "disk-max = 64M" "log-max = 1M" "cpu-weight = 100")
build() { # build SEED ATTR...
  local seed=$1
  shift
  nix_build hook "$expr" --argstr seed "$seed" --keep-going -j4 -A "$1" -A "$2"
}
is_built() { # is_built ATTR SEED
  on hook nix-store --check-validity "$(on hook nix-store -q --outputs \
    "$(on hook nix-instantiate --quiet "$expr" --argstr seed "$2" -A "$1" 2>/dev/null)")"
}
not() { ! "$@"; }
# What is said of the end of each; which of two limits is met first can be the machine's business.
out_of_memory="ran out of memory and was killed: it may use 128 MiB \(memory-max\)"
declare -A said=(
  [forkBomb]="the build was refused more processes \(see 'pids-max'\)"
  [memoryHog]=$out_of_memory
  [diskFiller]="of the 64 MiB that it may use are left \(see 'disk-max'\)"
  [inodeFiller]="\(see 'disk-max'\)"
  [logFlood]="killed after writing more than 1048576 bytes of log output \(see 'log-max'\)"
  [descriptorHog]="Too many open files|$out_of_memory"
)
for runtime in crun runc runsc; do
  has_runtime $runtime || continue
  export NIX_OCI_HOOK_RUNTIME=$runtime
  printf '%s\n' "${limits[@]}" >"$NIX_OCI_HOOK_CONFIG"
  for hog in forkBomb memoryHog diskFiller inodeFiller logFlood descriptorHog; do
    build "$runtime-$hog" $hog neighbour >/dev/null
    check "$runtime: $hog: its neighbour is built" is_built neighbour "$runtime-$hog"
    check "$runtime: $hog: it is not" not is_built $hog "$runtime-$hog"
    check_log "$runtime: $hog: it is said why it ended" "${said[$hog]}" "$W/hook.log"
    nothing_left "$runtime: $hog" hook
  done
done
finish

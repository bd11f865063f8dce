#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# admission.sh [N [BUILDS]]: build six derivations of which three cannot run together in the memory
# that there is, which is that of a control group of 600 MiB: without a budget, with one, one at a
# time, and in the best order by hand. Then N (500) trivial derivations at two jobs, without and with
# a budget: none may be lost.
. "$(dirname "$0")/lib.sh"
need busybox crun
world "$@"
n=${1:-500}
export NIX_OCI_HOOK_RUNTIME=${NIX_OCI_HOOK_RUNTIME:-crun}
expr=$here/../bench/admission.nix
parent=nih-bench-$uid_base
memory=/sys/fs/cgroup/memory
[ -d "$memory" ] || { echo "needs the memory controller of cgroup v1" >&2; exit 77; }
memory=$memory$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
limit=600 # MiB; each large build takes 250, each small one 50
config() { printf '%s\n' "journal = off" "report = off" "$@" >"$NIX_OCI_HOOK_CONFIG"; }
nix_conf hook

bounded() { # bounded COMMAND...: with all that it starts in a group with that limit
  mkdir -p "$memory/$parent" && echo $((limit << 20)) >"$memory/$parent/memory.limit_in_bytes" || return
  (echo 0 >"$memory/$parent/cgroup.procs" && exec "$@")
}
build() { # build SEED ARG...
  local seed=$1
  shift
  on hook nix-build -k --no-out-link --option build-hook "$NIX_OCI_HOOK" "$expr" --argstr seed "$seed" "$@"
}
pairs() { # the best order: large with large, small with small
  for i in 0 1; do build pairs -A "pair$i" || return; done
  build pairs -A small
}
export -f build on become pairs
export W expr here NIX_OCI_HOOK
side() { # side TITLE FUNCTION ARG...
  local title=$1 start end
  shift
  start=$(date +%s%N)
  bounded bash -c '"$@"' - "$@" >"$W/out" 2>"$W/log"
  end=$(date +%s%N)
  printf '  %-24s %2d of 6 built, %6.1f s\n' "$title" "$(sort -u "$W/out" | grep -c store)" \
    "$(awk -v n=$((end - start)) 'BEGIN { print n / 1e9 }')"
}
echo "four builds of 250 MiB and two of 50 in $limit MiB, at four jobs:"
config "max-jobs = 4"
side "no budget" build free -A all
config "max-jobs = 4" "memory-budget = 560M" "[match pname=large]" "memory-reserve = 260M" \
  "[match pname=small]" "memory-reserve = 60M"
side "a budget" build budget -A all
config "max-jobs = 1"
side "one at a time" build one -A all
config "max-jobs = 2"
side "the best order" pairs
for _ in $(seq 50); do rmdir "$memory/$parent" 2>/dev/null && break; sleep 0.1; done

host_paths="/bin/sh=$(command -v busybox)"
nix_conf hook
trivial() { # trivial SEED
  on hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$here/../bench/trivial.nix" \
    --arg n "$n" --argstr seed "$1"
}
config "max-jobs = 2"
trivial first >/dev/null 2>&1 || exit 1
for round in 1 2 3; do
  config "max-jobs = 2"
  time_of ref trivial "free-$round" || exit 1
  config "max-jobs = 2" "memory-budget = 4G" "memory-default = 1G"
  time_of budget trivial "budget-$round" || exit 1
  built=$(sort -u "$W/bench.out" | wc -l)
  [ "$built" = "$n" ] || echo "lost: $((n - built)) of $n"
done
echo "$n trivial derivations at two jobs, median of 3 rounds:"
report ref "no budget"
report budget "a budget"

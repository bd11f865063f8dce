#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# memory-max and pids-max: a build that uses more is ended, and the hook tells why.
. "$(dirname "$0")/../lib.sh"
need crun
world "$@"
# Seeds are this run's own, so that control groups tell whose they are.
expr=$here/e2e/limits.nix
has() { grep -qE "^[0-9]+:([^:]*,)?$1[,:]" /proc/self/cgroup || grep -qw "$1" /sys/fs/cgroup/cgroup.controllers; }
has memory 2>/dev/null && has pids 2>/dev/null ||
  skip_all "this machine has no control groups for memory and pids"
left_begin

config() { printf '%s\n' "$@" >"$NIX_OCI_HOOK_CONFIG"; }
# What a limit of LIMIT says when it is met.
out_of_memory() { echo "error: builder for '/nix/store/.*' ran out of memory and was killed: it may use $1 \(memory-max\)$2"; }
for runtime in crun runc runsc; do
  has_runtime $runtime || continue
  export NIX_OCI_HOOK_RUNTIME=$runtime
  seed=$uid_base-$runtime
  # gVisor's own processes are in it as well.
  max=64 largest="; its peak was 6[0-9.]+ MiB; its largest process was '[a-z]+' with [0-9.]+ MiB; raise"
  [ $runtime != runsc ] || max=128 largest="; its peak was 1[0-9.]+ MiB; raise"
  config "memory-max = ${max}M"
  # A child that is killed takes the build with it, whatever the builder would make of that.
  for attr in eats eatsLater childEats childEatsAndAll; do
    nix_build hook "$expr" -A $attr --argstr seed "$seed" >/dev/null
    check_eq "$runtime: $attr: nix-build's exit code" $? "$(failure_code 100)"
    check_log "$runtime: $attr: it is told" "$(out_of_memory "$max MiB" "$largest")" "$W/hook.log"
    nothing_left "$runtime: $attr" hook
  done
  check "$runtime: no part of a build goes on" [ "$(grep -c 'the child ended' "$W/hook.log")" = 0 ]
  check "$runtime: a small build is fine" nix_build hook "$expr" -A small --argstr seed "$seed"
  config "memory-max = 16G"
  check "$runtime: a large limit" nix_build hook "$expr" -A small --argstr seed "$seed-16G"
  if [ $runtime != runsc ]; then
    config "pids-max = 8"
    nix_build hook "$expr" -A forks --argstr seed "$seed" >/dev/null
    check_log "$runtime: pids-max: the shell cannot fork" 'fork: .*Resource temporarily unavailable' "$W/hook.log"
  else
    config "pids-max = 8"
    nix_build hook "$expr" -A bombs --argstr seed "$seed" >/dev/null
    check "$runtime: pids-max: a build that wants many more fails" [ $? != 0 ]
    check_log "$runtime: pids-max: it is said what to set" "the build was refused more processes \(see 'pids-max'\)" "$W/hook.log"
  fi
  config "pids-max = 100"
  check "$runtime: pids-max: enough" nix_build hook "$expr" -A forks --argstr seed "$seed"
  nothing_left "$runtime: with limits" hook
  config "memory-max = 256M" "swap-max = 0" "cpu-max = 0.5" "cpu-weight = 50"
  check "$runtime: swap, processors and their weight" nix_build hook "$expr" -A small --argstr seed "$seed-all"
  check "$runtime: nothing of that is told" [ "$(grep -c "the limit" "$W/hook.log")" = 0 ]
  config "cpu-max = 0.2"
  nix_build hook "$expr" -A burns --argstr seed "$seed" >/dev/null
  check_log "$runtime: a second of a processor takes two and more of a fifth of one" '^it took ([2-9]|[1-9][0-9]) s$' "$W/hook.log"
  config "tmp-max = 1M"
  nix_build hook "$expr" -A fillsTmp --argstr seed "$seed" >/dev/null
  check_eq "$runtime: tmp-max: what does not fit" "$(grep '^full: ' "$W/hook.log" | sort | tr '\n' ' ')" \
    "full: /dev/shm full: /tmp "
  config "log-max = 10K"
  nix_build hook "$expr" -A floods --argstr seed "$seed" >/dev/null
  check_eq "$runtime: log-max: nix-build's exit code" $? "$(failure_code 100)"
  check_log "$runtime: log-max: it is told" \
    "error: building of '/nix/store/.*' from .drv file killed after writing more than 10240 bytes of log output \(see 'log-max'\)" "$W/hook.log"
  # 24 bytes a line, and the last ten lines once more.
  check "$runtime: log-max: the log is no longer" [ "$(grep -c "^flood" "$W/hook.log")" -le 440 ]
  nothing_left "$runtime: log-max" hook
  config "cgroups = on"
  check "$runtime: a group without a limit" nix_build hook "$expr" -A small --argstr seed "$seed-on"
  nothing_left "$runtime: a group without a limit" hook
  config "journal = $W/$runtime.jsonl"
  check "$runtime: by default" nix_build hook "$expr" -A small --argstr seed "$seed-auto"
  check_log "$runtime: by default: it is known what it had of memory" '"memory_peak_bytes": [1-9]' "$W/$runtime.jsonl"
  config "journal = $W/$runtime-limits.jsonl" "cgroups = limits"
  check "$runtime: groups for limits only" nix_build hook "$expr" -A small --argstr seed "$seed-limits"
  [ $runtime = runc ] || check "$runtime: groups for limits only: it has none" [ "$(grep -c memory_peak_bytes "$W/$runtime-limits.jsonl")" = 0 ]
  nothing_left "$runtime: by default" hook
  config ""
  [ $runtime = runsc ] || {
    nix_build hook "$expr" -A score --argstr seed "$seed" >/dev/null
    check_log "$runtime: of the machine's memory builds are the first to lose" '^oom_score_adj 500$' "$W/hook.log"
  }
done

# In a group that the configuration names.
export NIX_OCI_HOOK_RUNTIME=crun
config "memory-max = 64M" "cgroup-parent = nih-test-$uid_base.slice/builds"
check "a build is in the group that is named" nix_build hook "$expr" -A small --argstr seed "$uid_base"
parents=$(find /sys/fs/cgroup -type d -path "*/nih-test-$uid_base.slice/builds")
check_log "which is made" "^/sys/fs/cgroup/.*nih-test-$uid_base.slice/builds$" <(echo "$parents")
check_eq "and empty after" "$(find $parents -mindepth 1 -type d)" ""
find /sys/fs/cgroup -depth -type d -path "*/nih-test-$uid_base.slice*" -exec rmdir {} +

# Killed with all that would clean up: the next run does.
parent() { awk '{ sub(/.*\) /, ""); print $2 }' "/proc/$1/stat"; }
for runtime in crun runc runsc; do
  has_runtime $runtime || continue
  export NIX_OCI_HOOK_RUNTIME=$runtime
  config "memory-max = 256M"
  : >"$W/hook.log"
  become hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$expr" --argstr seed "$uid_base-$runtime" \
    -A sleeps >"$W/out" 2>"$W/hook.log" &
  nix=$!
  for _ in $(seq 100); do grep -qs started "$W/hook.log" && break; sleep 0.1; done
  group=$(our_cgroups | sed -n 's/^cgroup: //p' | grep -E '/memory/|^/sys/fs/cgroup/[^/]*/?nix' | head -n 1)
  name='/nix-build@[0-9a-z]{32}-[0-9]+-[0-9]+$'
  [ $runtime != runc ] || name='/nix-(build@)?[0-9a-z]{32}-[0-9-]+$' # v1: the container's
  check_log "$runtime: a group is named for its derivation" "$name" <(echo "$group")
  check "$runtime: the build is in it" [ -n "$(cat "$group/cgroup.procs" "$group"/*/cgroup.procs 2>/dev/null)" ]
  watch=$(grep -lx oci-hook-watch /proc/[0-9]*/comm 2>/dev/null | sed 's,^/proc/,,; s,/comm$,,')
  kill -KILL "$(parent "$watch")" "$watch"
  wait $nix 2>/dev/null
  check "$runtime: after a kill of all the next build succeeds" \
    nix_build hook "$expr" -A small --argstr seed "$uid_base-$runtime-next"
  nothing_left "$runtime: after a kill of all" hook
done

export NIX_OCI_HOOK_RUNTIME=crun
refused() { # refused NAME PATTERN
  nix_build hook "$expr" -A small --argstr seed "$uid_base-refused" >/dev/null
  check_eq "$1: nix-build's exit code" $? 1
  check_log "$1: the reason" "$2" "$W/hook.log"
}
config "memory-max = 64M" "cgroups = off"
refused "a limit without control groups" "the limit 'memory-max' needs control groups, and 'cgroups' is off"
config "memory-max = 64Q"
refused "a limit that is none" "oci-hook.conf:1: key 'memory-max' is '64Q', allowed is a number of bytes"
config "memory-max = 18446744073709551615"
refused "a limit that is too large" "oci-hook.conf:1: key 'memory-max' is"
if ! grep -qs . /sys/fs/cgroup/memory.high; then
  config "memory-high = 1G"
  refused "what cgroup v1 has not" "the limit 'memory-high' cannot be kept: the control groups of this machine have no file 'memory.high'"
fi
config "memory-max = 64M" "cgroup-parent = a/../../b"
refused "a parent that is none" "'cgroup-parent' is 'a/../../b', which is no control group below the root of a hierarchy"
config "cpu-max = 1,5"
refused "a number that is none" "oci-hook.conf:1: key 'cpu-max' is '1,5', allowed is a number from 0 to 100000"
# A machine that does not have it.
if [ -d /sys/fs/cgroup/unified ] && ! grep -qw memory /sys/fs/cgroup/unified/cgroup.controllers; then
  umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup
  config "memory-max = 64M"
  refused "a limit on a machine without it" \
    "the limit 'memory-max' cannot be kept: the control group '/sys/fs/cgroup[^']*' has no controller 'memory'"
  # Systemd owns the groups there, and cannot be asked.
  mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system "$W/no-bus"
  printf '#!/bin/sh\necho no bus here >&2\nexit 1\n' >"$W/no-bus/busctl" && chmod +x "$W/no-bus/busctl"
  PATH=$W/no-bus:$PATH refused "a limit where systemd cannot be asked for a group" \
    "the limit 'memory-max' cannot be kept: asking systemd for a control group: 'busctl --system' failed with exit code 1: no bus here"
  config "memory-max = 64M" "cgroup-parent = builds.slice"
  refused "a parent that is systemd's" "'cgroup-parent' is 'builds.slice', which is not below a unit that systemd delegates"
  config "memory-max = 64M"
  umount /run
  config ""
  check "no limit on such a machine" nix_build hook "$expr" -A small --argstr seed "$uid_base-no-memory"
  config "memory-max = 64M"
  umount /sys/fs/cgroup
  refused "a limit on a machine without control groups" "the limit 'memory-max' cannot be kept: this machine has no such control group"
  config ""
  check "no limit on a machine without control groups" nix_build hook "$expr" -A small --argstr seed "$uid_base-none"
  check "nothing is said of that" [ "$(grep -c "control group" "$W/hook.log")" = 0 ]
fi
finish

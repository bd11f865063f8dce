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
for runtime in crun runc; do
  has_runtime $runtime || continue
  export NIX_OCI_HOOK_RUNTIME=$runtime
  config "memory-max = 64M"
  for attr in eats eatsLater; do
    nix_build hook "$expr" -A $attr --argstr seed "$uid_base-$runtime" >/dev/null
    check_eq "$runtime: $attr: nix-build's exit code" $? "$(failure_code 100)"
    check_log "$runtime: $attr: it is told" "error: builder for '/nix/store/.*' ran out of memory and was killed by signal 9" \
      "$W/hook.log"
    nothing_left "$runtime: $attr" hook
  done
  nix_build hook "$expr" -A childEats --argstr seed "$uid_base-$runtime" >/dev/null
  check_eq "$runtime: a child eats: nix-build's exit code" $? "$(failure_code 100)"
  check_log "$runtime: a child eats: the builder's own exit code" 'failed with exit code 3\.?$' "$W/hook.log"
  check_log "$runtime: a child eats: and the reason" 'note: a process of the build was killed because it ran out of memory' \
    "$W/hook.log"
  check "$runtime: a build that goes on without its child is fine" \
    nix_build hook "$expr" -A childEatsAndAll --argstr seed "$uid_base-$runtime"
  check "$runtime: a small build is fine" nix_build hook "$expr" -A small --argstr seed "$uid_base-$runtime"
  config "memory-max = 16G"
  check "$runtime: a large limit" nix_build hook "$expr" -A small --argstr seed "$uid_base-$runtime-16G"
  config "pids-max = 8"
  nix_build hook "$expr" -A forks --argstr seed "$uid_base-$runtime" >/dev/null
  check_log "$runtime: pids-max: the shell cannot fork" 'fork: .*Resource temporarily unavailable' "$W/hook.log"
  config "pids-max = 100"
  check "$runtime: pids-max: enough" nix_build hook "$expr" -A forks --argstr seed "$uid_base-$runtime"
  nothing_left "$runtime: with limits" hook
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
# Both hierarchies at once, as some distributions have them, are nothing that runsc knows.
if command -v runsc >/dev/null && [ -d /sys/fs/cgroup/unified ]; then
  export NIX_OCI_HOOK_RUNTIME=runsc
  config "memory-max = 64M"
  refused "a limit with runsc on a hybrid machine" "the limit 'memory-max' cannot be kept: runsc"
fi
finish

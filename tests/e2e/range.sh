#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds with the feature uid-range are root of 65536 ids, and have a control group in which they
# can make others. However a build ends, none of these groups is left.
. "$(dirname "$0")/../lib.sh"
need crun
world "$@"
expr=$here/e2e/range.nix
# Derivations that no other test has at the same time.
seed=$uid_base-
grep -q ' - cgroup2 ' /proc/self/mountinfo || skip_all "no cgroup2 is mounted on this machine"
on hook nix-instantiate "$expr" --argstr seed 0 >/dev/null 2>&1 # make the store's directories
left_begin

config() { printf '%s\n' "$@" >"$NIX_OCI_HOOK_CONFIG"; }
nix_conf hook "system-features = uid-range"
groups() { # groups NAME: a build makes groups, one that fails does; nothing of them is left
  check "$1: a build makes groups" nix_build hook "$expr" --argstr seed "$seed$1" -A groups
  check_log "$1: it is in the topmost that it sees" '^0::/$' "$W/hook.log"
  check_log "$1: which is its own" '^top: 755 0:0$' "$W/hook.log"
  check_log "$1: it moves processes" '^it is in 0::/sub$' "$W/hook.log"
  check_log "$1: itself as well" '^0::/another one$' "$W/hook.log"
  nothing_left "$1" hook
  nix_build hook "$expr" --argstr seed "$seed$1" -A fails >/dev/null
  check_log "$1: one that fails does" 'failed with exit code 3' "$W/hook.log"
  nothing_left "$1: one that fails" hook
}
limited() { # limited CONTROLLER: it can be, here
  grep -qE "^[0-9]+:([^:]*,)?$1[,:]" /proc/self/cgroup ||
    grep -qsw "$1" /sys/fs/cgroup/cgroup.controllers
}
runtimes=()
for runtime in crun runc; do
  if command -v $runtime >/dev/null; then runtimes+=($runtime); else echo "# no $runtime here"; fi
done
for runtime in "${runtimes[@]}"; do
  export NIX_OCI_HOOK_RUNTIME=$runtime
  config ""
  groups "$runtime"
  check "$runtime: groups as deep as may be" nix_build hook "$expr" --argstr seed "$seed$runtime" -A deep
  check_log "$runtime: they end somewhere" '^[0-9][0-9] groups deep$' "$W/hook.log"
  nothing_left "$runtime: groups as deep as may be" hook
  check "$runtime: a build runs containers" nix_build hook "$expr" --argstr seed "$seed$runtime" -A manages
  check_log "$runtime: with groups of their own" '^inner: 0::/.*inner' "$W/hook.log"
  nothing_left "$runtime: a build runs containers" hook
  config "cgroups = on"
  groups "$runtime, cgroups = on"
  limited memory || continue
  config "memory-max = 64M"
  groups "$runtime, memory-max"
  nix_build hook "$expr" --argstr seed "$seed$runtime" -A eats >/dev/null
  check_log "$runtime: a limit counts below as well" 'out of memory' "$W/hook.log"
  nothing_left "$runtime: a limit counts below as well" hook
done

# Killed with all that would clean up: the next run does.
supervisors() { grep -lx oci-hook-watch /proc/[0-9]*/comm 2>/dev/null | sed 's,^/proc/,,; s,/comm$,,'; }
parent() { awk '{ sub(/.*\) /, ""); print $2 }' "/proc/$1/stat"; }
start() { # start ATTR: nix-build in the background until its build has started; sets nix
  : >"$W/hook.log" # not the last one's
  become hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$expr" --argstr seed "$seed$what" \
    -A "$1" >"$W/out" 2>"$W/hook.log" &
  nix=$!
  for _ in $(seq 100); do
    grep -q started "$W/hook.log" && return
    sleep 0.1
  done
  not_ok "$what: the build started" "$W/hook.log"
  kill -KILL $nix 2>/dev/null
  wait $nix 2>/dev/null
  return 1
}
for runtime in "${runtimes[@]}"; do
  export NIX_OCI_HOOK_RUNTIME=$runtime
  config ""
  for victims in hook supervisor "hook and supervisor"; do
    what="$runtime, $victims killed"
    start hides || continue
    watch=$(supervisors)
    case $victims in
    hook) kill -KILL "$(parent "$watch")" ;;
    supervisor) kill -KILL "$watch" ;;
    *)
      check "$what: there is a group to be left" [ -n "$(our_cgroups)" ]
      kill -KILL "$(parent "$watch")" "$watch"
      ;;
    esac
    wait $nix 2>/dev/null
    [ "$victims" != "hook and supervisor" ] ||
      check "$what: the next build succeeds" nix_build hook "$expr" --argstr seed "$seed$what" -A groups
    nothing_left "$what" hook
  done
done

# A file system without devices. What crun 1.8 has as input it gives to root of the build, or to the
# build's user where the machine's root is mapped; so that must be no bind of the machine's device.
mknod -m 0666 "$W/null" c 1 3 && mount --bind "$W/null" /dev/null
mv "$W/hook" "$W/hook-store" && mkdir "$W/hook" && mount -t tmpfs -o nodev,mode=755 none "$W/hook" &&
  cp -a "$W/hook-store/." "$W/hook/"
mkdir "$W/bundles" && mount -t tmpfs -o nodev,mode=755 none "$W/bundles"
left_mounts=$(cut -d' ' -f5 /proc/self/mountinfo | grep -F "$W")
null() { # null NAME ARG...
  check "$1: a build has a null device" nix_build hook "$expr" --argstr seed "$seed$1" -A null "${@:2}"
  check_log "$1: it is one for all" '^null: character special file 666$' "$W/hook.log"
  check_eq "$1: the machine's is still as it was" "$(stat -c '%u:%g %a' /dev/null)" "0:0 666"
  chown 0:0 /dev/null && chmod 666 /dev/null
  nothing_left "$1" hook
}
for runtime in "${runtimes[@]}"; do
  export NIX_OCI_HOOK_RUNTIME=$runtime
  config ""
  null "$runtime, a store without devices"
  config "bundle-dir = $W/bundles"
  null "$runtime, bundles without devices"
  chmod 700 "$W/bundles"
  null "$runtime, bundles without devices that only root can reach" --arg features '[ ]'
  chmod 755 "$W/bundles"
done
config ""
umount "$W/hook" "$W/bundles" /dev/null && rmdir "$W/hook" && mv "$W/hook-store" "$W/hook"
left_mounts=

# Other machines: with v2 alone, and without it.
in_group() { # in_group COMMAND...: in a control group of v2 that is not the topmost
  mkdir -p "$v2/nih-test-$$" && (echo $BASHPID >"$v2/nih-test-$$/cgroup.procs" && "$@")
  local rc=$?
  # The hook was in the way of the builds' groups, and went to one of its own.
  find "$v2/nih-test-$$" -depth -type d -exec rmdir {} +
  return $rc
}
v2=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
export NIX_OCI_HOOK_RUNTIME=crun
config ""
check "a build makes groups where the hook is in one" in_group \
  nix_build hook "$expr" --argstr seed "$seed in one" -A groups
nothing_left "a build makes groups where the hook is in one" hook
if [ "$v2" = /sys/fs/cgroup/unified ]; then
  umount "$v2"
  nix_build hook "$expr" --argstr seed "$seed v1" -A groups >/dev/null
  check_log "without cgroup v2 the reason is told" \
    "error: a build with the feature 'uid-range' needs a control group of its own \(see 'cgroups'\): no file system of cgroup v2" "$W/hook.log"
  nothing_left "without cgroup v2" hook
  config "cgroups = off"
  check "without cgroup v2 and with cgroups = off a build can do without" nix_build hook --argstr seed "$seed off" -E \
    '{ seed }: derivation { name = "off"; inherit seed; system = builtins.currentSystem; builder = "/bin/sh";
      args = [ "-c" "echo >$out" ]; requiredSystemFeatures = [ "uid-range" ]; }'
  umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup
  v2=/sys/fs/cgroup
  cgroups >"$W/cgroups"
  for runtime in "${runtimes[@]}"; do
    export NIX_OCI_HOOK_RUNTIME=$runtime
    config ""
    groups "$runtime, v2 alone"
    config "cgroups = on"
    groups "$runtime, v2 alone, cgroups = on"
    check "$runtime, v2 alone: where the hook is in a group" in_group \
      nix_build hook "$expr" --argstr seed "$seed$runtime, in one" -A groups
    nothing_left "$runtime, v2 alone: where the hook is in a group" hook
  done
fi
finish

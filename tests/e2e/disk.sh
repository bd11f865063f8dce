#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# disk-max: what a build writes is bounded, its outputs are the same, and nothing of its file system
# outlives it. A disk that is full without it: which one, and what filled it.
. "$(dirname "$0")/../lib.sh"
need crun mkfs.ext4 losetup
world "$@"
[ -e /dev/loop-control ] || skip_all "this machine has no loop devices"
expr=$here/e2e/disk.nix
left_begin
config() { printf '%s\n' "$@" >"$NIX_OCI_HOOK_CONFIG"; }
# Those of files without a name, which nobody else makes here.
loops() { losetup -n -l -O BACK-FILE | grep -c '[.]drv[.]chroot/#.*(deleted)'; }
no_loops() { # no_loops NAME: within two seconds
  local i
  for ((i = 0; i < 20; i++)); do [ "$(loops)" = 0 ] && break; sleep 0.1; done
  check_eq "$1: no loop device is left" "$(loops)" 0
}

runtimes=()
for runtime in crun runc runsc; do
  has_runtime $runtime || continue
  runtimes+=("$runtime")
  config "runtime = $runtime" "disk-max = 32M"
  build_both "$runtime: small" --argstr seed "$runtime" "$expr" -A small && compare "$runtime: small"
done
for runtime in "${runtimes[@]}"; do
  config "runtime = $runtime" "disk-max = 32M"
  seed=(--argstr seed "$runtime")
  nix_build hook "$expr" "${seed[@]}" -A fills >/dev/null
  check_eq "$runtime: a full build directory: nix-build's exit code" $? "$(failure_code 100)"
  check_log "$runtime: it is told" "note: build failure .* lack of free disk space: .* of the 32 MiB that it may use are left \(see 'disk-max'\); of what the build wrote, the most, (2[0-9]|3[0-2]) MiB, is in '/build/more/deep'" "$W/hook.log"
  nix_build hook "$expr" "${seed[@]}" -A fillsOutput >/dev/null
  check_log "$runtime: outputs count as well" "the most, (2[0-9]|3[0-2]) MiB, is in '/nix/store/[^/]*-fills-output/lib'" "$W/hook.log"
  nix_build hook "$expr" "${seed[@]}" -A fillsByFiles >/dev/null
  check_log "$runtime: so do files" "are left \(see 'disk-max'\); .* is in '/build/d'" "$W/hook.log"
  nothing_left "$runtime" hook
  no_loops "$runtime"
done

config "runtime = crun" "disk-max = 32M"
nix_build hook "$expr" -A fills --keep-failed >/dev/null
kept=$(sed -n "s/^note: keeping build directory ['\"]\(.*\)['\"]$/\1/p" "$W/hook.log")
case $kept in /nix/*) kept=$W/hook${kept#/nix} ;; esac # Nix 2.31 and newer
check "a build directory is kept whole" [ "$(stat -c %s "${kept:-/nowhere}/more/deep/large")" -gt 20000000 ]
rm -rf "${kept:-/nowhere}"
nothing_left "kept" hook
no_loops "kept"

# Nothing outlives all of its processes.
descendants() { # descendants PID
  local child
  for child in $(cat "/proc/$1/task/$1/children"); do echo "$child"; descendants "$child"; done
}
become hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$expr" -A waits >/dev/null 2>"$W/hook.log" &
nix=$!
for ((i = 0; i < 300; i++)); do grep -q '^begun' "$W/hook.log" && break; sleep 0.1; done
check_eq "while it runs there is one" "$(loops)" 1
check "nobody else sees it" [ "$(grep -c "$W.*chroot" /proc/self/mounts)" = 0 ]
# shellcheck disable=SC2046 # a list of numbers
kill -KILL $(descendants $nix) $nix
wait $nix 2>/dev/null
no_loops "after SIGKILL of all"
check "the next build" nix_build hook "$expr" -A small --argstr seed next
nothing_left "after SIGKILL of all" hook

# ---- what cannot be kept ----
refused() { # refused NAME VALUE PATTERN
  config "runtime = crun" "disk-max = $2"
  nix_build hook "$expr" -A small --argstr seed "refused-$2" >/dev/null
  check "$1: fails" [ $? != 0 ]
  check_log "$1: it is told" "$3" "$W/hook.log"
  nothing_left "$1" hook
}
refused "more than the disk has" 1000T "'disk-max' cannot be kept: reserving 1099511627776000 bytes of the disk of '.*': "
refused "too small" 4M "'disk-max' is 4194304 bytes, and a file system needs 8388608 of them"
no_loops "refused"

# ---- a disk that is full without it ----
mkdir "$W/little"
mount -t tmpfs -o size=20M,mode=0755 tmpfs "$W/little"
mkdir "$W/little/bundles"
config "runtime = crun" "bundle-dir = $W/little/bundles"
nix_build hook "$expr" -A fills >/dev/null
check_log "another disk: which one, and what filled it" "lack of free disk space: .* of 20 MiB are left at '$W/little'; of what the build wrote, the most, (1[0-9]|20) MiB, is in '/build/more/deep'" "$W/hook.log"
check_eq "another disk: no bundle is left" "$(ls "$W/little/bundles")" ""
umount "$W/little"
nothing_left "another disk" hook
finish

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# An ordinary user with a store of its own: docs/rootless.md is right about each runtime on each
# kind of machine, and about settings that need root. TAP.
# shellcheck source=tests/lib.sh
source "$(dirname "$0")/../lib.sh"
need setpriv crun
world "$@"
id=$((uid_base + 12))
echo "alice:x:$id:$id::$W/alice:/bin/false" >>"$W/passwd"
mkdir "$W/alice" "$W/run"
cp "$here/e2e/small.nix" "$here/e2e/through.nix" "$W/alice/"
chown -R $id:$id "$W/alice" "$W/run" "$W/hook"

layout=none
case $(stat -f -c %T /sys/fs/cgroup) in
cgroup2fs) layout=v2 ;;
tmpfs) if mountpoint -q /sys/fs/cgroup/unified; then layout=hybrid; else layout=v1; fi ;;
esac
mounts_for() { # mounts_for LAYOUT: the commands that make the machine one of it, or nothing
  case $layout:$1 in
  "$1:$layout") echo : ;;
  hybrid:v1) echo umount /sys/fs/cgroup/unified ;;
  *:v2) echo "umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup" ;;
  *:none) echo umount -R /sys/fs/cgroup ;;
  esac
}
# alice LAYOUT KEY=VALUE,... ARG...: her nix-build, with these keys of the configuration
alice() {
  local mounts keys
  mounts=$(mounts_for "$1")
  keys=$(tr ', ' '\n_' <<<"$2" | sed 's/^/NIX_OCI_HOOK_/')
  shift 2
  # shellcheck disable=SC2086 # words
  unshare --mount --propagation private sh -c "$mounts"' && mount --bind "$0" /nix && exec "$@"' \
    "$W/hook" env -i PATH="$PATH" HOME="$W/alice" TMPDIR="$W/alice" XDG_RUNTIME_DIR="$W/run" \
    NIX_CONF_DIR="$W/etc-hook" $keys setpriv --reuid $id --regid $id --clear-groups \
    nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$@" >"$W/hook.out" 2>"$W/hook.log"
}
n=0
row() { # row RUNTIME LAYOUT WHAT: a cell of the table
  local rc
  [ -n "$(mounts_for "$2")" ] || return 0
  n=$((n + 1))
  alice "$2" "RUNTIME=$1" --store "$W/alice/store-$n" "$W/alice/small.nix" -A multi
  rc=$?
  if [ "$3" = works ]; then
    check_eq "$1, $2: builds" "$rc: $(grep -c "^building .* on 'oci:" "$W/hook.log")" "0: 2"
    nix_build ref "$here/e2e/small.nix" -A multi >"$W/ref.out"
    check_eq "$1, $2: the same paths as root" "$(cat "$W/hook.out")" "$(cat "$W/ref.out")"
  else
    check "$1, $2: fails" [ $rc != 0 ]
    check "$1, $2: it is said why" grep -qF "${3//\`/}" "$W/hook.log"
  fi
}
while IFS='|' read -r runtime v2 v1 hybrid none; do
  has_runtime "$runtime" || continue
  row "$runtime" v2 "$v2"
  row "$runtime" v1 "$v1"
  row "$runtime" hybrid "$hybrid"
  row "$runtime" none "$none"
done < <(awk '/^<!-- rootless -->/ { inside = 1; next } inside && /^\|/ { print; some = 1; next }
  some { exit }' "$top_srcdir/docs/rootless.md" | sed '1,2d; s/^| *//; s/ *|$//; s/ *| */|/g')
check "the table has rows for this machine" [ $n -ge 3 ]

# Which one is taken where none is named.
if has_runtime runc && [ $layout = hybrid ] && grep -q . /sys/fs/cgroup/unified/cgroup.controllers; then
  n=$((n + 1))
  alice hybrid "RUNTIME=auto" --store "$W/alice/store-$n" "$W/alice/small.nix" -A dep -vv
  check_eq "auto, hybrid: builds" $? 0
  check_log "auto, hybrid: crun is passed over" "^building .* on 'oci:runc'" "$W/hook.log"
  check_log "auto, hybrid: it is said why" "crun refuses control groups of v1 and v2 at once" "$W/hook.log"
fi
n=$((n + 1))
alice "$layout" "RUNTIME=auto" --store "$W/alice/store-$n" "$W/alice/small.nix" -A dep
check_eq "auto: builds" $? 0

# Root of a user namespace has root's default, which is the machine's: where a hook of the machine's
# root made it, and where none has run since the start of the machine.
root_of_namespace() { # root_of_namespace COMMAND: her build as root, with COMMAND's /run
  unshare --mount --propagation private sh -c "mount -t tmpfs -o mode=0755 run /run && $1"' && exec "$@"' sh \
    setpriv --reuid $id --regid $id --clear-groups env -i PATH="$PATH" HOME="$W/alice" TMPDIR="$W/alice" \
    NIX_CONF_DIR="$W/etc-hook" unshare --map-root-user nix-build --no-out-link --store "$W/alice/store-root" \
    --option build-hook "$NIX_OCI_HOOK" --option build-users-group "" "$W/alice/small.nix" -A dep >"$W/hook.log" 2>&1
}
! root_of_namespace :
check_eq "root of a user namespace, an empty /run: fails" $? 0
check_log "root of a user namespace, an empty /run: it is said what to set" \
  "user 0 may not create the state directory \(set 'state-dir'.*'/run/nix-oci-hook'" "$W/hook.log"
! root_of_namespace "mkdir /run/nix-oci-hook"
check_eq "root of a user namespace, the machine's directory: fails" $? 0
check_log "root of a user namespace, the machine's directory: it is said what to set" \
  "'/run/nix-oci-hook' .*user 65534's.*\(set 'state-dir' to a directory of that user\)" "$W/hook.log"

# The rest with what works nearly everywhere.
runtime=runc
has_runtime runc || runtime=crun
with() { # with NAME KEYS ARG...: 0 where it builds
  local name=$1 keys=$2
  shift 2
  n=$((n + 1))
  alice "$layout" "RUNTIME=$runtime,$keys" --store "$W/alice/store-$n" "$@"
}
works() {
  with "$@"
  check_eq "$1: works" $? 0
}
refused() { # refused NAME KEYS PATTERN ARG...
  local name=$1 keys=$2 pattern=$3
  shift 3
  with "$name" "$keys" "$@"
  check "$name: fails" [ $? != 0 ]
  check_log "$name: it is said why" "$pattern" "$W/hook.log"
}
works "inputs = nar" INPUTS=nar "$W/alice/small.nix" -A multi
works "profile = tvix" PROFILE=tvix "$W/alice/small.nix" -A link
works "a fixed output" CGROUPS=auto "$W/alice/through.nix" --argstr name fixed -A fixed
with "keep-failed" CGROUPS=auto --keep-failed "$W/alice/small.nix" -A fails
check "keep-failed: the directory is kept" compgen -G "$W/alice/nix-build-fails.drv-*"
refused "uid-range" CGROUPS=auto "'uid-range' needs 65536 ids, which only a hook that root starts can give it" -E 'derivation { name = "range"; builder = "/bin/sh";
  system = builtins.currentSystem; requiredSystemFeatures = [ "uid-range" ]; }' \
  --option system-features uid-range
refused "userns = false" USERNS=false "cannot run the build" "$W/alice/small.nix" -A link
for key in MEMORY_MAX=64M PIDS_MAX=64; do
  refused "$runtime, $key" $key "the limit '[a-z-]*' cannot be kept: creating the control group '.*': Permission denied" "$W/alice/small.nix" -A link
done
refused "disk-max" DISK_MAX=64M "'disk-max' cannot be kept: only root may mount a file system" "$W/alice/small.nix" -A link
runtime=crun
for key in MEMORY_MAX=64M PIDS_MAX=64; do
  refused "crun, $key" $key "the limit '[a-z-]*' cannot be kept: creating the control group '.*': Permission denied" \
    "$W/alice/small.nix" -A link
done
left_known=
find "$W/run" "$W/alice" -name '*.chroot' >"$W/left"
check_eq "nothing is left in the stores" "$(cat "$W/left")" ""
finish

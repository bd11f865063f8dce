#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a build must not get, under every runtime that is here: the power of the machine's root by a
# set-id program that Nix's settings mount. TAP.
# shellcheck source=tests/lib.sh
source "$(dirname "$0")/../lib.sh"
need busybox "${CC:-gcc}"
world "$@"

busybox=$(readlink -f "$(command -v busybox)")
ldd "$busybox" >/dev/null 2>&1 && skip_all "busybox is not static"
host_paths="/bin/sh=$busybox"
tool() { # tool NAME <PROGRAM: as $W/NAME, linked statically
  "${CC:-gcc}" -static -O1 -x c -o "$W/$1" - >"$W/cc.log" 2>&1 ||
    skip_all "no static program can be linked: $(tail -n 1 "$W/cc.log")"
}
runtimes=
for r in crun runc runsc; do has_runtime $r && runtimes="$runtimes $r"; done
builds=0
build() { # build COMMAND [ATTRS]: the log of a build by sh, in $W/hook.log; true: it has ended well
  builds=$((builds + 1)) # so that each is another
  nix_build hook -E "derivation ({ name = \"hostile-$builds\"; system = builtins.currentSystem;
    builder = \"/bin/sh\"; args = [ \"-c\" ''$1
      echo >\$out'' ]; } // ${2-{ \}})" >"$W/hook.out"
}
left_begin

# ---- a set-id program of root that sandbox-paths names ----
tool suid <<'END'
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
	/* Nobody but the machine's root may write there. */
	int fd = open("/proc/sys/kernel/core_pattern", O_WRONLY);
	printf("set-id: euid %s, core_pattern %s\n", geteuid() == getuid() ? "same" : "other",
	       fd < 0 ? "closed" : "open");
}
END
mkdir "$W/suid.d" && mount -t tmpfs -o mode=755 none "$W/suid.d"
left_mounts=$W/suid.d
install -m 4755 "$W/suid" "$W/suid.d/suid"
check_eq "the set-id program works outside" \
  "$(setpriv --reuid $((uid_base + 9)) --regid "$uid_base" --clear-groups "$W/suid.d/suid")" \
  "set-id: euid other, core_pattern open"
for r in $runtimes; do
  # Where others cannot reach the bundle, crun has the machine's root mapped as well.
  mkdir -m 700 "$W/closed-$r"
  for state in "$W/state" "$W/closed-$r/state"; do
    for new in false true; do
      nix_conf hook "extra-sandbox-paths = /suid=$W/suid.d" "allow-new-privileges = $new"
      NIX_OCI_HOOK_STATE_DIR=$state NIX_OCI_HOOK_RUNTIME=$r build /suid/suid ||
        not_ok "$r, $state, $new: builds" "$W/hook.log"
      check_log "$r: a set-id program raises nothing (allow-new-privileges = $new, ${state#"$W"})" \
        '^set-id: euid same, core_pattern closed$' "$W/hook.log"
    done
  done
  rm -rf "$W/closed-$r"
done
umount "$W/suid.d"
left_mounts=

# ---- flags of a mount that a user namespace may not take off, and a runtime not lose ----
mkdir "$W/closed.d" && mount -t tmpfs -o mode=755,nodev,noexec,noatime none "$W/closed.d"
left_mounts=$W/closed.d
echo text >"$W/closed.d/file"
nix_conf hook "extra-sandbox-paths = /d=$W/closed.d /f=$W/closed.d/file"
for r in $runtimes; do
  NIX_OCI_HOOK_RUNTIME=$r build 'read a </d/file; read b </f; echo "read $a $b"
    while read -r l; do case $l in *" /d "*|*" /f "*) echo $l ;; esac; done </proc/self/mountinfo'
  check_log "$r: files of a mount with nodev and noexec are there" '^read text text$' "$W/hook.log"
  [ $r = runsc ] || check_eq "$r: and it keeps its flags" \
    "$(grep -cE ' /[df] rw,nosuid,nodev,noexec,noatime ' "$W/hook.log")" 2
done
umount "$W/closed.d"
left_mounts=
nix_conf hook

nothing_left "after all" hook
finish

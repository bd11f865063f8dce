#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Under each installed runtime, no build gets the power of the machine's root by a set-id program
# that Nix's settings mount. TAP.
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

# ---- a process that runs as the build's user before the build begins ----
printf '#!/bin/sh\n' >"$W/pre-build" && chmod 755 "$W/pre-build"
squat() { # squat UID: it waits for a file of a build that it can write to, and says so in squat.log
  setpriv --reuid "$1" --regid "$uid_base" --clear-groups bash -c 'while sleep 0.01; do
      for f in "$0"/hook/store/*.chroot/scratch/build/victim; do
        [ -e "$f" ] && echo evil >"$f" && echo changed
      done
    done' "$W" >"$W/squat.log" 2>&1 &
  squatter=$!
  disown
  while [ "$(stat -c %u "/proc/$squatter")" != "$1" ]; do sleep 0.01; done
}
gone() { # gone NAME: the squatter
  for _ in $(seq 20); do
    kill -0 $squatter 2>/dev/null || { ok "$1"; return; }
    sleep 0.1
  done
  not_ok "$1" "$W/squat.log"
  kill -KILL $squatter
}
victim='echo good >/build/victim; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done
  read x </build/victim; echo "victim: $x"'
nix_conf hook "pre-build-hook = $W/pre-build"
squat $((uid_base + 1))
build "$victim" || not_ok "a build beside a squatter" "$W/hook.log"
check_log "a process of the build user from before changes nothing" '^victim: good$' "$W/hook.log"
gone "a process of the build user from before is killed"
nix_conf hook
if nix_at_least 2.26; then
  start=$((872415232 + 65536 * (RANDOM % 10000)))
  nix_conf hook "experimental-features = nix-command auto-allocate-uids cgroups" \
    "auto-allocate-uids = true" "start-id = $start" "system-features = uid-range"
  squat $start
  build "$victim" || not_ok "a build of a range beside a squatter" "$W/hook.log"
  gone "a process of the first id of a range is killed"
  squat $((start + 1234))
  build "$victim" '{ requiredSystemFeatures = [ "uid-range" ]; }' ||
    not_ok "a build of all of a range beside a squatter" "$W/hook.log"
  gone "a process of any id of a range is killed where all of it is the build's"
  nix_conf hook
fi

# ---- what nobody has given it ----
build 'exit 0' '{ requiredSystemFeatures = [ "uid-range" ]; }' &&
  not_ok "a range of ids without a word in system-features"
check_log "a range of ids is the machine's to offer (system-features)" 'uid-range' "$W/hook.log"
tool calls <<'END'
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
static void say(const char *what, long rc)
{
	printf("%s: %s\n", what, rc < 0 ? strerrorname_np(errno) : "ok");
}
int main(void)
{
	char params[128] = {0};
	say("set-id", open("/build/set-id", O_CREAT | O_RDWR, 02644));
	say("io_uring", syscall(SYS_io_uring_setup, 1, params));
	say("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
	say("unix", socket(AF_UNIX, SOCK_STREAM, 0));
	say("inet6", socket(AF_INET6, SOCK_DGRAM, 0));
	say("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
}
END
nix_conf hook "extra-sandbox-paths = /calls=$W/calls"
for r in $runtimes; do
  NIX_OCI_HOOK_RUNTIME=$r build /calls || not_ok "$r: builds" "$W/hook.log"
  for call in unix inet6 netlink; do check_log "$r: $call: is left" "^$call: ok" "$W/hook.log"; done
  check_log "$r: no vsock" '^vsock: E' "$W/hook.log"
  check_log "$r: no io_uring" '^io_uring: E' "$W/hook.log"
  [ $r = runsc ] || check_log "$r: no set-id file" '^set-id: EPERM' "$W/hook.log"
done
NIX_OCI_HOOK_IO_URING=true build /calls || not_ok "with io-uring: builds" "$W/hook.log"
check_log "with the key io-uring it is left" '^io_uring: (ok|EPERM)' "$W/hook.log"
nix_conf hook

# A secret of whoever runs Nix, which a build with network could send anywhere.
fixed='{ outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "\n";
  impureEnvVars = [ "MY_TOKEN" "http_proxy" ]; }'
export MY_TOKEN=secret http_proxy=http://proxy
build 'echo "token ($MY_TOKEN) proxy ($http_proxy)"' "$fixed" || not_ok "a fixed output" "$W/hook.log"
check_log "a build gets no secret of the environment" '^token \(\) proxy \(http://proxy\)$' "$W/hook.log"
check_log "and it is said" "does not get the variable 'MY_TOKEN' .*impure-env-secrets" "$W/hook.log"

nothing_left "after all" hook
finish

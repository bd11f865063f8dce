#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Faults of the machine: no place for state, no runtime, a runtime that dies, a full disk. Nix
# prints one clear message with path and reason, and exits with 1. Nothing is registered or left.
. "$(dirname "$0")/../lib.sh"
need crun
world "$@"
expr=$here/e2e/small.nix
on hook nix-instantiate "$expr" -A dep >/dev/null 2>&1 # make the store's directories
left_begin

says() { # says NAME PATTERN [SCRIPT]: a build fails by exit code 1 with that message
  local rc
  nix_build hook -E "derivation { name = \"build\"; system = builtins.currentSystem;
    builder = \"/bin/sh\"; args = [ \"-c\" ''${3-echo >\$out}'' ]; case = ''$1''; }" >/dev/null
  rc=$?
  check_eq "$1: nix-build's exit code" "$rc" 1
  check_log "$1: the reason is told" "$2" "$W/hook.log"
  check_eq "$1: nothing is valid" "$(valid_count hook)" 0
  nothing_left "$1" hook
}
# State.
echo >"$W/a-file"
export NIX_OCI_HOOK_STATE_DIR=$W/a-file
says "a file as state directory" "$W/a-file.*(Not a directory|not a directory|File exists)"
export NIX_OCI_HOOK_STATE_DIR=$W/$'caf\xe9'
says "a state directory that is not UTF-8" "key 'state-dir' is '$W/caf.*', which is not UTF-8: no OCI runtime"
export NIX_OCI_HOOK_STATE_DIR=/proc/nowhere
says "a state directory that cannot be made" '/proc/nowhere'
mkdir "$W/ro" && mount -t tmpfs -o ro none "$W/ro"
left_mounts=$W/ro
export NIX_OCI_HOOK_STATE_DIR=$W/ro/state
says "a read-only state directory" "$W/ro/?.*Read-only file system"
umount "$W/ro"
# Where the bundle is not in memory the runtime writes there, and has words of its own for it.
mkdir "$W/tiny" "$W/hook/bundles" && mount -t tmpfs -o size=8k,mode=755 none "$W/tiny"
left_mounts=$W/tiny
export NIX_OCI_HOOK_STATE_DIR=$W/tiny NIX_OCI_HOOK_BUNDLE_DIR=/nix/bundles
says "a state directory without space" "no space left on the file system of '$W/tiny.*'state-dir'"
unset NIX_OCI_HOOK_BUNDLE_DIR
umount "$W/tiny"
rmdir "$W/hook/bundles"
left_mounts=
export NIX_OCI_HOOK_STATE_DIR=$W/state

# Configuration.
printf 'runtime = crun\nmax-jobs = many\n' >"$W/oci-hook.conf"
export NIX_OCI_HOOK_CONFIG="$W/oci-hook.conf"
says "a wrong value in the configuration" "oci-hook.conf.*2.*max-jobs"
printf 'runtimes = crun\n' >"$W/oci-hook.conf"
says "a wrong key in the configuration" "oci-hook.conf.*1.*runtimes"
unset NIX_OCI_HOOK_CONFIG

# The runtime.
export NIX_OCI_HOOK_RUNTIME=/no/such/runtime
says "a runtime that is not there" '/no/such/runtime'
runtime() { # runtime TEXT: a script as runtime, which has the arguments of the runtime's own
  printf '#!/bin/bash\n%s\n' "$1" >"$W/runtime"
  chmod +x "$W/runtime"
  export NIX_OCI_HOOK_RUNTIME="$W/runtime"
}
unset NIX_OCI_HOOK_RUNTIME
real_hook=$NIX_OCI_HOOK
# The hook alone sees a machine without runtimes.
cat >"$W/hook-without" <<END
#!/bin/sh
exec unshare --mount --propagation private -- sh -c '
  for r in crun runc youki runsc; do
    f=\$(command -v \$r) && mount --bind /dev/null "\$f"
  done
  exec "\$@"' sh $real_hook "\$@"
END
chmod +x "$W/hook-without"
NIX_OCI_HOOK=$W/hook-without
says "no runtime at all" 'no OCI runtime|no runtime|runtime.* (was )?not found'
NIX_OCI_HOOK=$real_hook
: >"$W/not-executable"
export NIX_OCI_HOOK_RUNTIME="$W/not-executable"
says "a runtime that cannot be executed" "$W/not-executable"
runtime 'exit 3'
says "a runtime that fails without a word" "$W/runtime|runtime"
runtime 'echo "the machine is on fire" >&2; exit 1'
says "a runtime that fails with a message" 'the machine is on fire'
runtime 'kill -KILL $$'
says "a runtime that is killed" 'signal 9|Killed|killed'
runtime 'crun "$@" & sleep 0.3; kill -KILL $!; wait $!; kill -KILL $$'
says "a runtime that is killed with its container running" '.' 'PATH=/bin; sleep 100'
unset NIX_OCI_HOOK_RUNTIME

# A machine without user namespaces: the hook alone is in one, with all ids, that allows no other.
cat >"$W/hook-limited" <<END
#!/bin/bash
pid=\$\$
{
  until [ "\$(readlink /proc/self/ns/user)" != "\$(readlink /proc/\$pid/ns/user)" ]; do sleep 0.05; done
  for map in uid_map gid_map; do echo 0 0 4294967295 >/proc/\$pid/\$map; done
} </dev/null >/dev/null 2>&1 4>&- 5>&- &
exec unshare --user --keep-caps --mount --propagation private -- bash -c '
  until read -r _ </proc/self/gid_map; do sleep 0.05; done
  exec "\$@"' bash sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "\$@"' sh $real_hook "\$@"
END
chmod +x "$W/hook-limited"
NIX_OCI_HOOK=$W/hook-limited
says "no user namespaces, no fallback" "no user namespace can be made: No space left on device \\(see the limit \
'/proc/sys/user/max_user_namespaces'\\); builds do without one where 'userns' is false or Nix's 'sandbox-fallback'"
NIX_OCI_HOOK=$real_hook

# Mounts that let no build start.
cat >"$W/hook-without" <<END
#!/bin/sh
exec unshare --mount --propagation private -- sh -c 'while umount -l /proc 2>/dev/null; do :; done; exec "\$@"' sh $real_hook "\$@"
END
NIX_OCI_HOOK=$W/hook-without
says "no /proc" "'/proc' is not mounted"
sed -i 's/while umount.*done;/umount -R \/sys;/' "$W/hook-without"
if has_runtime runc; then
  export NIX_OCI_HOOK_RUNTIME=runc
  says "no /sys, with runc" "'/sys' is not mounted, and runc needs it: run 'mount -t sysfs sysfs /sys'"
  unset NIX_OCI_HOOK_RUNTIME
fi
NIX_OCI_HOOK=$real_hook
mount --bind "$W/hook" "$W/hook" && mount -o remount,bind,noexec "$W/hook"
left_mounts=$W/hook
says "a store that is mounted noexec" "no build can run in '/nix/store', as its file system is mounted noexec"
export NIX_OCI_HOOK_BUNDLE_DIR=$W/bundles
mkdir "$W/bundles"
check "a store that is mounted noexec, a builder of the machine and a bundle-dir elsewhere" \
  nix_build hook "$expr" -A link
copy=$(on hook nix-store --add /bin/busybox 2>"$W/hook.log")
nix_build hook -E "derivation { name = \"noexec\"; system = builtins.currentSystem;
  builder = builtins.storePath $copy; }" >/dev/null
check_log "a store that is mounted noexec: a builder in it" \
  "builder '$copy' cannot be executed, as the file system of '/nix/store' is mounted noexec" "$W/hook.log"
nothing_left "a builder on a noexec mount" hook
unset NIX_OCI_HOOK_BUNDLE_DIR
umount "$W/hook"
left_mounts=
NIX_OCI_HOOK=$W/hook-without
check "no /sys: crun does without it" nix_build hook -E 'derivation { name = "no-sys";
  system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo >$out" ]; }'
NIX_OCI_HOOK=$W/hook-limited
limited() { # limited NAME FALLBACK: a build in there, which tells its ids
  out=$(nix_build hook --option sandbox-fallback "$2" -E "derivation { name = \"limited\";
    system = builtins.currentSystem; builder = \"/bin/sh\"; case = ''$1''; args = [ \"-c\" ''
      id -u >\$out; while read -r a b c; do echo \$a \$b \$c; done </proc/self/uid_map >>\$out'' ]; PATH = \"/bin\"; }")
  check_eq "$1: the machine's null device stays root's" "$(stat -c %u:%g /dev/null)" 0:0
  check_eq "$1: the builder is the build user" "$(xargs <"$W/hook/${out#/nix/}")" "$((uid_base + 1)) 0 0 4294967295"
}
limited "no user namespaces, a fallback" true
check_log "no user namespaces, a fallback: there is a warning" 'warning: building without a user namespace' "$W/hook.log"
NIX_OCI_HOOK_USERNS=false limited "no user namespaces, none wanted" false
check "no user namespaces, none wanted: no warning" [ "$(grep -c 'user namespace' "$W/hook.log")" = 0 ]
nothing_left "no user namespaces" hook
NIX_OCI_HOOK=$real_hook

# Nix's daemon has variables of systemd's that crun and runc would heed: LISTEN_FDS gives the build
# crun's log, NOTIFY_SOCKET mounts a socket into it.
for runtime in crun runc; do
  has_runtime $runtime || continue
  LISTEN_FDS=1 LISTEN_PID=$$ NOTIFY_SOCKET=$W/notify NIX_OCI_HOOK_RUNTIME=$runtime \
    check "$runtime: nothing of the daemon's environment reaches a build" nix_build hook -E "derivation {
      name = \"environment\"; system = builtins.currentSystem; builder = \"/bin/sh\"; runtime = \"$runtime\";
      args = [ \"-c\" ''for fd in 3 4 5 6; do [ ! -e /proc/\$\$/fd/\$fd ] || exit 1; done
        while read -r line; do case \$line in *notify*) exit 2;; esac; done </proc/self/mountinfo
        echo >\$out'' ]; }"
done

# Names that trip programs. Where the bundle is not in memory more of the runtime's files are there.
mkdir "$W/hook/bundles"
for runtime in crun runc runsc; do
  has_runtime $runtime || continue
  for name in a:b 'a,b' 'a b' $'new\nline' 'a"b' 'a\b' é; do
    for bundles in "" "/nix/bundles/$name"; do
      n=$((${n-0} + 1))
      mkdir -p "$W/hook/bundles/$name"
      NIX_OCI_HOOK_STATE_DIR=$W/names/$name NIX_OCI_HOOK_BUNDLE_DIR=$bundles NIX_OCI_HOOK_RUNTIME=$runtime \
        check "$runtime: state directory ${name@Q}, bundles in ${bundles@Q}" nix_build hook -E "derivation {
          name = \"odd\"; system = builtins.currentSystem; builder = \"/bin/sh\"; n = \"$n\";
          args = [ \"-c\" \"echo >\$out\" ]; }"
    done
  done
done
rm -r "$W/hook/bundles" "$W/names"

# runsc enters its TMPDIR as nobody.
if command -v runsc >/dev/null; then
  mkdir -p "$W/closed/tmp" && chmod 700 "$W/closed"
  TMPDIR=$W/closed/tmp NIX_OCI_HOOK_RUNTIME=runsc \
    check "runsc where TMPDIR is closed to others" nix_build hook "$expr" -A dep
  nothing_left "runsc where TMPDIR is closed to others" hook
fi

# The disk. Nix's own files need some of it, so it is filled when the hook starts.
fill() { # fill KIB: a hook that leaves that much
  cat >"$W/hook-on-full-disk" <<END
#!/bin/sh
dd if=/dev/zero of=/nix/filler bs=1k >/dev/null 2>&1
truncate -s -$1K /nix/filler
exec $NIX_OCI_HOOK "\$@"
END
  chmod +x "$W/hook-on-full-disk"
}
mv "$W/hook" "$W/hook-store"
mkdir "$W/hook"
mount -t tmpfs -o size=48m none "$W/hook"
cp -a "$W/hook-store/." "$W/hook/"
left_mounts=$(cut -d' ' -f5 /proc/self/mountinfo | grep -F "$W")
for kib in 0 4 8; do
  fill "$kib"
  NIX_OCI_HOOK=$W/hook-on-full-disk
  nix_build hook "$expr" -A multi >/dev/null
  rc=$?
  NIX_OCI_HOOK=$real_hook
  rm -f "$W/hook/filler"
  check "a disk with $kib KiB left: nix-build fails" [ "$rc" != 0 ]
  check_log "a disk with $kib KiB left: the reason is told" 'No space left on device|disk space|is full' \
    "$W/hook.log"
  check_eq "a disk with $kib KiB left: nothing is valid" \
    "$(sqlite3 "$W/hook/var/nix/db/db.sqlite" "select path from ValidPaths where path like '%-multi%'
      and path not like '%.drv'")" ""
  nothing_left "a disk with $kib KiB left" hook
done
check "with space again the build succeeds" nix_build hook "$expr" -A multi
check "the store is sound" verify hook
finish

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Compare what a build sees: run the probe in Nix's own sandbox and through the hook, and compare
# its output line by line. The differences are exactly the rows of the table in docs/parity.md. TAP.
# shellcheck source=tests/lib.sh
source "$(dirname "$0")/../lib.sh"
need busybox python3 "${CC:-gcc}"
world "$@"
echo "report = off" >>"$NIX_OCI_HOOK_CONFIG"

busybox=$(readlink -f "$(command -v busybox)")
ldd "$busybox" >/dev/null 2>&1 && skip_all "busybox is not static"
mkdir "$W/probe"
"${CC:-gcc}" -static -O1 -o "$W/probe/probe" "$here"/parity/probe.c "$here"/parity/probe_*.c >"$W/cc.log" 2>&1 ||
  skip_all "no static program can be linked: $(tail -n 1 "$W/cc.log")"
# Its own ELF program: nothing of a 32-bit libc is needed.
"${CC:-gcc}" -m32 -static -nostdlib -ffreestanding -fno-pic -no-pie -fno-stack-protector -O1 \
  -o "$W/probe/probe32" "$here/parity/probe32.c" >"$W/cc.log" 2>&1 ||
  skip_all "no static 32-bit program can be linked: $(tail -n 1 "$W/cc.log")"

# sandbox-paths of every kind: a file, a directory, a link, one that is missing, one that is nested.
mkdir "$W/dir"
echo text >"$W/dir/file"
chmod 0640 "$W/dir/file"
ln -s dir/file "$W/link"
# Somebody of the machine, whom a build that has its network could reach by an abstract socket.
printf 'nih-%s' "$uid_base" >"$W/dir/socket"
python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind("\0" + sys.argv[1])
s.listen(100)
while True: s.accept()' "nih-$uid_base" &
# shellcheck disable=SC2034 # for nix_conf
host_paths="/bin/sh=$busybox /bin/busybox=$busybox /a-dir=$W/dir /a-file=$W/dir/file /a-link=$W/link
 /not-there=$W/nowhere? /deep/er/file=$W/dir/file"
host_paths=$(tr -d '\n' <<<"$host_paths")
export PARITY_SET="from outside"
unset PARITY_UNSET
nix_at_least 2.8 # sets nix_version
# The table of docs/parity.md, and that for what the libseccomp of the runtimes here knows.
common=probe
python3 -c 'import ctypes
lib = ctypes.CDLL("libseccomp.so.2")
exit(lib.seccomp_syscall_resolve_name(b"setxattrat") < 0)' && common="probe-setxattrat probe"
tables=$common
settings=("allowed-impure-host-deps = /etc")

probe() { # probe SIDE ATTR: what it says, in $W/SIDE.probe
  local drv
  drv=$(on "$1" nix-instantiate --quiet "$here/parity/sandbox.nix" --arg dir "$W/probe" -A "$2" \
    2>"$W/$1.log") || return 1
  drv=${drv%%!*}
  nix_build "$1" "$drv" >"$W/$1.out" || return 1
  [ "$1" = ref ] || grep -q "^building .* on 'oci:" "$W/$1.log" || return 1
  on "$1" nix-store --read-log "$drv" >"$W/$1.said" || return 1
  # Numbers of namespaces tell nothing; whether they are the machine's does.
  local ns host whose
  cp "$W/$1.said" "$W/$1.probe"
  for ns in cgroup ipc mnt net pid time user uts; do
    host="namespace $ns = $(readlink "/proc/self/ns/$ns")" whose="its own"
    grep -qxF "$host" "$W/$1.said" && whose="the machine's"
    sed -i "s/^namespace $ns = .*/namespace $ns = $whose/" "$W/$1.probe"
  done
}
both() { # both NAME ATTR [REF]: build, and compare; with what Nix's sandbox said as REF, if given
  local side sides="ref hook"
  [ -z "${3-}" ] || { sides=hook && cp "$W/ref.$3.probe" "$W/ref.probe"; }
  for side in $sides; do
    probe "$side" "$2" || { not_ok "$1: builds ($side)" "$W/$side.log"; return; }
    # shellcheck disable=SC2046 # a word each
    on "$side" nix-store --delete $(cat "$W/$side.out") >/dev/null 2>&1
    cp "$W/$side.probe" "$W/$side.$1.probe"
  done
  check_log "$1: the probe came to its end" '^end = reached$' "$W/hook.probe"
  check "$1: the build sees the same but for what docs/parity.md lists" \
    python3 "$here/parity/compare.py" "$top_srcdir/docs/parity.md" "$tables" "$nix_version" "$1" \
    "$W/ref.probe" "$W/hook.probe" "$W/seen"
}
configured() { # configured [LINE...]
  local side
  for side in ref hook; do nix_conf "$side" "${settings[@]}" "$@"; done
}

build_users yes
configured
for attr in plain full fixed structured; do both "$attr" $attr; done
configured "extra-platforms = i686-linux"
both i686 i686
# On a kernel that runs no such programs both sides say so.
for side in ref hook; do
  probe $side program32 || : # the log counts
  drv=$(on $side nix-instantiate --quiet "$here/parity/sandbox.nix" --arg dir "$W/probe" -A program32 2>/dev/null)
  on $side nix-store --read-log "${drv%%!*}" | sed 's/\x1b\[[0-9;]*m//g' | grep -av '^$' >"$W/$side.program32"
done
want="^(machine = i686|.*executing '.*/probe32': Exec format error)$"
"$W/probe/probe32" x "$W/out32" >/dev/null 2>&1 && want='^machine = i686$'
check_log "program32: it ran, or it is said why not" "$want" "$W/hook.program32"
# Nix 2.8 says that in pieces.
if nix_at_least 2.26 || [ "$want" = '^machine = i686$' ]; then
  check_eq "program32: the build sees the same" "$(cat "$W/hook.program32")" "$(cat "$W/ref.program32")"
fi
if nix_at_least 2.26; then
  experimental="experimental-features = nix-command auto-allocate-uids cgroups"
  # The ids name the control group that Nix makes, and other tests run beside this one.
  configured "$experimental" "auto-allocate-uids = true" "system-features = uid-range" \
    "start-id = $((872415232 + 65536 * (RANDOM % 10000)))"
  both range range
  for key in "namespace cgroup" /proc/self/cgroup; do
    check_eq "range: $key as in Nix's sandbox" "$(grep "^$key = " "$W/hook.range.probe")" \
      "$(grep "^$key = " "$W/ref.range.probe")"
  done
  check_eq "range: the machine's null device is still root's" "$(stat -c %u:%g /dev/null)" 0:0
fi
configured "filter-syscalls = false"
both unfiltered plain
configured "allow-new-privileges = true"
both new-privileges plain
configured "sandbox-dev-shm-size = 64m" "cores = 3" "impersonate-linux-26 = true" "sandbox-build-dir = /elsewhere"
both settings plain
# /dev/kvm is there where system-features says so, whatever the derivation needs, if the machine has
# one. What this machine has does not count: a node does, though nothing is behind it.
dev_with_kvm() {
  local node
  mkdir "$W/dev" && mount -t tmpfs -o mode=755 tmpfs "$W/dev" && mkdir "$W/dev/pts" "$W/dev/shm" || return
  for node in null zero full random urandom tty; do cp -a "/dev/$node" "$W/dev/" || return; done
  for node in fd stdin stdout stderr ptmx; do cp -a "/dev/$node" "$W/dev/" || return; done
  mount --rbind /dev/pts "$W/dev/pts" && mount --bind /dev/shm "$W/dev/shm" &&
    mknod -m "$1" "$W/dev/kvm" c 10 232 && mount --move "$W/dev" /dev
}
dev_again() { umount -l /dev && rmdir "$W/dev"; }
check "a machine with /dev/kvm" dev_with_kvm 0666
configured "system-features = kvm"
both kvm plain
check_eq "kvm: it is in the sandbox" "$(grep -c '^file /dev/kvm = c0666 ' "$W/hook.probe")" 1
configured "system-features = benchmark"
both kvm-not-wanted plain
check_eq "kvm-not-wanted: it is not" "$(grep -c '^file /dev/kvm ' "$W/hook.probe")" 0
dev_again
check "a machine with /dev/kvm for its group" dev_with_kvm 0660
configured "system-features = kvm"
both kvm-group plain
dev_again
if [ ! -e /dev/kvm ]; then
  both kvm-missing plain
fi
# What Nix was started with and a build inherits.
configured
tap() { # in a subshell, whose count of tests would be lost
  "$@"
  echo "$tap_n $tap_bad" >"$W/taps"
}
(ulimit -n 20000 -s 4096 -u 5000 -c 1024; umask 077; trap '' PIPE; tap both inherited plain)
read -r tap_n tap_bad <"$W/taps"
# The other runtimes, by what Nix's sandbox said above.
for runtime in runc runsc; do
  has_runtime $runtime || continue
  echo "runtime = $runtime" >"$NIX_OCI_HOOK_CONFIG"
  tables="probe-$runtime $common"
  both $runtime plain plain
  both $runtime-fixed fixed fixed
  check "$runtime: every difference that docs/parity.md lists for it is there" \
    python3 "$here/parity/compare.py" --unused "$top_srcdir/docs/parity.md" "probe-$runtime" "$nix_version" "$W/seen"
done
tables=$common
: >"$NIX_OCI_HOOK_CONFIG"
# Nix without build users builds as root. The hook does not, so that it is as with them.
build_users no
configured
both no-users plain plain
both no-users-fixed fixed fixed
check "every difference that docs/parity.md lists is there" \
  python3 "$here/parity/compare.py" --unused "$top_srcdir/docs/parity.md" "$common" "$nix_version" "$W/seen"
finish

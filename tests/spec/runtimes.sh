#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# One bundle, unchanged, under each runtime that is installed: what does the build see? The picture
# is that of Nix's own sandbox; where a runtime differs, the difference stands here. TAP.
prog=$(cd "${top_builddir:-.}" && pwd)/nix-oci-hook
here=$(cd "$(dirname "$0")" && pwd)
skip_all() {
  if [ "${TEST_STRICT-0}" = 1 ]; then
    echo "1..1"
    echo "not ok 1 - cannot run here: $1"
    exit 1
  fi
  echo "1..0 # SKIP $1"
  exit 0
}
[ "$(id -u)" = 0 ] || skip_all "needs root"
for c in python3 unshare "${CC:-cc}"; do
  command -v "${c%% *}" >/dev/null || skip_all "$c is not installed"
done

# In a mount namespace of its own, as crun 1.8 wants no cgroup2 beside cgroup v1, and in a pid
# namespace, whose end takes along whatever a runtime leaves running.
if [ -z "${NIH_SPEC_TEST-}" ]; then
  # In /tmp itself: with a map that has no root, crun looks into the bundle as the build's user.
  w=$(mktemp -d /tmp/nih-spec.XXXXXX) || exit 1
  chmod 755 "$w"
  NIH_SPEC_TEST=$w unshare --mount --propagation private --pid --fork --mount-proc -- "$0"
  rc=$?
  rm -rf "$w"
  exit $rc
fi
w=$NIH_SPEC_TEST
! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
cd "$w" || exit 1
n=0 bad=0
result() { # result STATUS TEXT FILE...: print a line of TAP
  n=$((n + 1))
  if [ "$1" = 0 ]; then
    echo "ok $n - $2"
  else
    echo "not ok $n - $2"
    shift 2
    sed 's/^/# /' "$@"
    bad=1
  fi
}
skip() { # skip COUNT TEXT: tests that cannot run here
  for _ in $(seq "$1"); do
    n=$((n + 1))
    if [ "${TEST_STRICT-0}" = 1 ]; then
      echo "not ok $n - cannot run here: $2"
      bad=1
    else
      echo "ok $n # SKIP $2"
    fi
  done
}

${CC:-cc} -static -O1 -D_GNU_SOURCE -o probe "$here/probe.c" 2>cc.log || skip_all "no static C library"
mkdir input state
: >stdin
ln -s /no/where link
touch -h -d @1 link
# A "machine's" /dev/null that is root's for sure, so that it shows when a runtime gives it away.
mknod null c 1 3 && chmod 666 null || skip_all "cannot make devices"
mount --bind null /dev/null || exit 1

run() { # run RUNTIME BUNDLE [STDIN]
  local id=nih-spec-$$-$RANDOM
  case $1 in
    crun) crun --root "$w/state" --cgroup-manager=disabled run -b "$2" "$id" ;;
    runc) runc --root "$w/state" run -b "$2" "$id" ;;
    runsc) runsc --root "$w/state" --ignore-cgroups --network=none --oci-seccomp run -bundle "$2" "$id" ;;
  esac <"${3:-/dev/null}" 2>&1 | cat
  return "${PIPESTATUS[0]}"
}

make_bundle() { # make_bundle DIR OPTIONS... -- REQUEST...
  local dir=$1 options=()
  shift
  while [ "$1" != -- ]; do options+=("$1") && shift; done
  shift
  python3 "$here/request.py" "$@" >request.json &&
    "$prog" bundle "${options[@]}" -o "$dir" request.json
}
picture() { # picture DIR OPTIONS...
  make_bundle "$@" -- host=/probe:"$w/probe" host=/link:"$w/link" input=a:"$w/input" \
    input=l:"$w/link" file=build/.attr:x env=HOME:/homeless-shelter env=PATH:/path-not-set /probe
}

# $ROOT: who the machine's root is inside; $OWN: whose the kernel's own mounts are; $BECOME: the
# errno of becoming root.
expect() {
  cat <<END
umask 022, cwd /build, pid 1, sid 1
host localhost, core soft 0 hard -1
domain (none)
env HOME=/homeless-shelter
env PATH=/path-not-set
Uid:	1000	1000	1000	1000
Gid:	100	100	100	100
Groups:	 
CapInh:	0000000000000000
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapBnd:	$BOUNDING
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
lo is up
/ 40750 $ROOT:100
/build 40700 1000:100
/etc 40555 $ROOT:$ROOT
/tmp 41777 $ROOT:$ROOT
/dev 40755 $ROOT:$ROOT
/etc/passwd 100644 $ROOT:$ROOT
/etc/group 100644 $ROOT:$ROOT
/etc/hosts 100644 $ROOT:$ROOT
/nix 40755 $ROOT:$ROOT
/nix/store 41775 $ROOT:100
/nix/store/00000000000000000000000000000000-a 40755 $ROOT:$ROOT
/nix/store/00000000000000000000000000000000-l 120777 $ROOT:$ROOT -> /no/where
/dev/pts 40755 $ROOT:$ROOT
/dev/pts/ptmx 20666 $OWN c 5,2
/dev/shm 41777 $OWN
/dev/full 20666 $ROOT:$ROOT c 1,7
/dev/null 20666 $NULL c 1,3
/dev/random 20666 $ROOT:$ROOT c 1,8
/dev/tty 20666 $ROOT:$ROOT c 5,0
/dev/urandom 20666 $ROOT:$ROOT c 1,9
/dev/zero 20666 $ROOT:$ROOT c 1,5
/dev/fd 120777 $ROOT:$ROOT -> /proc/self/fd
/dev/stdin 120777 $ROOT:$ROOT -> /proc/self/fd/0
/dev/stdout 120777 $ROOT:$ROOT -> /proc/self/fd/1
/dev/stderr 120777 $ROOT:$ROOT -> /proc/self/fd/2
/dev/ptmx 120777 $ROOT:$ROOT -> /dev/pts/ptmx
/build/.attr 100644 1000:100
/link 120777 $ROOT:$ROOT -> /no/where
/: build dev etc link nix probe proc tmp
/dev: fd full null ptmx pts random shm stderr stdin stdout tty urandom zero
/nix/store: 00000000000000000000000000000000-a 00000000000000000000000000000000-l
mkdir("/foo", 0755): EACCES
open("/etc/x", O_CREAT | O_WRONLY, 0644): EACCES
open("/nix/x", O_CREAT | O_WRONLY, 0644): EACCES
mkdir("/dev/q", 0755): EACCES
open(INPUT "/x", O_CREAT | O_WRONLY, 0644): EROFS
rmdir(INPUT): EPERM
mount("none", "/tmp", "tmpfs", 0, ""): EPERM
chroot("/"): EPERM
sethostname("x", 1): EPERM
setgroups(0, NULL): EPERM
socket(AF_INET, SOCK_RAW, 1): EPERM
setuid(0): $BECOME
open("/dev/tty", O_RDWR): ENXIO
open("/proc/sys/kernel/hostname", O_WRONLY): EACCES
mkdir(STORE "/new", 0755): ok
mkdir("/build/new", 0755): ok
mkdir("/tmp/new", 0755): ok
mkdir("/dev/shm/new", 0755): ok
posix_openpt(O_RDWR | O_NOCTTY): ok
open("/dev/null", O_RDWR): ok
open("/dev/full", O_RDWR): ok
open("/dev/urandom", O_RDONLY): ok
chmod("/build/new", 01755): ok
chmod("/build/new", 04755): EPERM
chmod("/build/new", 02755): EPERM
fchmodat(AT_FDCWD, "/build/new", 04755, 0): EPERM
setxattr("/build/new", "user.x", "a", 1, 0): EOPNOTSUPP
getxattr("/build/new", "user.x", value, sizeof value): EOPNOTSUPP
unshare(CLONE_NEWUSER): ok
END
}
# gVisor's kernel is not Linux. Devices of a bind have no numbers, it has a /sys always, refuses what
# is not writable before it looks for a read-only mount, tells less of a process, and its filter has
# one errno.
expect_runsc() {
  expect | sed -E -e '/^(env HOME|CapAmb|CapBnd|NoNewPrivs|Seccomp|domain)/d' -e 's/ c [0-9]+,[0-9]+$/ c/' \
    -e 's/^(Groups:).*/\1/' -e 's,^(/dev/pts) 40755,\1 40555,' -e 's,^/: .* proc,& sys,' \
    -e '/INPUT/s/EROFS|EPERM/EACCES/' -e 's/EOPNOTSUPP$/EPERM/'
}
normal_runsc() {
  sed -E -e '/^(env HOME|CapBnd|Seccomp|domain)/d' -e 's/ c [0-9]+,[0-9]+$/ c/' -e 's/^(Groups:).*/\1/' "$1"
}

check_picture() { # check_picture NAME RUNTIME EXPECTED-BY NORMALISED-BY
  local null=$w/bundle/root/dev/null
  [ -c "$null" ] || null=/dev/null
  run "$2" "$w/bundle" "$null" >"seen.$2"
  local rc=$?
  "$3" >want
  "$4" "seen.$2" >seen
  [ $rc = 0 ] && diff want seen >diff
  result $? "$1" diff
  rm -rf bundle
}
portable() { ROOT=0 NULL=$null_owner OWN=0:0 BECOME=EPERM BOUNDING=0000003fffffffff "$@"; }
nix_ids() { ROOT=65534 NULL=65534:65534 OWN=1000:100 BECOME=EINVAL BOUNDING=$full "$@"; }
full=$(printf %016x $(((1 << ($(cat /proc/sys/kernel/cap_last_cap) + 1)) - 1)))
have() { command -v "$1" >/dev/null; }

for rt in crun runc runsc; do
  have $rt || { skip 2 "$rt is not installed" && continue; }
  picture bundle >log 2>&1
  # A null device of the bundle's own is what crun and runsc give away on standard input.
  case $rt in
    crun) null_owner=1000:100 ;;
    runc) null_owner=0:0 ;;
    runsc) null_owner=65534:65534 ;;
  esac
  if [ $rt = runsc ]; then
    portable check_picture "the portable bundle under runsc" $rt expect_runsc normal_runsc
  else
    portable check_picture "the portable bundle under $rt" $rt expect cat
  fi
  make_bundle bundle --profile tvix -- host=/probe:"$w/probe" host=/link:"$w/input" \
    input=a:"$w/input" /probe >log 2>&1
  run $rt "$w/bundle" stdin >seen 2>&1 && grep -q '^Uid:.1000' seen && grep -q '^/tmp 40700' seen
  result $? "the bundle of the profile tvix under $rt" log seen
  rm -rf bundle
done
if have crun; then
  picture bundle --runtime crun >log 2>&1
  nix_ids check_picture "Nix's own picture under crun" crun expect cat
else
  skip 1 "crun is not installed"
fi
[ "$(stat -c %u:%g null)" = 0:0 ]
result $? "no runtime gave the machine's /dev/null away" log
echo "1..$n"
exit $bad

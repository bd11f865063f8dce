# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Shared by the tests that run real Nix, which source it first. `world` starts the script again in a
# mount and a pid namespace of its own, so that
#   - /nix is a directory of the test, one for each side, apart from other tests and the machine's;
#   - the test has started every process that it sees, and can check that none is left.
#
# Two sides build the same derivations: `ref` by Nix's own sandbox, `hook` through nix-oci-hook with
# max-jobs=0, so that Nix cannot quietly build there itself.
#
# Results are TAP. A script that cannot run here calls skip_all, which is a failure when
# TEST_STRICT is 1.
#
# Environment: NIX_OCI_HOOK is the binary under test, NIH_CACHE a directory for fetched sources,
# NIH_REGISTRATION a value for the key `registration`, NIH_WITHOUT runtimes that need not be there.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_srcdir=$(dirname "$here")
: "${NIX_OCI_HOOK:=${top_builddir:-$top_srcdir}/nix-oci-hook}"
: "${NIH_CACHE:=/var/tmp/nix-oci-hook-test-sources}"
export NIX_OCI_HOOK NIH_CACHE
tap_n=0 tap_bad=0

# ---- TAP ----
ok() {
  tap_n=$((tap_n + 1))
  echo "ok $tap_n - $1"
}
not_ok() { # not_ok NAME [FILE...]: the files' ends explain it
  local f
  tap_n=$((tap_n + 1)) tap_bad=$((tap_bad + 1))
  echo "not ok $tap_n - $1"
  shift
  for f; do [ -s "$f" ] && tail -n 25 "$f" | sed 's/^/#   /'; done
  return 0
}
check() { # check NAME COMMAND...: passes when the command does
  local name=$1
  shift
  if "$@" >"$W/check.log" 2>&1; then ok "$name"; else not_ok "$name" "$W/check.log"; fi
}
check_eq() { # check_eq NAME GOT WANTED
  if [ "$2" = "$3" ]; then ok "$1"; else
    printf 'got:    %s\nwanted: %s\n' "$2" "$3" >"$W/check.log"
    not_ok "$1" "$W/check.log"
  fi
}
check_log() { # check_log NAME PATTERN FILE: a line of FILE matches the extended regular expression
  if grep -qE -e "$2" "$3"; then ok "$1"; else
    { echo "no line matches: $2"; tail -n 20 "$3"; } >"$W/check.log"
    not_ok "$1" "$W/check.log"
  fi
}
skip_all() {
  if [ "${TEST_STRICT-0}" = 1 ]; then
    echo "1..1"
    echo "not ok 1 - cannot run here: $1"
    exit 1
  fi
  echo "1..0 # SKIP $1"
  exit 77
}
finish() {
  echo "1..$tap_n"
  [ "$tap_bad" = 0 ] && [ "$tap_n" -gt 0 ]
  exit
}

# ---- which Nix ----
nix_at_least() { # nix_at_least VERSION
  : "${nix_version:=$(nix-store --version | sed 's/.* //')}"
  [ "$(printf '%s\n' "$1" "$nix_version" | sort -V | head -n 1)" = "$1" ]
}
failure_code() { # failure_code CODE: what nix-build ends with where it would be CODE without a hook
  # Since 2.32 Nix takes every exit status of a hook alike.
  if nix_at_least 2.32; then echo 1; else echo "$1"; fi
}

# ---- the world ----
need() { # need COMMAND...: or skip
  local c
  for c; do command -v "$c" >/dev/null || skip_all "$c is not installed"; done
}
# has_runtime RUNTIME: or it is said; where TEST_STRICT is 1 it must be there, if NIH_WITHOUT does not
# name it.
has_runtime() {
  command -v "$1" >/dev/null && return
  case "${TEST_STRICT-0} ${NIH_WITHOUT-} " in
  1*" $1 "* | 0*) echo "# no $1 here" ;;
  *) not_ok "$1 is not installed" ;;
  esac
  return 1
}
world() { # world "$@": returns in the private world
  if [ -z "${NIH_INNER-}" ]; then
    local dir rc
    [ "$(id -u)" = 0 ] || skip_all "needs root"
    need nix-build nix-store unshare sqlite3
    [ -x "$NIX_OCI_HOOK" ] || skip_all "no $NIX_OCI_HOOK"
    mkdir -p /nix
    dir=$(mktemp -d "${TMPDIR:-/var/tmp}/nih.XXXXXX") || exit 1
    chmod 755 "$dir" # runsc's sandbox enters TMPDIR as nobody
    NIH_INNER=$dir unshare --mount --pid --fork --kill-child --propagation private --mount-proc \
      -- "$0" "$@"
    rc=$?
    if [ -n "${NIH_KEEP-}" ]; then echo "# kept: $dir"; else rm -rf "$dir"; fi
    exit $rc
  fi
  W=$NIH_INNER
  export HOME=$W/home TMPDIR=$W/tmp NIX_OCI_HOOK_STATE_DIR=$W/state LC_ALL=C
  unset NIX_PATH NIX_REMOTE NIX_STORE_DIR NIX_STATE_DIR XDG_CONFIG_HOME XDG_CACHE_HOME \
    XDG_CONFIG_DIRS MAKEFLAGS MAKELEVEL CFLAGS LDFLAGS
  export NIX_OCI_HOOK_CONFIG=$W/oci-hook.conf
  mkdir -p "$HOME" "$TMPDIR"
  echo ${NIH_REGISTRATION:+"registration = $NIH_REGISTRATION"} >"$NIX_OCI_HOOK_CONFIG"
  mkdir -p "$W"/{ref,hook,etc-ref,etc-hook}
  build_users yes || exit 1
}
# What a build sees of the machine: its tools, and no more. Both sides get the same.
host_paths="/bin /usr /lib /lib64 /etc/alternatives"
nix_conf() { # nix_conf SIDE [LINE...]: write the side's nix.conf
  local side=$1 group=
  shift
  getent group nixbld >/dev/null && group=nixbld
  {
    echo "sandbox = true"
    echo "sandbox-fallback = false"
    echo "sandbox-paths = $host_paths"
    echo "build-users-group = $group"
    echo "substituters ="
    echo "experimental-features = nix-command"
    case $side in
    ref) echo "max-jobs = 2" ;;
    *) echo "max-jobs = 0" ;;
    esac
    for line; do echo "$line"; done
  } >"$W/etc-$side/nix.conf"
}
on() { # on SIDE COMMAND...: run it with the side's /nix
  (become "$@")
}
become() { # become SIDE COMMAND...: in a subshell: turn into it, so that it has the subshell's pid
  local side=$1
  shift
  # A shell's background jobs ignore SIGINT, and what nohup starts SIGHUP.
  NIX_CONF_DIR=$W/etc-$side exec env --default-signal=INT,QUIT,HUP \
    unshare --mount --propagation private -- \
    sh -c 'mount --bind "$0" /nix && exec "$@"' "$W/$side" "$@"
}
# build_users yes|no: whether the machine has any, as the world sees it. They are of uids that no
# other test has: Nix kills whatever runs as the user that it gives to a build.
uid_base=$((200000 + RANDOM * 16))
build_users() {
  local f i
  for f in group passwd; do
    umount "/etc/$f" 2>/dev/null
    grep -v '^nixbld' "/etc/$f" >"$W/$f"
  done
  if [ "$1" = yes ]; then
    echo "nixbld:x:$uid_base:$(seq -s, -f nixbld%g 8)" >>"$W/group"
    for i in $(seq 8); do
      echo "nixbld$i:x:$((uid_base + i)):$uid_base::/var/empty:/bin/false"
    done >>"$W/passwd"
  fi
  for f in group passwd; do mount --bind "$W/$f" "/etc/$f" || return 1; done
  nix_conf ref
  nix_conf hook
}
nix_build() { # nix_build SIDE ARG...: its paths on stdout, the rest in $W/SIDE.log
  local side=$1
  shift
  if [ "$side" = ref ]; then
    on ref nix-build --no-out-link "$@" 2>"$W/$side.log"
  else
    on "$side" nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$@" 2>"$W/$side.log"
  fi
}

# ---- comparing the two sides ----
registered=${NIH_REGISTRATION:-auto}
facts() { # facts SIDE: all that the side's store knows of its valid paths, and what lies on disk
  facts_at "$W/$1/var/nix" "$W/$1/store"
}
facts_at() { # facts_at STATE-DIR STORE
  local ultimate="coalesce(ultimate,'-')"
  # What --load-db registers was not built here, as far as Nix knows.
  [ "$registered" != load-db ] || ultimate="'-'"
  sqlite3 "$1/db/db.sqlite" "
    select 'path', path, hash, coalesce(deriver,'-'), narSize, $ultimate,
      coalesce(ca,'-'), coalesce(sigs,'-') from ValidPaths order by path;
    select 'ref', a.path, b.path from Refs join ValidPaths a on a.id = referrer
      join ValidPaths b on b.id = reference order by 2, 3;
    select 'output', v.path, d.id, d.path from DerivationOutputs d join ValidPaths v on v.id = d.drv
      order by 2, 3;"
  (cd "$2" && find . -mindepth 1 ! -path './.links*' ! -name '*.lock' -printf '%P %M %U:%G %n %Ts %l\n' |
    LC_ALL=C sort)
}
compare() { # compare NAME: both stores hold the same, and both are sound
  local side
  for side in ref hook; do facts "$side" >"$W/$side.facts"; done
  if diff -u "$W/ref.facts" "$W/hook.facts" >"$W/facts.diff"; then
    ok "$1: paths, hashes, references, derivers and modes are those of Nix's own sandbox"
  else
    not_ok "$1: paths, hashes, references, derivers and modes are those of Nix's own sandbox" \
      "$W/facts.diff"
  fi
  check "$1: the store verifies" verify hook
}
verify() { # verify SIDE
  local out
  out=$(on "$1" nix-store --verify --check-contents 2>&1) || { echo "$out"; return 1; }
  out=$(echo "$out" | grep -vE '^(reading the Nix store|checking path existence|checking link hashes|checking store hashes)')
  [ -z "$out" ] || { echo "$out"; return 1; }
}
build_both() { # build_both NAME ARG...: sets `out` (the paths, one a line)
  local name=$1 ref
  shift
  ref=$(nix_build ref "$@") || { not_ok "$name builds in Nix's own sandbox" "$W/ref.log"; return 1; }
  out=$(nix_build hook "$@") || { not_ok "$name builds through the hook" "$W/hook.log"; return 1; }
  ok "$name builds through the hook"
  check_eq "$name: the same output paths" "$out" "$ref"
  check_log "$name: it was the hook that built" "^building .* on 'oci:" "$W/hook.log"
}

# ---- what must not be left ----
left() { # left SIDE: print what a finished or killed run left behind
  local p name
  for p in /proc/[0-9]*; do
    p=${p#/proc/}
    [ "$p" = 1 ] || [ "$p" = $$ ] || [ "$p" = "$BASHPID" ] && continue
    case " ${left_known-} " in *" $p "*) continue ;; esac
    grep -qs '^State:.*Z' "/proc/$p/status" && continue
    # Only kernel-visible names: the shell's own helpers (this loop's grep) are gone by now.
    name=$({ tr '\0' ' ' <"/proc/$p/cmdline"; } 2>/dev/null) || continue
    [ -n "$name" ] && echo "process $p: $name"
  done
  cut -d' ' -f5 /proc/self/mountinfo | grep -F "$W" | grep -vxF "${left_mounts-none}" |
    sed 's/^/mount: /'
  find "$W/$1/store" -maxdepth 1 -name '*.chroot' -printf 'bundle: %p\n' 2>/dev/null
  # nix-build's own directory for links stays when it is killed.
  find "$TMPDIR" -mindepth 1 -maxdepth 1 ! -name 'nix-build-[0-9]*-[0-9]*' -printf 'temporary: %p\n'
  # The lock files of slots and queue stay, the next hook uses them again.
  [ ! -d "$W/state/run" ] || find "$W/state/run" -mindepth 1 -printf 'runtime state: %p\n'
  our_cgroups
  return 0
}
cgroups() { # those of all builds
  {
    find /sys/fs/cgroup -type d -name 'nix-*-[0-9]*' -printf 'cgroup: %p\n'
    # What is below a mount of v2, and so is no group, but was made for one.
    ! mountpoint -q /sys/fs/cgroup/unified || unshare --mount --propagation private sh -c \
      'umount /sys/fs/cgroup/unified && find "$0" -name "nix-*" -printf "no cgroup: %p\n"' \
      /sys/fs/cgroup/unified
  } 2>/dev/null | sort
}
our_cgroups() { # those that were not there before, of derivations that this world has
  local dir hash
  cgroups | comm -13 "$W/cgroups" - | while read -r dir; do
    hash=${dir##*/nix-} # HASH-PID, or build@HASH-UID-PID
    hash=${hash#build@}
    ! compgen -G "$W/*/store/${hash%%-*}-*.drv" >/dev/null || echo "$dir"
  done
}
with_children() { # with_children PID: it and its children, of which it is about to have some
  local children
  for _ in $(seq 100); do
    children=$(pgrep -P "$1" | tr '\n' ' ') && [ -n "$children" ] && break
    sleep 0.1
  done
  echo "$1 $children"
}
left_begin() { # take note of what is there before
  cgroups >"$W/cgroups"
}
nothing_left() { # nothing_left NAME SIDE: within two seconds
  local i rest
  for i in $(seq 20); do
    rest=$(left "$2")
    [ -z "$rest" ] && { ok "$1: nothing is left"; return; }
    sleep 0.1
  done
  echo "$rest" >"$W/left.log"
  not_ok "$1: nothing is left" "$W/left.log"
}
valid_count() { # valid_count SIDE: how many valid paths that are no derivations and no sources
  sqlite3 "$W/$1/var/nix/db/db.sqlite" \
    "select count(*) from ValidPaths where deriver is not null and path not like '%.drv'"
}

# ---- sources from Debian ----
debian_sources() { # debian_sources PACKAGE...: have them unpacked as $NIH_CACHE/PACKAGE
  local p
  for p; do
    [ -d "$NIH_CACHE/$p" ] && continue
    "$top_srcdir/scripts/debian-source.sh" "$NIH_CACHE" "$@" >"$W/source.log" 2>&1 && return
    sed 's/^/# /' "$W/source.log"
    skip_all "the Debian sources of $* cannot be had"
  done
}

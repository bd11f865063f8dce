#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# versions.sh [SCRIPT...]: build and test the project with the Nix of other releases of Debian. As
# root.
#
# Each release has a root file system of its own, made by mmdebstrap from the mirror that the
# machine's apt sources name. It is entered by pivot_root: in a plain chroot no user namespace can
# be made, and Nix would have no sandbox. The release's compiler and libraries build the project
# there; only the kernel is the machine's.
#
# SCRIPT is the path of a test script below tests/. Without one, all scripts that depend on Nix's
# version are run. Prints the output of tests/run.sh for each release; the releases run at the same
# time. Environment:
#   NIH_SUITES      the releases (trixie sid: Nix 2.26 and 2.34)
#   NIH_ROOTS       a directory that keeps the root file systems, with the builds in them
#   NIH_NIX_SOURCE  a directory with the source of the release's Nix, for upstream.sh
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
roots=${NIH_ROOTS:-$top/build-tests/roots}

# ---- in the release: build, and run the tests ----
inside() {
  local jobs build=/var/tmp/build scripts=()
  jobs=$(nproc)
  cd /source || return
  mkdir -p $build
  (
    cd $build && { [ config.status -nt /source/configure ] || 
      /source/configure --quiet --enable-werror CFLAGS="-g -O1"; } &&
      make --silent -j"$jobs" && make --silent tests/tools/out_register tests/tools/decode_protocol
  ) >$build/build.log 2>&1 || {
    tail -n 40 $build/build.log
    echo "not ok - the build on $(nix --version)"
    return 1
  }
  echo "# $(nix --version), $(gcc --version | head -n 1), $(crun --version | head -n 1)"
  # Those of parity that do not source lib.sh look for the build tree.
  for s; do scripts+=("tests/$s"); done
  # No runsc: that of sid panics ("running on goroutine 0": built by a newer Go than it knows), and that
  # of trixie shows builds other things than the one which docs/parity.md tells of.
  export NIH_WITHOUT=runsc
  top_builddir=$build NIX_OCI_HOOK=$build/nix-oci-hook tests/run.sh "${scripts[@]}"
}
# ---- in a mount namespace of the machine: turn into the release ----
enter() { # enter ROOT SCRIPT...
  local root=$1
  shift
  # Cached files of the sources are for the machine's own tests.
  mount --bind "$root" "$root" && mkdir -p "$root"/{source,counts,nix-source,old-root} &&
    mount --bind "$NIH_VERSIONS_SOURCE" "$root/source" && mount -o remount,bind,ro "$root/source" &&
    mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
    mount --rbind /sys "$root/sys" && mount -t tmpfs tmpfs "$root/run" &&
    mount --bind "$counts" "$root/counts" &&
    { [ -z "${NIH_NIX_SOURCE-}" ] || mount --bind "$NIH_NIX_SOURCE" "$root/nix-source"; } &&
    cd "$root" && pivot_root . old-root && cd / && umount -l /old-root || return
  # HOME and such are the machine's.
  exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TEST_STRICT="${TEST_STRICT-0}" \
    NIH_COUNTS=/counts/counts NIH_VERSIONS_INSIDE=yes ${NIH_KEEP:+NIH_KEEP=$NIH_KEEP} \
    ${NIH_NIX_SOURCE:+NIH_NIX_SOURCE=/nix-source} \
    ${NIH_TEST_LIMIT:+NIH_TEST_LIMIT=$NIH_TEST_LIMIT} \
    /source/tests/versions.sh "$@"
}

case ${NIH_VERSIONS_INSIDE-} in
yes)
  unset NIH_VERSIONS_INSIDE
  inside "$@"
  exit
  ;;
?*)
  counts=$NIH_VERSIONS_COUNTS
  enter "$NIH_VERSIONS_INSIDE" "$@"
  exit 1
  ;;
esac

[ $# -gt 0 ] || set -- \
  e2e/{builtins,decline,fetch,inputs,kinds,launch,limits,outputs,range,registration,setups,small,through,users}.sh \
  parity/{outputs,protocol,request,sandbox}.sh
[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 2; }
# No autotools are in the roots.
[ "$top/configure" -nt "$top/configure.ac" ] && [ "$top/Makefile.in" -nt "$top/Makefile.am" ] ||
  { echo "$0: run ./autogen.sh first" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
NIH_VERSIONS_SOURCE=$("$top/scripts/source-dir.sh" "$work/source") || exit
export NIH_VERSIONS_SOURCE
release() { # release SUITE: all of one; what it has to say is on stdout
  local suite=$1 start=$SECONDS made rc p f s counts=$work/$1
  mkdir "$counts"
  : >"$counts/counts"
  echo "# ---- $suite"
  if ! "$top/scripts/debian-root.sh" "$suite" "$roots/$suite" >"$counts/root.log" 2>&1; then
    tail -n 20 "$counts/root.log"
    echo "not ok - a root file system of $suite"
    echo "0 1 0" >"$counts/all"
    return
  fi
  made=$((SECONDS - start))
  NIH_VERSIONS_INSIDE=$roots/$suite NIH_VERSIONS_COUNTS=$counts \
    unshare --mount --pid --fork --kill-child --propagation private -- "$0" "${@:2}"
  rc=$?
  read -r p f s <"$counts/counts" || { p=0 f=1 s=0; }
  [ $rc = 0 ] || [ "$f" != 0 ] || f=1
  echo "$p $f $s" >"$counts/all"
  echo "# $suite: $((SECONDS - start)) s, of which $made s for the root file system"
}
# All at once, as their tests wait more than they compute; what they say comes one after the other.
suites=${NIH_SUITES:-trixie sid}
for suite in $suites; do release "$suite" "$@" >"$work/$suite.said" 2>&1 & done
wait
passed=0 failed=0 skipped=0
for suite in $suites; do
  cat "$work/$suite.said"
  read -r p f s <"$work/$suite/all" || { p=0 f=1 s=0; }
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
[ -z "${NIH_COUNTS-}" ] || echo "$passed $failed $skipped" >>"$NIH_COUNTS"
echo "# $passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run-all.sh: install the packages that the tests need, then build and test everything. As root.
#
# Each step prints a header and, if it fails, the end of its output. At the end come the summaries
# of all runners, and as the last line `N passed, N failed` (and `, N skipped`, if N is not 0).
#
# TEST_STRICT=1   each skip is a failure; the default if CI is true
# NIH_STEPS       the steps to run instead of all: deps build check distcheck nix nar cache nonix
#                 parity e2e hostile torture fuzz versions
# NIH_ROOTS       a directory that keeps root file systems: the step `versions` runs all tests that
#                 depend on Nix with two other releases of Debian (tests/versions.sh)
# NIH_EVERY=1     the step `torture` runs all its points (tests/torture/torture.sh)
#
# These run only if NIH_STEPS names them: `upstream`, the tests of Nix's own source, twice, for ten to
# twenty minutes (tests/upstream.sh); `sanitizers`, which is what `distcheck` does without making a
# release.
set -u
cd "$(dirname "$0")/.." || exit 1
top=$PWD
work=${NIH_WORK:-$top/build-tests}
jobs=$(nproc)
steps=${NIH_STEPS:-deps build check distcheck nix nar cache nonix parity e2e hostile torture fuzz versions}
[ "${CI-}" != true ] || TEST_STRICT=1
export TEST_STRICT=${TEST_STRICT-0} LC_ALL=C
# Also for the build that distcheck unpacks elsewhere.
if [ -d ../shared ]; then export NIH_SHARED=${NIH_SHARED:-$(cd ../shared && pwd)}; fi
mkdir -p "$work"
counts=$work/counts closing=$work/closing
: >"$counts"
: >"$closing"

count() { echo "$1 $2 $3" >>"$counts"; }
header() { printf '\n==== %s (%s s)\n' "$1" "$SECONDS"; }
# step NAME COMMAND...: one thing that works or does not. The commands of a function that runs here
# must each end in `|| return`.
step() {
  local name=$1 rc
  shift
  header "$name"
  "$@" >"$work/$name.log" 2>&1
  rc=$?
  if [ $rc = 0 ]; then
    count 1 0 0
    echo "$name: done" | tee -a "$closing"
  else
    count 0 1 0
    tail -n 60 "$work/$name.log"
    echo "$name: FAILED (status $rc)" | tee -a "$closing"
  fi
  return $rc
}
source=
source_dir() { [ -n "$source" ] || source=$(scripts/source-dir.sh "$work/source"); }
configured() { # configured DIR ARG...: build in DIR
  local dir=$work/$1
  shift
  mkdir -p "$dir"
  source_dir && (cd "$dir" && "$source/configure" --quiet "$@" && make --silent -j"$jobs") || return
}
# tests_of NAME COMMAND...: a command that runs automake's harness; its totals are the numbers of
# tests in TAP, not of scripts
tests_of() {
  local name=$1 log=$work/$1.log p f s rc
  shift
  header "$name"
  "$@" >"$log" 2>&1
  rc=$?
  total() { sed -nE "s/^# $1: +([0-9]+)$/\1/p" "$log" | awk '{ n += $1 } END { print n + 0 }'; }
  p=$(($(total PASS) + $(total XFAIL)))
  f=$(($(total FAIL) + $(total ERROR) + $(total XPASS)))
  s=$(total SKIP)
  [ "$TEST_STRICT" != 1 ] || { f=$((f + s)) && s=0; }
  [ $rc = 0 ] || [ $f != 0 ] || f=1
  [ $p != 0 ] || f=$((f + 1))
  [ $f = 0 ] || {
    grep -E '^(FAIL|ERROR|XPASS|SKIP):' "$log" | head -n 60
    tail -n 60 "$log"
  }
  count "$p" "$f" "$s"
  echo "$name: $p passed, $f failed, $s skipped" | tee -a "$closing"
}
make_check() { make -C "$work/$1" -k -j"$jobs" check; }
scripts() { # scripts NAME FILE...: TAP scripts that use the built program
  local name=$1
  shift
  [ -e "$1" ] || return 0
  header "$name"
  NIX_OCI_HOOK=$work/plain/nix-oci-hook NIH_COUNTS=$counts tests/run.sh "$@" |
    tee "$work/$name.log"
  echo "$name: $(tail -n 1 "$work/$name.log" | sed 's/^# //')" >>"$closing"
}
export NIH_ROOTS=${NIH_ROOTS:-$work/roots}
# The other releases come from afar, and most tests wait more than they compute: all of that goes on
# beside the other steps.
versions_pid=
start_versions() {
  [ -z "$versions_pid" ] || return 0
  rm -f "$work/versions.counts"
  NIH_COUNTS=$work/versions.counts nice tests/versions.sh >"$work/versions.log" 2>&1 &
  versions_pid=$!
}
versions() {
  header versions
  start_versions
  wait "$versions_pid"
  cat "$work/versions.log"
  # What did not come to its end has counted nothing.
  cat "$work/versions.counts" >>"$counts" || count 0 1 0
  echo "versions: $(tail -n 1 "$work/versions.log" | sed 's/^# //')" >>"$closing"
}
fuzzing() {
  source_dir && (mkdir -p "$work/fuzz" && cd "$work/fuzz" &&
    "$source/configure" --quiet --enable-fuzzing --enable-werror CC=clang &&
    make --silent -j"$jobs" libnar.a libspecgen.a libhook.a &&
    make --silent -j"$jobs" fuzz FUZZ_SECONDS="${FUZZ_SECONDS:-5}") || return
}
sanitizers=(--enable-werror --enable-sanitizers "CFLAGS='-g -O1'")
# A release holds every file of the repository except what is for git and editors only, and git
# ignores all that a build makes. It is built with sanitizers: so one more build runs all tests, not
# two.
distcheck() {
  make -C "$work/plain" -j"$jobs" distcheck \
    AM_DISTCHECK_CONFIGURE_FLAGS="--quiet ${sanitizers[*]}" || return
  if [ -e .git ]; then
    tar -tf "$work"/plain/nix-oci-hook-*.tar.xz | sed 's,^[^/]*/,,' | sort >"$work/released" || return
    git ls-files | grep -vE '^\.(editorconfig|git.*)$' | sort | comm -23 - "$work/released" \
      >"$work/unreleased" || return
    [ ! -s "$work/unreleased" ] || { echo "not in the archive:"; cat "$work/unreleased"; return 1; }
    (cd "$work/plain" && find . -type f) |
      git check-ignore --no-index --stdin --verbose --non-matching >"$work/ignored" || return
    ! grep '^::' "$work/ignored" || { echo "the lines above: not in .gitignore"; return 1; }
  fi
  in_tree
}
# A tree that was configured itself, as README.md says it, is built from elsewhere all the same.
in_tree() {
  local tree=$work/in-tree copy
  rm -rf "$tree" && mkdir "$tree" "$tree/build" &&
    tar -xf "$work"/plain/nix-oci-hook-*.tar.xz -C "$tree" --strip-components=1 &&
    (cd "$tree" && ./configure --quiet) && copy=$("$tree/scripts/source-dir.sh" "$tree/copy") &&
    (cd "$tree/build" && "$copy/configure" --quiet && make --silent libnar.a) &&
    rm -rf "$tree"
}

for s in $steps; do
  case $s in
  deps) step deps scripts/install-deps.sh ;;
  build)
    step build configured plain --enable-werror
    case " $steps " in *" versions "*) start_versions ;; esac
    ;;
  check) tests_of check-plain make_check plain ;;
  sanitizers)
    eval "step build-sanitizers configured sanitizers ${sanitizers[*]}" &&
      tests_of check-sanitizers make_check sanitizers
    ;;
  distcheck) tests_of distcheck distcheck ;;
  # The other scripts of tests/parity/ need the build tree and are in `make check`.
  parity) scripts parity tests/parity/outputs.sh tests/parity/sandbox.sh ;;
  cache) step build-cache make -C "$work/plain" --silent tests/tools/fetch && NIH_JOBS=2 scripts cache tests/cache/*.sh ;;
  versions) versions ;;
  nonix) NIH_JOBS=2 scripts nonix tests/nonix/files.sh tests/nonix/failing.sh tests/nonix/http.sh \
    tests/nonix/https.sh tests/nonix/far.sh ;;
  # tests/nar/nix.sh is in `make check`.
  nar)
    step build-nar make -C "$work/plain" --silent tests/tools/peak &&
      NIH_JOBS=2 scripts nar tests/nar/memory.sh tests/nar/usr.sh
    ;;
  torture)
    step build-torture make -C "$work/plain" --silent tests/tools/inject &&
      NIH_TEST_LIMIT=${NIH_EVERY:+14400} scripts torture tests/torture/torture.sh
    ;;
  upstream) NIH_TEST_LIMIT=7200 scripts upstream tests/upstream.sh ;;
  nix | hostile) scripts "$s" tests/"$s"/*.sh ;;
  e2e)
    # They wait more than they compute. Not so those that have other runtimes or limits.
    mapfile -t alone < <(grep -liE 'memory-max|pids-max|runtime ?=' tests/e2e/*.sh)
    mapfile -t together < <(printf '%s\n' tests/e2e/*.sh | grep -vxFf <(printf '%s\n' "${alone[@]}"))
    NIH_JOBS=2 scripts e2e "${together[@]}"
    scripts e2e-alone "${alone[@]}"
    NIH_JOBS=2 NIH_REGISTRATION=load-db scripts e2e-load-db tests/e2e/small.sh tests/e2e/outputs.sh \
      tests/e2e/users.sh
    ;;
  fuzz) step fuzz fuzzing ;;
  *) echo "no step '$s'" >&2; exit 2 ;;
  esac
done

header "all"
cat "$closing"
awk '{ p += $1; f += $2; s += $3 }
  END { printf "%d passed, %d failed%s\n", p, f, s ? ", " s " skipped" : ""; exit f > 0 || p == 0 }' \
  "$counts"

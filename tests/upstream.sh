#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# upstream.sh [TEST...]: run the functional tests of the installed Nix's own source, by Nix's sandbox
# and through the hook. As root.
#
# The source is that of Debian's package of the installed Nix. TEST is a script of its tests, with
# its path from there (check.sh, ca/build.sh); all that it has for an installed Nix, if none is
# given. Each is run by one to three of these ways, in a store of its own:
#   nix    in Nix's own sandbox
#   hook   through the hook, and max-jobs = 0, so that Nix itself can build nothing; if `nix` passes
#   mixed  the hook, and Nix builds what the hook declines; if `hook` alone fails
#   bare   as it stands, without a sandbox; if `nix` fails
# In the three with a sandbox a build has the machine's tools, the tests, and those few paths below
# TEST_ROOT that the tests' builds use. The tests are changed in one more place: root may write to
# what nobody may write to, so lines that look for that are taken out.
#
# What passes with `nix` has to pass with `hook`. What does not is a row of tests/upstream.txt, and
# so is what fails with `nix` already. A row that is not needed any more is a failure. TAP; a test
# that does not pass, for a reason in that list or because it skips itself, is a comment, and so is
# one that builds nothing.
#
# Environment: as for lib.sh; NIH_NIX_SOURCE is a directory with Nix's source, where Debian's cannot
# be had.
# shellcheck source=tests/lib.sh
source "$(dirname "$0")/lib.sh"
need bash-static busybox git jq
known=$here/upstream.txt

world "$@"
nix_at_least 2.8 # sets nix_version
mkdir -p "$W/nix" && mount --bind "$W/nix" /nix
busybox=$(readlink -f "$(command -v busybox)")
ldd "$busybox" >/dev/null 2>&1 && skip_all "busybox is not static"

# ---- the tests, made ready for the installed Nix ----
if [ -z "${NIH_NIX_SOURCE-}" ]; then
  debian_sources nix
  NIH_NIX_SOURCE=$NIH_CACHE/nix
fi
[ "$(sed 's/pre.*//' "$NIH_NIX_SOURCE/.version")" = "${nix_version%%[+-]*}" ] ||
  skip_all "the source is that of Nix $(cat "$NIH_NIX_SOURCE/.version"), installed is $nix_version"
source_tests=$NIH_NIX_SOURCE/tests
[ ! -d "$source_tests/functional" ] || source_tests=$source_tests/functional
is_meson() { [ -e "$source_tests/meson.build" ]; }

all_tests() { # one a line, as Nix's own build system would run them
  if is_meson; then
    (cd "$source_tests" && for f in meson.build */meson.build; do
      sed -nE "s#^ +'([a-zA-Z0-9_-]+\.sh)',\$#$(dirname "$f")/\1#p" "$f"
    done) | sed 's#^\./##'
  else
    sed -nE 's/^ +([a-zA-Z0-9_/-]+\.sh)( \\)?$/\1/p' "$source_tests/local.mk"
  fi
}
system=$(nix-instantiate --eval -E builtins.currentSystem | tr -d '"')
# Some only run where their shell is in Nix's store, and then a build has nothing else.
tools=/nix/store/00000000000000000000000000000000-tools/bin
mkdir -p "$tools"
cp "$busybox" "$tools/busybox"
for f in $("$busybox" --list); do [ "$f" = busybox ] || ln -s busybox "$tools/$f"; done
cp --remove-destination "$(command -v bash-static)" "$tools/bash"
# One test wants two builds to differ.
rm "$tools/date" && printf '#!%s/bash\necho "$EPOCHREALTIME"\n' "$tools" >"$tools/date" && chmod 755 "$tools/date"

ready() { # ready WAY TEST: the way's copy of the tests, as configure or meson would make them ready
  local f shell path=/usr/bin
  shell=$(command -v bash)
  case $2 in linux-sandbox.sh) shell=$tools/bash path=$tools ;; esac
  rm -rf "$W/$1/tests"
  mkdir -p "$W/$1/nix-test"
  # Some read what lies beside them.
  for f in src scripts; do [ -d "$W/$1/$f" ] || cp -r "$NIH_NIX_SOURCE/$f" "$W/$1/$f"; done
  cp -r "$source_tests" "$W/$1/tests"
  find "$W/$1/tests" -name '*.in' | while read -r f; do
    sed -e "s#@bash@#$shell#" -e "s#@coreutils@#$path#" -e "s#@bindir@#/usr/bin#" -e "s#@dot@##" \
      -e "s#@sandbox_shell@#$busybox#" -e "s#@PACKAGE_VERSION@#$nix_version#" \
      -e "s#@system@#$system#" "$f" >"${f%.in}"
  done
  find "$W/$1/tests" -name '*.sh' -exec \
    sed -i -E '/^(\(! \[|\[\[ !) -w "?\$[a-zA-Z0-9]+"? (\]\)|\]\])$/d' {} +
  # The one line of the tests' nix.conf that is about the sandbox.
  [ "$1" = bare ] || sed -i "s#^sandbox = false\$#include $W/$1/nix.conf#" \
    "$W/$1/tests"/{init.sh,common/init.sh} 2>/dev/null
}
# What builds use outside of the store. That lies in the same directory, which therefore cannot be
# mounted whole.
shared="shared archive.nar archive.nar.xz counter running test1.fifo test.fifo test2.fifo"

configure() { # configure WAY TEST-ROOT: nix.conf
  local p
  {
    echo "sandbox = true"
    echo "sandbox-fallback = false"
    echo "sandbox-paths = $host_paths $(for p in $shared; do echo -n "$2/$p? "; done) $W/$1/dummy? $W/$1/tests"
    case $1 in hook | mixed) echo "build-hook = $W/$1/hook" ;; esac
    [ "$1" != hook ] || echo "max-jobs = 0"
  } >"$W/$1/nix.conf"
  printf '#!/bin/sh\necho >>%s\nexec %s "$@"\n' "$W/$1/asked" "$NIX_OCI_HOOK" >"$W/$1/hook"
  chmod 755 "$W/$1/hook"
}
# run WAY TEST: its status, after at most $limit seconds. What it says is in $W/WAY/log, how often the
# hook ran in $asked.
run() {
  local way=$1 test=$2 name=${2%.sh} suite=main dir=$W/$1/tests root env=() rc
  ready "$way" "$test"
  if is_meson; then
    case $test in */*) suite=${test%%/*} name=${name#*/} ;; esac
    root=$W/$way/nix-test/$suite/$name
    env=(_NIX_TEST_SOURCE_DIR="$dir" _NIX_TEST_BUILD_DIR="$dir" TEST_SUITE_NAME="$suite" NIX_STORE=
      shell="$(command -v bash)")
  else
    root=$W/$way/nix-test/$name
    mkdir -p "$(dirname "$root")"
  fi
  configure "$way" "$root"
  rm -f "$W/$way/asked"
  # Builds are of another user than the tests, and some write to files of the tests.
  (
    umask 000
    cd "$dir/$(dirname "$test")" || exit
    exec env "${env[@]}" TEST_NAME="$name" TMPDIR="$W/$way" NIX_REMOTE= \
      timeout -k 5 $limit unshare --pid --fork --kill-child --mount-proc bash -c '
        is_meson=$1 test=$2 top=$3
        if [ "$is_meson" = yes ]; then exec bash -x -e -u -o pipefail "$test"; fi
        (cd "$top" && bash -e init.sh) && exec bash -e "$test"
      ' run "$(is_meson && echo yes)" "$(basename "$test")" "$dir"
  ) >"$W/$way/log" 2>&1 </dev/null
  rc=$?
  asked=$(wc -l 2>/dev/null <"$W/$way/asked") || asked=0
  chmod -R u+w "$root" 2>/dev/null
  rm -rf "$root"
  [ -z "${NIH_KEEP-}" ] || { mkdir -p "$W/logs" && cp "$W/$way/log" "$W/logs/${test//\//-}.$way"; }
  return $rc
}
said() { # said STATUS: a word for it
  case $1 in 0) echo passes ;; 77 | 99) echo skips ;; 124 | 137) echo "takes too long" ;; *) echo fails ;; esac
}
row() { # row TEST: the row of the list that is for it and this Nix, as WAY|REASON
  local test nix way why
  while IFS='|' read -r test nix way why; do
    read -r test <<<"$test"
    read -r nix <<<"$nix"
    [ "$test" = "$1" ] && case $nix_version in $nix | $nix.*) true ;; *) [ "$nix" = all ] ;; esac || continue
    read -r way <<<"$way"
    echo "$way|${why# }"
    return
  done <"$known"
}

n_pass=0 n_none=0 n_skip=0 n_nix=0 n_hook=0
one() { # one TEST
  local test=$1 way listed why asked=0 used=0 limit=400
  declare -A got=([bare]=- [nix]=- [hook]=- [mixed]=-)
  IFS='|' read -r listed why <<<"$(row "$test")"
  # Some of those that do not pass wait for ever.
  [ -z "$listed" ] || limit=100
  for way in nix hook mixed bare; do
    case $way in
    hook) [ "${got[nix]}" = passes ] || [ "$listed" = better ] || continue ;;
    mixed) [ "${got[nix]}" = passes ] && [ "${got[hook]}" != passes ] && [ "$listed" != hook ] || continue ;;
    bare) [ "${got[nix]}" != passes ] && [ "${got[nix]}" != skips ] || continue ;;
    esac
    run "$way" "$test"
    got[$way]=$(said $?)
    [ "$way" != hook ] || used=$asked
  done
  case "${got[nix]} ${got[hook]}" in
  "skips "*)
    n_skip=$((n_skip + 1))
    echo "# $test: skips itself: $(tail -n 1 "$W/nix/log")"
    listed_as "" "$test" "$listed"
    ;;
  "passes passes")
    listed_as "" "$test" "$listed" || return
    if [ "$used" = 0 ]; then
      n_none=$((n_none + 1))
      echo "# $test: builds nothing"
    else
      n_pass=$((n_pass + 1))
      ok "$test: passes with the hook, which was asked $used times"
    fi
    ;;
  "passes "*)
    n_hook=$((n_hook + 1))
    if [ "$listed" = hook ] || [ "$listed/${got[mixed]}" = declined/passes ]; then
      echo "# $test: ${got[hook]} with the hook: $why"
    else
      not_ok "$test: ${got[hook]} with the hook, ${got[mixed]} where Nix may build too" "$W/hook/log"
    fi
    ;;
  "fails passes")
    n_pass=$((n_pass + 1))
    listed_as better "$test" "$listed" && ok "$test: passes with the hook, and not in Nix's sandbox: $why"
    ;;
  *)
    n_nix=$((n_nix + 1))
    echo "# $test: ${got[nix]} in Nix's sandbox, ${got[bare]} without: $why"
    [ "$listed" = nix ] || not_ok "$test: that it ${got[nix]} in Nix's sandbox is listed" "$W/nix/log"
    ;;
  esac
}
listed_as() { # listed_as WANTED TEST LISTED
  [ "$1" = "$3" ] && return
  not_ok "$2: upstream.txt says '$3', which is not so any more"
  return 1
}

if [ $# = 0 ]; then
  mapfile -t all < <(all_tests)
  set -- "${all[@]}"
  check "there are tests" [ $# -ge 100 ]
fi
for test; do one "$test"; done
echo "# Nix $nix_version: of $# tests $n_pass pass with the hook and $n_hook do not; $n_none build nothing," \
  "$n_nix fail in Nix's sandbox, $n_skip skip themselves"
finish

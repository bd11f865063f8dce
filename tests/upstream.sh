#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# upstream.sh [TEST...]: run the functional tests of the installed Nix's own source, by Nix's sandbox
# and through the hook. As root.
#
# The source is Debian's source package of the installed Nix. TEST is the path of a script below its
# tests (check.sh, ca/build.sh). Without one, all scripts that suit an installed Nix are run. A test
# runs in one to three of these ways, each time in a store of its own:
#   nix    in Nix's own sandbox
#   hook   if `nix` passes: through the hook with max-jobs = 0, so that Nix itself builds nothing
#   mixed  if `hook` fails: through the hook, and Nix builds the derivations that the hook declines
#   bare   if `nix` fails: unchanged, without a sandbox
# If a test names other machines to build on, Nix's own build hook sends builds to them, and they
# use the hook. With a sandbox a build sees the machine's tools, the tests, and the few paths below
# TEST_ROOT that the tests' builds use. Tests that are not meant for root, and builds that are not
# meant for a sandbox, are changed (see adapt).
#
# A test that passes with `nix` must pass with `hook`. Exceptions, and tests that fail with `nix`,
# are rows of tests/upstream.txt. A row that is no longer needed is a failure. TAP. A comment stands
# for a test that does not pass for a reason in that list, that skips itself, or that builds
# nothing.
#
# Environment: as for lib.sh. NIH_JOBS: how many tests run at once (2). NIH_NIX_SOURCE: a directory
# with Nix's source, if Debian's is not available. NIH_KEEP: keep each test's logs.
# shellcheck source=tests/lib.sh
source "$(dirname "$0")/lib.sh"
need bash-static busybox cc git jq
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
tests_dir=tests
[ ! -d "$NIH_NIX_SOURCE/tests/functional" ] || tests_dir=tests/functional
source_tests=$NIH_NIX_SOURCE/$tests_dir
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
nix="nix --extra-experimental-features nix-command"
nixs_hook=$($nix config show build-hook 2>/dev/null || $nix show-config | sed -n 's/^build-hook = //p')
# Builds have busybox as HASH-busybox for their builder, and want it to take the first argument for
# what it shall be, as that of nixpkgs does. For Debian's, the name says it. So this is one file that
# has Debian's within.
sandbox_shell=$W/busybox
cat >"$W/busybox.c" <<END
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
extern char **environ;
extern const char begin[], end[];
__asm__(".section .rodata\nbegin: .incbin \"$busybox\"\nend:\n.previous");
int main(int argc, char **argv)
{
  size_t done = 0, len = argc > 0 ? strlen(argv[0]) : 0;
  ssize_t n = 1;
  int fd = memfd_create("busybox", MFD_CLOEXEC);
  while (n > 0 && done < (size_t)(end - begin))
    done += n = write(fd, begin + done, end - begin - done);
  if (len > 8 && strcmp(argv[0] + len - 8, "-busybox") == 0)
    argv[0] += len - 7;
  fexecve(fd, argv, environ);
  return 127;
}
END
cc -static -O1 -o "$sandbox_shell" "$W/busybox.c" || exit 1
# Some only run where their shell is in Nix's store, and then a build has nothing else.
tools=/nix/store/00000000000000000000000000000000-tools/bin
mkdir -p "$tools"
cp "$busybox" "$tools/busybox"
for f in $("$busybox" --list); do [ "$f" = busybox ] || ln -s busybox "$tools/$f"; done
cp --remove-destination "$(command -v bash-static)" "$tools/bash"
# One test wants two builds to differ.
rm "$tools/date" && printf '#!%s/bash\necho "$EPOCHREALTIME"\n' "$tools" >"$tools/date" && chmod 755 "$tools/date"

adapt() { # adapt DIR: change the tests there where they would fail for a reason that is none of theirs
  local nobody_may='/^(\(! \[|\[\[ !) -w "?\$[a-zA-Z0-9]+"? (\]\)|\]\])$/d'
  # root may write to what nobody may write to, is trusted though no nix.conf says so, and has its
  # profiles elsewhere, where one test moves a user's to.
  find "$1" -name '*.sh' -exec sed -i -E "$nobody_may" {} +
  sed -i '/trusted-users =.*\/d/,$d' "$1/impure-env.sh" 2>/dev/null
  if is_meson; then
    sed -i 's#"$HOME/.local/state/nix/profiles"#"$NIX_STATE_DIR/profiles/per-user/root"#' \
      "$1/common/functions.sh"
    sed -i '/^ *mv .*per-user\/root$/d' "$1/nix-channel.sh"
    sed -i -e '/run as non-root in a single-user/d' -e '/Permission denied/d' "$1/read-only-store.sh"
  fi
  # A build does not see the store, but for its inputs; one gets it under another name. Nor can it
  # replace a file that it sees.
  sed -i -e 's#\\$NIX_STORE/\*-garbage#/whole-store/*-garbage#' -e 's#{fake_free}.tmp1#{fake_free}#' \
    -e '/^ *mv .*fake_free/d' "$1/gc-auto.sh"
  sed -i '/^test -e .*\.lock"\?$/d' "$1"/gc-concurrent*.builder.sh
  sed -i '/^ *\[\[ -e .*unreachable \]\]$/d' "$1"/recursive.{sh,nix} 2>/dev/null
  # Its build directory has another name within, so that is taken from what Nix says that it keeps.
  sed -i "s#sed -n 's/CHECK_TMPDIR=//p'#sed -n 's/.*keeping build directory .//;T;s/.\$//p'#" "$1/check.sh"
}
ready() { # ready WAY TEST: the way's copy of the tests, as configure or meson would make them ready
  local f shell path=/usr/bin dir=$W/$1/$tests_dir
  shell=$(command -v bash)
  case $2 in linux-sandbox.sh) shell=$tools/bash path=$tools ;; esac
  rm -rf "$W/$1/tests"
  mkdir -p "$W/$1/nix-test" "$(dirname "$dir")"
  cp -r "$source_tests" "$dir"
  # Some read what lies beside them.
  for f in src scripts; do
    grep -q "\.\./$f/" "$dir/$2" && cp -r "$NIH_NIX_SOURCE/$f" "$W/$1/"
  done
  find "$dir" -name '*.in' | while read -r f; do
    sed -e "s#@bash@#$shell#" -e "s#@coreutils@#$path#" -e "s#@bindir@#/usr/bin#" -e "s#@dot@##" \
      -e "s#@sandbox_shell@#$sandbox_shell#" -e "s#@PACKAGE_VERSION@#$nix_version#" \
      -e "s#@system@#$system#" "$f" >"${f%.in}"
  done
  adapt "$dir"
  # The one line of the tests' nix.conf that is about the sandbox.
  [ "$1" = bare ] || sed -i "s#^sandbox = false\$#include $W/$1/nix.conf#" \
    "$dir"/{init.sh,common/init.sh} 2>/dev/null
}
# What builds use outside of the store. That lies in the same directory, which therefore cannot be
# mounted whole.
shared="shared archive.nar archive.nar.xz counter running test1.fifo test.fifo test2.fifo fake-free fifoLock dummy"

configure() { # configure WAY TEST-ROOT TEST: nix.conf
  local p
  {
    echo "sandbox = true"
    echo "sandbox-fallback = false"
    echo "sandbox-paths = $host_paths $(for p in $shared; do echo -n "$2/$p? "; done) $W/$1/dummy? $W/$1/tests"
    case $3 in
    gc-auto.sh) echo "extra-sandbox-paths = /whole-store=$2/store" ;;
    # Its builds run Nix, with the same nix.conf.
    nested-sandboxing.sh) echo "extra-sandbox-paths = $W/$1/nix.conf $W/$1/hook $(dirname "$NIX_OCI_HOOK")" ;;
    esac
    case $1 in hook | mixed) echo "build-hook = $W/$1/hook" ;; esac
    [ "$1" != hook ] || echo "max-jobs = 0"
  } >"$W/$1/nix.conf"
  # Who names other machines wants Nix's own build hook; these then have ours.
  cat >"$W/$1/hook" <<END
#!/bin/sh
tr '\\0' '\\n' <"/proc/\$PPID/cmdline" | grep -qx -e --builders && exec $nixs_hook "\$@"
echo >>$W/$1/asked
exec $NIX_OCI_HOOK "\$@"
END
  chmod 755 "$W/$1/hook"
}
# run WAY TEST: its status, after at most $limit seconds. What it says is in $W/WAY/log, how often the
# hook ran in $asked.
run() {
  local way=$1 test=$2 name=${2%.sh} suite=main dir=$W/$1/$tests_dir root env=() rc
  ready "$way" "$test"
  if is_meson; then
    case $test in */*) suite=${test%%/*} name=${name#*/} ;; esac
    root=$W/$way/nix-test/$suite/$name
    env=(_NIX_TEST_SOURCE_DIR="$dir" _NIX_TEST_BUILD_DIR="$dir" TEST_SUITE_NAME="$suite" NIX_STORE=
      shell="$(command -v bash)" out=/nowhere)
  else
    root=$W/$way/nix-test/$name
    mkdir -p "$(dirname "$root")"
  fi
  configure "$way" "$root" "$test"
  rm -f "$W/$way/asked"
  # Builds are of another user than the tests, and some write to files of the tests.
  (
    umask 000
    cd "$dir/$(dirname "$test")" || exit
    exec env "${env[@]}" TEST_NAME="$name" TMPDIR="$W/$way" NIX_REMOTE= LC_ALL=C.UTF-8 \
      GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=protocol.file.allow GIT_CONFIG_VALUE_0=always \
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
  [ -z "${NIH_KEEP-}" ] || cp "$W/$way/log" "$logs/${test//\//-}.$way"
  return $rc
}
said() { # said STATUS: a word for it
  case $1 in 0) echo passes ;; 77 | 99) echo skips ;; 124 | 137) echo "takes too long" ;; *) echo fails ;; esac
}
row() { # row TEST: the row of the list that is for it and this Nix, as WAY|REASON
  local test nix way why last=
  while IFS='|' read -r test nix way why; do
    [ "$why" != " the same" ] || why=$last
    last=$why
    read -r test <<<"$test"
    read -r nix <<<"$nix"
    [ "$test" = "$1" ] && case $nix_version in $nix | $nix.*) true ;; *) [ "$nix" = all ] ;; esac || continue
    read -r way <<<"$way"
    echo "$way|${why# }"
    return
  done <"$known"
}

# one TEST: run it all the ways, and say what comes of it. Its last line is "= KIND": pass, none (it
# passes, and builds nothing), skip, nix (fails in Nix's sandbox) or hook (fails through the hook).
one() {
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
    echo "# $test: skips itself: $(tail -n 1 "$W/nix/log")"
    listed_as "" "$test" "$listed"
    echo "= skip"
    ;;
  "passes passes")
    listed_as "" "$test" "$listed"
    if [ "$used" = 0 ]; then
      echo "# $test: builds nothing"
      echo "= none"
    else
      ok "$test: passes with the hook, which was asked $used times"
      echo "= pass"
    fi
    ;;
  "passes "*)
    if [ "$listed" = hook ] || [ "$listed/${got[mixed]}" = declined/passes ]; then
      echo "# $test: ${got[hook]} with the hook: $why"
    else
      not_ok "$test: ${got[hook]} with the hook, ${got[mixed]} where Nix may build too" "$W/hook/log"
    fi
    echo "= hook"
    ;;
  "fails passes")
    listed_as better "$test" "$listed"
    ok "$test: passes with the hook, and not in Nix's sandbox: $why"
    echo "= pass"
    ;;
  *)
    echo "# $test: ${got[nix]} in Nix's sandbox, ${got[bare]} without: $why"
    [ "$listed" = nix ] || not_ok "$test: that it ${got[nix]} in Nix's sandbox is listed" "$W/nix/log"
    echo "= nix"
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
  [ $# -ge 100 ] || skip_all "the tests of this Nix are listed elsewhere"
fi
# Each has a directory of its own, as some change what lies beside another's script.
logs=$W/logs
mkdir "$logs"
touch "$W/all"
n=0
for test; do
  n=$((n + 1))
  while [ "$(jobs -pr | wc -l)" -ge "${NIH_JOBS:-2}" ]; do wait -n; done
  (
    export NIX_OCI_HOOK_STATE_DIR=$W/$n/state
    mkdir "$W/$n"
    (W=$W/$n && one "$test") >"$W/$n.said" 2>&1
    rm -rf "${W:?}/$n"
    # Said as soon as it is known, numbered as one TAP.
    flock "$W" awk -v all="$W/all" '
      BEGIN { while ((getline line <all) > 0) if (line ~ /^(not )?ok /) n++ }
      /^(not )?ok / { sub(/ok [0-9]+/, "ok " ++n) }
      { print >>all } ! /^= / { print }' "$W/$n.said"
  ) &
done
wait
tap_n=$(grep -cE '^(not )?ok ' "$W/all") tap_bad=$(grep -c '^not ok ' "$W/all")
kinds() { grep -c "^= $1" "$W/all"; }
check_eq "all were run" "$(kinds)" $#
echo "# Nix $nix_version: of $# tests $(kinds pass) pass with the hook and $(kinds hook) do not;" \
  "$(kinds none) build nothing, $(kinds nix) fail in Nix's sandbox, $(kinds skip) skip themselves"
finish

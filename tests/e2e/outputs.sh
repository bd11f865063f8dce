#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The outputs of a build are registered, and lie in the store, as after a build in Nix's own
# sandbox: each row of the database and each mode is compared. Each derivation is built by Nix, and
# by hand on another /nix, where out_register registers the outputs. TAP.
# shellcheck source=tests/lib.sh
source "$(dirname "$0")/../lib.sh"
need busybox setpriv nix-instantiate
builddir=$(dirname "$NIX_OCI_HOOK")
out_register=$builddir/tests/tools/out_register
[ -x "$out_register" ] || make -s -C "$builddir" tests/tools/out_register >&2 ||
  skip_all "tests/tools/out_register cannot be built"
world "$@"

uid=30001
busybox=$(readlink -f "$(command -v busybox)")
ldd "$busybox" >/dev/null 2>&1 && skip_all "busybox is not static"
# shellcheck disable=SC2034 # for nix_conf
host_paths="/bin/busybox=$busybox"
for side in ref sqlite load-db; do
  mkdir -p "$W/$side" "$W/etc-$side"
  nix_conf "$side"
done
sed -i 's/^max-jobs.*/max-jobs = 2/' "$W"/etc-*/nix.conf
nix=$top_srcdir/tests/e2e/outputs.nix

instantiate() { # instantiate SIDE NAME: sets drv, and the variables that its builder gets
  drv=$(on "$1" nix-instantiate --quiet "$nix" -A "$2" 2>"$W/instantiate.log") || return 1
  drv=${drv%%!*}
}
# Run the builder as a build runs: its own uid, and outputs where they belong, on a directory of
# its own that lies over the store.
left_by_build() { # left_by_build SIDE: sets scratch
  local side=$1
  scratch=$W/$side/store/${drv##*/}.chroot
  mkdir -m 0700 "$scratch" && mkdir -m 0755 "$scratch/store" && chown $uid "$scratch/store"
  on "$side" python3 - "$drv" "/nix/store/${scratch##*/}/store" $uid <<'END'
import json, os, subprocess, sys
drv, store, uid = sys.argv[1:]
shown = json.loads(subprocess.check_output(["nix", "show-derivation", drv]))
shown = shown.get("derivations", shown) # Nix 2.34, which also calls them by their base names
d = shown.get(drv) or shown[drv.rsplit("/", 1)[1]]
os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c",
    'mount --bind "$0" /nix/store && exec "$@"', store,
    "setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "--inh-caps=-all",
    "env", "-i", *[f"{k}={v}" for k, v in d["env"].items()], d["builder"], *d["args"]])
END
}
register() { # register SIDE HOW [SETTING VALUE]...
  local side=$1 how=$2
  shift 2
  on "$side" "$out_register" "$how" $uid "/nix/store/${scratch##*/}/store" "$drv" "$@"
}
side_facts() { # what --load-db has no place for is not compared: ultimate and ca
  facts "$1" | if [ "$2" = load-db ]; then sed -E 's/^(path\|[^|]*\|[^|]*\|[^|]*\|[^|]*)\|.*/\1/'; else cat; fi
}

for name in tree link flat recursive plain; do
  nix_build ref "$nix" -A $name >/dev/null || skip_all "Nix cannot build here: $(tail -n 1 "$W/ref.log")"
done
for how in sqlite load-db; do
  for name in tree link flat recursive plain; do
    instantiate $how $name || { not_ok "$name ($how): instantiates" "$W/instantiate.log"; continue; }
    left_by_build $how >"$W/build.log" 2>&1 || { not_ok "$name ($how): builds" "$W/build.log"; continue; }
    check "$name ($how): is registered" register $how $how
    check_eq "$name ($how): only the directory for copies can be left" \
      "$(find "$scratch" -mindepth 1 -maxdepth 1 ! -name copies -printf %f)" store
    rm -rf "$scratch"
  done
  side_facts ref $how >"$W/ref.facts"
  side_facts $how $how >"$W/$how.facts"
  diff -u "$W/ref.facts" "$W/$how.facts" >"$W/facts.diff"
  check_eq "$how: rows and files are those of Nix's own builds" "$(cat "$W/facts.diff")" ""
  check "$how: the store verifies" verify $how
done

# ---- where nothing can be registered, and nothing may be left ----
fresh() { # fresh SIDE NAME: what a build left, on a new /nix
  rm -rf "${W:?}/$1"
  mkdir -p "$W/$1" "$W/etc-$1"
  nix_conf "$1"
  instantiate "$1" "$2" && left_by_build "$1"
}
clean() { # clean NAME SIDE: no valid output, no file at the path of one
  rm -rf "$scratch"
  check_eq "$1: nothing is valid" "$(valid_count "$2")" 0
  check_eq "$1: no output is in the store" \
    "$(find "$W/$2/store" -mindepth 1 -maxdepth 1 -name '*-plain*' ! -name '*.drv')" ""
}

fresh readonly plain >"$W/build.log" 2>&1
# shellcheck disable=SC2016
on readonly sh -c 'mount --bind /nix/store /nix/store && mount -o remount,ro,bind /nix/store &&
  mount --bind -o rw "$1" "$1"; exec "$0" auto '$uid' "$1" "$2"' \
  "$out_register" "/nix/store/${scratch##*/}/store" "$drv" 2>"$W/readonly.log" >"$W/told.log"
check_eq "a read-only store: exit status" $? 1
check_log "a read-only store: the message says so" "^error: .*Read-only file system" "$W/readonly.log"
check_eq "a read-only store: one message" "$(grep -c . "$W/readonly.log")" 1
clean "a read-only store" readonly

# ---- killed on the way: nothing is valid that is not there, and the next build is fine ----
for n in 1 2; do
  fresh killed plain >"$W/build.log" 2>&1
  OUT_REGISTER_KILL=$n register killed auto >"$W/killed.log" 2>&1
  check_eq "killed at step $n: was killed" $? 137
  check_eq "killed at step $n: nothing is valid" "$(valid_count killed)" 0
  rm -rf "$scratch"
  left_by_build killed >"$W/build.log" 2>&1
  check "killed at step $n: the next build is registered" register killed auto
  check "killed at step $n: the store verifies" verify killed
  rm -rf "$scratch"
done

# ---- a bundle on another file system ----
fresh elsewhere plain >"$W/build.log" 2>&1
mkdir "$W/other" && mount -t tmpfs tmpfs "$W/other" && cp -a "$scratch" "$W/other/bundle"
rm -rf "$scratch"
check "a bundle elsewhere: is registered" \
  on elsewhere "$out_register" auto $uid "$W/other/bundle/store" "$drv"
find "$W/ref/store" "$W/elsewhere/store" -mindepth 1 -path '*-plain*' ! -name '*.drv' ! -name '*.lock' \
  -printf '%P %M %n %U:%G %Ts %l\n' | sort | uniq -c | awk '$1 != 2' >"$W/elsewhere.diff"
check_eq "a bundle elsewhere: the files are the same" "$(cat "$W/elsewhere.diff")" ""
check_eq "a bundle elsewhere: a hole is one" "$(find "$W/elsewhere/store" -name hole -printf %b)" 0
check_eq "a bundle elsewhere: no copies are left" "$(find "$W/elsewhere/store" -name '*.copies')" ""
check "a bundle elsewhere: the store verifies" verify elsewhere

# ---- a full disk ----
# A tmpfs of its own, filled but for a few pages: renaming costs nothing, the database needs some.
mkdir "$W/full" && mount -t tmpfs -o size=24m tmpfs "$W/full"
for rest in 0 16k 64k; do
  find "$W/full" -mindepth 1 -delete
  mkdir -p "$W/etc-full"
  nix_conf full
  { instantiate full plain && left_by_build full; } >"$W/build.log" 2>&1
  dd if=/dev/zero of="$W/full/fill" bs=4k >"$W/dd.log" 2>&1
  [ $rest = 0 ] || truncate -s "-$rest" "$W/full/fill"
  if register full auto >"$W/full.log" 2>&1; then
    check_eq "$rest left on the disk: what is registered is there" "$(valid_count full)" 1
  else
    check_log "$rest left on the disk: the message says so" \
      "^error: .*(No space left on device|is full|disk I/O error)" "$W/full.log"
    check_eq "$rest left on the disk: one message" "$(grep -c ^error "$W/full.log")" 1
    rm -f "$W/full/fill"
    clean "$rest left on the disk" full
  fi
done
umount "$W/full" "$W/other"
finish

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# outputs.sh [ROUNDS]: time builds with large outputs (20,000 small files of 80 MB, and one file of
# 1 GiB) by Nix's own sandbox and through the hook (crun) in turn. The builder only copies files
# from memory (/dev/shm) by cp, so most of the time is spent by Nix and the hook. Prints the median
# of each and its ratio to Nix's sandbox, and how long the builder alone takes. NIH_BENCH_FILES,
# NIH_BENCH_MIB: other sizes.
. "$(dirname "$0")/lib.sh"
need busybox crun openssl
world "$@"
rounds=${1:-5}
files=${NIH_BENCH_FILES:-20000} mib=${NIH_BENCH_MIB:-1024}
export NIX_OCI_HOOK_RUNTIME=${NIX_OCI_HOOK_RUNTIME:-crun}
src=$(mktemp -d /dev/shm/nih-bench.XXXXXX) || exit 1
trap 'rm -rf "$src"' EXIT
chmod 755 "$src"

# Always the same bytes, and not compressible: a key stream.
random() { openssl enc -aes-128-ctr -K "$(printf '%032d' "$1")" -iv "$(printf '%032d' 0)" </dev/zero 2>/dev/null | head -c "$2"; }
mkdir "$src/large" "$src/small"
random 1 $((mib << 20)) >"$src/large/file"
random 2 $((files * 4000)) | split -b 400000 -d -a 4 - "$src/part"
for part in "$src"/part*; do
  mkdir "$src/small/${part##*/}"
  split -b 4000 -d -a 2 "$part" "$src/small/${part##*/}/" && rm "$part"
done
chmod -R a+rX "$src"
host_paths="/bin/sh=$(command -v busybox) /bench=$src"
nix_conf ref
nix_conf hook

build() { # build SIDE WHAT SEED
  case $1 in
  ref) on ref nix-build --no-out-link "$here/../bench/outputs.nix" --argstr what "$2" --argstr seed "$3" ;;
  hook)
    on hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$here/../bench/outputs.nix" \
      --argstr what "$2" --argstr seed "$3"
    ;;
  esac
}
# What was built goes, as the disk must not be what is measured, nor become full.
forget() {
  on "$1" nix-store --delete --ignore-liveness "$(cat "$W/bench.out")" >"$W/gc.log" 2>&1 ||
    { cat "$W/gc.log" >&2; exit 1; }
}
alone() { busybox cp -r "$src/$1" "$W/alone"; }
for s in ref hook; do # once to make the stores, and to see that it works
  build $s nothing first >/dev/null 2>"$W/$s.log" || { tail -n 5 "$W/$s.log" >&2; exit 1; }
done
echo "medians of $rounds rounds, $(nproc) cores, on $(stat -f -c %T "$W")"
for what in small large; do
  for round in $(seq "$rounds"); do
    for s in ref hook; do
      time_of "$s" build "$s" "$what" "$round" || exit 1
      forget "$s"
    done
    time_of alone alone "$what" || exit 1
    rm -rf "$W/alone"
  done
  case $what in
  small) echo "$files files of 4 kB (aim: at most 0.9x Nix's own sandbox)" ;;
  large) echo "one file of $mib MiB (aim: at most 0.9x Nix's own sandbox)" ;;
  esac
  report ref "Nix's own sandbox"
  report hook "nix-oci-hook, $NIX_OCI_HOOK_RUNTIME"
  report alone "the builder alone"
  rm "$W"/{ref,hook,alone}.{ms,cpu}
done

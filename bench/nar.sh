#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# nar.sh [ROUNDS]: time the verb nar against `openssl dgst` and Nix, in turn: hash and scan (2,000
# needles) one file of 1 GiB and 14,000 small files (240 MB), dump and restore the small files.
# Prints the median of each and its ratio. Files are in the page cache.
# NIH_BENCH_DIR: where the files are (default: on the file system of /var/tmp); restoring is timed
# there and on /dev/shm.
. "$(dirname "$0")/lib.sh"
need openssl nix-hash nix-store
rounds=${1:-7}
W=$(mktemp -d "${NIH_BENCH_DIR:-/var/tmp}/nih-bench.XXXXXX") || exit 1
shm=$(mktemp -d /dev/shm/nih-bench.XXXXXX) || exit 1
trap 'rm -rf "$W" "$shm"' EXIT
export NIX_REMOTE='' LC_ALL=C
hook=$NIX_OCI_HOOK

# Always the same bytes, and not compressible: a key stream.
random() { openssl enc -aes-128-ctr -K "$(printf '%032d' "$1")" -iv "$(printf '%032d' 0)" </dev/zero 2>/dev/null | head -c "$2"; }
random 1 $((1 << 30)) >"$W/big"
mkdir "$W/small"
random 2 240000000 | split -b 2400000 -d -a 3 - "$W/part"
for part in "$W"/part*; do
  mkdir "$W/small/${part##*/}"
  split -b 17143 -d -a 3 "$part" "$W/small/${part##*/}/" && rm "$part"
done
random 3 100000 | base64 -w 32 | tr 'A-Zeout+/' '0-9a-df-np-s' | tr -cd '0-9a-df-np-sv-z\n' | grep -E '^.{32}$' |
  head -n 2000 >"$W/needles"
[ "$(wc -l <"$W/needles")" = 2000 ] || echo "only $(wc -l <"$W/needles") needles" >&2
nix-store --dump "$W/small" >"$W/small.nar"

ours_hash() { "$hook" nar hash --scan "$W/needles" "$1"; }
ours_plain() { "$hook" nar hash "$1"; }
openssl_hash() { openssl dgst -sha256 "$1"; }
nix_hash() { nix-hash --type sha256 "$1"; }
ours_dump() { "$hook" nar dump "$1" >/dev/null; }
nix_dump() { nix-store --dump "$1" >/dev/null; }
ours_dump_file() { "$hook" nar dump "$1" >"$shm/out.nar"; }
nix_dump_file() { nix-store --dump "$1" >"$shm/out.nar"; }
ours_restore() { "$hook" nar restore "$1/out$i" <"$W/small.nar"; }
nix_restore() { nix-store --restore "$1/nix$i" <"$W/small.nar"; }

compare() { # compare TITLE ARG SIDE...: the last side is what the others are compared with
  local title=$1 arg=$2 side i base ms
  shift 2
  for i in $(seq "$rounds"); do
    for side; do
      time_of "$side" "$side" "$arg" || exit 1
      case $side in *_restore) restored "$arg" ;; esac
    done
  done
  base=$(median <"$W/${!#}.ms")
  echo "$title"
  for side; do
    ms=$(median <"$W/$side.ms")
    printf '  %-16s %8.1f ms  %sx\n' "$side" "$ms" "$(ratio "$ms" "$base")"
    rm "$W/$side.ms" "$W/$side.cpu"
  done
  rm -rf "$arg"/{out,nix}[0-9]* "$shm/out.nar"
}
# On a disk nothing is deleted between the rounds: for five seconds ext4 searches for inodes that have
# not been in use lately, which then takes ten times what is measured. What was written is on the disk
# before the next starts.
restored() {
  case $1 in
  /dev/shm/*) rm -rf "$1"/{out,nix}[0-9]* ;;
  *) sync -f "$1" ;;
  esac
}
echo "medians of $rounds rounds, $(nproc) cores"
compare "one file of 1 GiB: hash, scan (aim: at most 1.1x openssl)" "$W/big" \
  ours_hash ours_plain nix_hash openssl_hash
compare "14,000 files, 240 MB: hash, scan (aim: at most 0.75x nix-hash)" "$W/small" \
  ours_hash ours_plain nix_hash
compare "14,000 files: dump to /dev/null" "$W/small" ours_dump nix_dump
compare "14,000 files: dump to a file on tmpfs" "$W/small" ours_dump_file nix_dump_file
compare "one file of 1 GiB: dump to a file on tmpfs" "$W/big" ours_dump_file nix_dump_file
compare "14,000 files: restore on $(stat -f -c %T "$W") (aim: at most 0.7x nix-store)" "$W" \
  ours_restore nix_restore
compare "14,000 files: restore on tmpfs (aim: at most 0.7x nix-store)" "$shm" \
  ours_restore nix_restore

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The trees in /usr: the dump of each equals Nix's, and so does the dump of the tree that is
# restored from it. Each dump goes through a pipe, and no NAR is on a disk. A large tree is split
# into its parts.
#
# By default some 40 trees of at most 60 MB are compared, because /usr has gigabytes. NIH_USR=all
# compares all trees, and those up to 1.5 GB whole. NIH_USR_ROOT: another tree than /usr. TAP.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
need nix-store sha256sum
[ -x "$NIX_OCI_HOOK" ] || skip_all "no $NIX_OCI_HOOK"
W=$(mktemp -d "${TMPDIR:-/var/tmp}/nih.XXXXXX") || exit 1
trap 'chmod -R u+w "$W"; rm -rf "$W"' EXIT
export NIX_REMOTE='' LC_ALL=C
top=${NIH_USR_ROOT:-/usr}
part_bytes=40000000 sample_bytes=60000000 sample_trees=40
[ "${NIH_USR-}" != all ] ||
  part_bytes=1500000000 sample_bytes=$((1 << 60)) sample_trees=$((1 << 60))

# The parts of tree $1: itself, or those of its entries where it is large. A line has size and path.
parts() {
  local entries=()
  shopt -s nullglob dotglob
  entries=("$1"/*)
  shopt -u nullglob dotglob
  [ ${#entries[@]} -gt 0 ] || return 0
  du -xsb -- "${entries[@]}" 2>/dev/null | while IFS=$'\t' read -r size path; do
    if [ "$size" -gt $part_bytes ] && [ -d "$path" ] && [ ! -h "$path" ]; then
      parts "$path"
    else
      printf '%s\t%s\n' "$size" "$path"
    fi
  done
}
restored() { # restored TREE: what is restored of its dump, dumped by Nix
  rm -rf "$W/out"
  "$NIX_OCI_HOOK" nar dump "$1" | tee >(sha256sum >"$W/dump.sum") |
    "$NIX_OCI_HOOK" nar restore "$W/out" || return
  nix-store --dump "$W/out" | sha256sum
}
alike() { # alike TREE
  local nixs ours
  nixs=$(nix-store --dump "$1" | sha256sum) && ours=$(restored "$1") || return
  while [ ! -s "$W/dump.sum" ]; do sleep 0.01; done # its writer is no child of ours
  [ "$(cat "$W/dump.sum")" = "$nixs" ] || { echo "$1: the dump is another"; return 1; }
  [ "$ours" = "$nixs" ] || { echo "$1: the dump of what was restored is another"; return 1; }
  rm -f "$W/dump.sum"
}

set -o pipefail
parts "$top" | sort -t $'\t' -k 2 >"$W/parts"
# Every so manieth of them, from the first on. A single file may be larger than a part.
every=$(awk -v b=$sample_bytes -v t=$sample_trees '{ n += $1 }
  END { e = int(n / b) + 1; print (NR / t > e ? int(NR / t) + 1 : e) }' "$W/parts")
n=0 taken=0 sum=0
while IFS=$'\t' read -r size path; do
  n=$((n + 1))
  [ $((n % every)) = $((1 % every)) ] || continue
  taken=$((taken + 1)) sum=$((sum + size))
  alike "$path" >>"$W/bad" 2>&1 || echo "$path" >>"$W/bad"
done <"$W/parts"
check "there are trees in $top" test $taken -gt 0
check_eq "$taken trees of $top, $((sum / 1000000)) MB, are dumped and restored as by Nix" \
  "$(cat "$W/bad" 2>/dev/null)" ""
finish

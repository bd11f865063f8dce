#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# trivial.sh [ROUNDS [N]]: time N (50) trivial derivations at two jobs by Nix's own sandbox, through
# the hook (crun), and through `nix __build-remote` to a second local store, in turn.
# Prints the median of each and the ratios to Nix's sandbox. Then it compares 500 derivations with
# 50, in Nix's sandbox and through the hook, because Nix itself takes longer for each of many.
. "$(dirname "$0")/lib.sh"
need busybox crun
world "$@"
rounds=${1:-7} n=${2:-50}
export NIX_OCI_HOOK_RUNTIME=${NIX_OCI_HOOK_RUNTIME:-crun} NIX_OCI_HOOK_MAX_JOBS=2
# The build sees one file of the host: a static shell.
host_paths="/bin/sh=$(command -v busybox)"
nix_conf ref "max-jobs = 2"
nix_conf hook
mkdir -p "$W/remote" "$W/etc-remote" "$W/far"
nix_conf remote "builders = local?root=$W/far x86_64-linux,i686-linux - 2 1 - - -" \
  "builders-use-substitutes = false"

build() { # build SIDE N SEED
  case $1 in
  remote)
    on remote nix-build --no-out-link "$here/../bench/trivial.nix" --arg n "$2" --argstr seed "$3"
    ;;
  hook)
    on hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$here/../bench/trivial.nix" \
      --arg n "$2" --argstr seed "$3"
    ;;
  ref)
    on ref nix-build --no-out-link "$here/../bench/trivial.nix" --arg n "$2" --argstr seed "$3"
    ;;
  esac
}
sides="ref hook"
for s in ref hook remote; do # once to make the stores, and to see that it works
  if build $s 2 first >/dev/null 2>"$W/$s.log"; then
    [ $s != remote ] || sides="ref hook remote"
  else
    echo "$s does not work here:" >&2
    tail -n 5 "$W/$s.log" >&2
    [ $s = remote ] || exit 1
  fi
done
for round in $(seq "$rounds"); do
  for s in $sides; do time_of $s build $s "$n" "round-$round" || exit 1; done
done
echo "$n trivial derivations at two jobs, median of $rounds rounds, $(nproc) cores:"
report ref "Nix's own sandbox"
report hook "nix-oci-hook, $NIX_OCI_HOOK_RUNTIME"
case $sides in *remote*) report remote "nix __build-remote" ;; esac
for round in 1 2 3; do
  for s in ref hook; do
    time_of "$s-50" build $s 50 "few-$round" && time_of "$s-500" build $s 500 "many-$round" || exit 1
  done
done
per_piece() { # per_piece SIDE TITLE
  awk -v name="$2" -v a="$(median <"$W/$1-50.ms")" -v b="$(median <"$W/$1-500.ms")" 'BEGIN {
    printf "  %-24s %8.2f ms of 50 %8.2f ms of 500  %.2fx\n", name, a / 50, b / 500, (b / 500) / (a / 50) }'
}
echo "a derivation of 50, and of 500:"
per_piece ref "Nix's own sandbox"
per_piece hook "nix-oci-hook, $NIX_OCI_HOOK_RUNTIME"

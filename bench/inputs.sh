#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# inputs.sh [ROUNDS [N]]: time a build with N (1,000) files as inputs, and one with N directories,
# by Nix's own sandbox and through the hook (crun) in turn. Prints the median of each and the
# ratios. TMPDIR: where the stores are (/dev/shm: in memory; /var/tmp: on a disk).
. "$(dirname "$0")/lib.sh"
need busybox crun
world "$@"
rounds=${1:-7} n=${2:-1000}
export NIX_OCI_HOOK_RUNTIME=${NIX_OCI_HOOK_RUNTIME:-crun}
host_paths="/bin/sh=$(command -v busybox)"
nix_conf ref
nix_conf hook
build() { # build SIDE KIND SEED
  local hook=()
  [ "$1" = ref ] || hook=(--option build-hook "$NIX_OCI_HOOK")
  on "$1" nix-build --no-out-link "${hook[@]}" "$here/../bench/inputs.nix" --arg n "$n" \
    --argstr kind "$2" --argstr seed "$3"
}
for kind in files directories; do
  rm -f "$W"/*.ms "$W"/*.cpu
  for s in ref hook; do # once, so that the inputs are there
    build $s $kind first >/dev/null 2>"$W/$s.log" || { tail -n 5 "$W/$s.log" >&2; exit 1; }
  done
  for round in $(seq "$rounds"); do
    for s in ref hook; do time_of $s build $s $kind "round-$round" || exit 1; done
  done
  echo "$n inputs that are $kind, median of $rounds rounds, on $(stat -f -c %T "$W"):"
  report ref "Nix's own sandbox"
  report hook "nix-oci-hook, $NIX_OCI_HOOK_RUNTIME"
done

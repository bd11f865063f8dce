#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# trivial.sh [ROUNDS [N]]: N (50) trivial derivations at two jobs, by Nix's own sandbox, through the
# hook (crun), and through `nix __build-remote` to a second local store, alternating, in one run.
# Prints the median of each and the ratios to Nix's sandbox; then 500 against 50 through the hook.
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
ref=$(median <"$W/ref.ms") ref_cpu=$(median <"$W/ref.cpu")
for s in $sides; do
  ms=$(median <"$W/$s.ms") cpu=$(median <"$W/$s.cpu")
  case $s in
  ref) name="Nix's own sandbox" ;;
  hook) name="nix-oci-hook, $NIX_OCI_HOOK_RUNTIME" ;;
  remote) name="nix __build-remote" ;;
  esac
  printf '  %-24s %8.1f ms  %sx   %8.1f ms of processor  %sx\n' "$name" "$ms" "$(ratio "$ms" "$ref")" \
    "$cpu" "$(ratio "$cpu" "$ref_cpu")"
done
for round in 1 2 3; do
  time_of 50 build hook 50 "few-$round" && time_of 500 build hook 500 "many-$round"
done
awk -v a="$(median <"$W/50.ms")" -v b="$(median <"$W/500.ms")" 'BEGIN {
  printf "through the hook, a derivation: %.2f ms of 50, %.2f ms of 500: %.2fx\n", a / 50, b / 500,
    (b / 500) / (a / 50) }'

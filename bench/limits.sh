#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# limits.sh [ROUNDS [N]]: time N (50) trivial derivations at two jobs through the hook (crun): without
# a control group, with one, with limits, and with reports, in turn.
# Prints the median of each and the ratios to those without a group.
. "$(dirname "$0")/lib.sh"
need busybox crun
world "$@"
rounds=${1:-7} n=${2:-50}
export NIX_OCI_HOOK_RUNTIME=${NIX_OCI_HOOK_RUNTIME:-crun} NIX_OCI_HOOK_MAX_JOBS=2
# The build sees one file of the host: a static shell.
host_paths="/bin/sh=$(command -v busybox)"
nix_conf hook

# The configuration of each side.
plain="journal = off\nreport = off\n"
ref="${plain}cgroups = off\n"
group="${plain}cgroups = on\n"
limits="${plain}memory-max = 1G\npids-max = 1000\ncpu-max = 2\n"
reports="journal = $W/builds.jsonl\nreport = off\ncgroups = on\n"
lines="journal = $W/builds.jsonl\nreport = always\ncgroups = on\n"
sides="ref group limits reports lines"

build() { # build SIDE N SEED
  printf '%b' "${!1}" >"$NIX_OCI_HOOK_CONFIG"
  on hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$here/../bench/trivial.nix" \
    --arg n "$2" --argstr seed "$1-$3"
}
for s in $sides; do # once to make the store, and to see that it works
  build "$s" 2 first >/dev/null 2>"$W/hook.log" && continue
  echo "$s does not work here:" >&2
  tail -n 5 "$W/hook.log" >&2
  exit 1
done
for round in $(seq "$rounds"); do
  for s in $sides; do time_of "$s" build "$s" "$n" "round-$round" || exit 1; done
done
echo "$n trivial derivations at two jobs, median of $rounds rounds, $(nproc) cores:"
report ref "no control group"
report group "a control group"
report limits "limits"
report reports "a group and a report"
report lines "... and a line of log"

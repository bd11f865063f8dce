#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# No build notices that its log is full, however slowly the log is read: each write(2) writes
# everything, and every byte arrives.
. "$(dirname "$0")/../lib.sh"
need crun perl
world "$@"
expr=$here/e2e/log.nix
left_begin

arrived() { # arrived NAME WANTED: how many bytes of the line are in Nix's own log, and were cut
  check_eq "$1: all bytes arrive" "$(tr -cd A <"$W/hook.log" | wc -c)" "$2"
  check_eq "$1: no write(2) was cut" "$(cat "$W/hook${out#/nix}")" 0
}
for runtime in crun runc runsc; do
  has_runtime $runtime || continue
  export NIX_OCI_HOOK_RUNTIME=$runtime
  if out=$(nix_build hook "$expr" --argstr seed $runtime); then
    arrived "$runtime: 20 MB in one line" $((320 * 65536))
  else
    not_ok "$runtime: 20 MB in one line" "$W/hook.log"
  fi
  # nix-build waits for who reads what it says, and so the hook for nix-build.
  on hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$expr" \
    --argstr seed $runtime-slow --arg bytes 1000000 --arg times 3 2>&1 >"$W/out" |
    { sleep 4 && cat; } >"$W/hook.log"
  rc=${PIPESTATUS[0]} out=$(cat "$W/out")
  check_eq "$runtime: a log that nobody reads for four seconds: nix-build's exit code" $rc 0
  arrived "$runtime: a log that nobody reads for four seconds" 3000000
  nothing_left "$runtime" hook
done
finish

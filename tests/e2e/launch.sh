#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Under each runtime the builder gets the command and environment that Nix gives it, byte by byte.
# If it cannot be executed, the message is Nix's.
. "$(dirname "$0")/../lib.sh"
need crun
world "$@"
echo "report = off" >>"$NIX_OCI_HOOK_CONFIG"
expr=$here/e2e/launch.nix
left_begin

words() { # words LOG: the reason why the builder was not executed, as often as it is there
  grep -aoE "executing '[^']*': [A-Za-z ]*[a-z]" "$1"
}
# What is said of every build that fails; the second is that of Nix 2.32 and newer.
usual="^(this derivation will be built:|  /nix/|building |error: executing '"
usual+="|error: builder for '.* failed with exit code 1(00)?\$"
usual+="|error: Cannot build '|       Reason: builder failed with exit code 1\.\$|       Output paths:\$|         /nix/)"
for runtime in crun runc runsc; do
  has_runtime $runtime || continue
  export NIX_OCI_HOOK_RUNTIME=$runtime
  status=SigIgn too_long='Argument list too long'
  # gVisor shows no signals, and has another errno for strings of more than 128 KiB.
  [ $runtime != runsc ] || status=Name too_long='File name too long'
  for attr in plain latin passed; do
    build_both "$runtime: $attr" "$expr" -A $attr --argstr seed $runtime \
      --argstr status $status &&
      compare "$runtime: $attr"
  done
  trap '' PIPE
  build_both "$runtime: with SIGPIPE ignored" "$expr" -A plain --argstr seed "$runtime-pipe" \
    --argstr status $status &&
    compare "$runtime: with SIGPIPE ignored"
  trap - PIPE
  for attr in missing relative directory through noPermission bigArgument bigVariable; do
    nix_build ref "$expr" -A $attr --argstr seed $runtime >/dev/null
    nix_build hook "$expr" -A $attr --argstr seed $runtime >/dev/null
    check_eq "$runtime: $attr: nix-build's exit code" $? "$(failure_code 100)"
    check_eq "$runtime: $attr: Nix's words, once" "$(words "$W/hook.log")" \
      "$(words "$W/ref.log" | sed "s/Argument list too long/$too_long/")"
    check_log "$runtime: $attr: the builder's exit code" 'failed with exit code 1\.?$' "$W/hook.log"
    check_eq "$runtime: $attr: and no others" "$(grep -avE "$usual" "$W/hook.log")" ""
  done
  nothing_left "$runtime" hook
done

# gVisor's kernel is a program that can crash.
if has_runtime runsc; then
  export NIX_OCI_HOOK_RUNTIME=runsc
  echo "runtime-args = --panic-signal=12" >>"$NIX_OCI_HOOK_CONFIG"
  : >"$W/hook.log"
  nix_build hook "$expr" -A sleeps --argstr seed crash >/dev/null &
  for _ in $(seq 600); do
    grep -q '^started' "$W/hook.log" && break
    sleep 0.1
  done
  pkill -USR2 -f '^runsc-sandbox '
  wait $!
  check "runsc crashes: the build fails" [ $? != 0 ]
  check_log "runsc crashes: it is said" "error: the runtime '.*runsc' crashed: panic: Signal-induced panic\$" "$W/hook.log"
  nothing_left "runsc crashes" hook
fi
finish

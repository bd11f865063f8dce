#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Within two seconds after a build was killed, in whatever way, nothing of it is left: no process,
# mount, control group, bundle or runtime state. No path of it is valid.
. "$(dirname "$0")/../lib.sh"
need crun
world "$@"

# The builder does all that makes it hard to kill.
cat >"$W/stubborn.nix" <<'END'
{ runtime }:
let
  sh = name: script: derivation {
    inherit name runtime;
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-c" script ];
    PATH = "/usr/bin:/bin";
  };
in
{
  stubborn = sh "stubborn" ''
    trap "" INT TERM HUP QUIT
    setsid sleep 1000 &
    (trap "" TERM; (sleep 1000 & exec sleep 1000) &) &
    mkdir "$out" && echo half >"$out/half"
    echo started
    while :; do sleep 1000; done
  '';
  quick = sh "quick" ''echo >"$out"'';
  many = builtins.genList (i: sh "many-${toString i}" ''echo started; sleep 1000'') 12;
}
END
on hook nix-instantiate "$W/stubborn.nix" --argstr runtime none >/dev/null 2>&1
left_begin

# start WHAT ATTR: nix-build in the background until its build has started; sets nix, hooks. A failed
# one is over when this returns, so that it is not what the next test finds.
start() {
  : >"$W/hook.log" # now, as the last one said "started", too
  become hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$W/stubborn.nix" \
    --argstr runtime "$runtime" -A "$2" >"$W/out" 2>"$W/hook.log" &
  nix=$!
  for _ in $(seq 600); do
    grep -q started "$W/hook.log" && break
    kill -0 $nix 2>/dev/null || break
    sleep 0.1
  done
  hooks=$(children $nix)
  grep -q started "$W/hook.log" && return
  not_ok "$1: the build started" "$W/hook.log"
  kill -KILL $nix
  wait $nix
  return 1
} 2>/dev/null
children() { # children PID
  local s
  for s in /proc/[0-9]*/stat; do
    awk -v p="$1" '{ sub(/.*\) /, ""); if ($2 == p) exit 1 }' "$s" 2>/dev/null ||
      { s=${s#/proc/}; echo "${s%/stat}"; }
  done
}
supervisors() {
  grep -lx oci-hook-watch /proc/[0-9]*/comm 2>/dev/null | sed 's,^/proc/,,; s,/comm$,,'
}
gone() { # gone NAME: nix-build has ended, nothing is left, nothing is valid
  wait $nix 2>/dev/null
  nothing_left "$1" hook
  check_eq "$1: no path is valid" "$(valid_count hook)" "$valid"
}

for runtime in crun runc runsc; do
  has_runtime $runtime || continue
  export NIX_OCI_HOOK_RUNTIME=$runtime
  valid=$(valid_count hook)
  for signal in INT TERM KILL; do
    what="$runtime, SIG$signal to nix-build"
    start "$what" stubborn || continue
    kill -$signal $nix
    gone "$what"
  done
  what="$runtime, SIGKILL to the hook"
  if start "$what" stubborn; then
    check "$what: there is one" [ -n "$hooks" ]
    # shellcheck disable=SC2086 # a list
    kill -KILL $hooks
    gone "$what"
    check_log "$what: Nix says so" 'signal 9|unexpectedly' "$W/hook.log"
  fi
  what="$runtime, SIGTERM to the hook"
  if start "$what" stubborn; then
    # shellcheck disable=SC2086
    kill -TERM $hooks
    gone "$what"
  fi
  what="$runtime, SIGKILL to the supervisor"
  if start "$what" stubborn; then
    watch=$(supervisors)
    check "$what: there is one" [ -n "$watch" ]
    # shellcheck disable=SC2086
    kill -KILL $watch
    gone "$what"
    check_log "$what: Nix says so" 'error: the build.s supervisor process has died' "$W/hook.log"
  fi
  # Nobody is left to clean up: the next hook does.
  what="$runtime, SIGKILL to hook and supervisor"
  if start "$what" stubborn; then
    # shellcheck disable=SC2046,SC2086
    kill -KILL $hooks $(supervisors)
    wait $nix 2>/dev/null
    check "$what: the next build succeeds" nix_build hook "$W/stubborn.nix" --argstr runtime \
      "after-$runtime" -A quick
    valid=$((valid + 1))
    gone "$what"
  fi
  # Slots and ids are free again: a build starts and ends.
  check "$runtime: the next build succeeds" nix_build hook "$W/stubborn.nix" --argstr runtime $runtime \
    -A quick
done

# Builds that wait for a slot.
export NIX_OCI_HOOK_RUNTIME=crun
runtime=crun valid=$(valid_count hook)
if start "twelve builds" many; then
  kill -INT $nix
  gone "twelve builds, most of them waiting"
fi

# At any moment of a short build.
for i in $(seq 30); do
  become hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$W/stubborn.nix" \
    --argstr runtime "moment-$i" -A quick >/dev/null 2>&1 &
  nix=$!
  sleep "0.$(printf %03d $((RANDOM % 120 + 10)))"
  kill -KILL $nix
  wait $nix
done 2>/dev/null
nothing_left "thirty builds killed at any moment" hook
check "the store is sound" verify hook
check "and a build succeeds" nix_build hook "$W/stubborn.nix" --argstr runtime last -A quick
finish

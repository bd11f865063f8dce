#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sections of the configuration: what holds for some builds only.
. "$(dirname "$0")/../lib.sh"
need crun
world "$@"
expr=$here/e2e/policy.nix
config() { printf '%s\n' "$@" >"$NIX_OCI_HOOK_CONFIG"; }
ran_in() { grep -c "^building '.*-$1.drv' on 'oci:$2'" "$W/hook.log"; }

if has_runtime runc; then
  config "runtime = crun" "[match pname=special|other*]" "runtime = runc"
  check "a section for some packages: all build" nix_build hook "$expr" -A special -A plain --argstr seed "$uid_base"
  check_eq "what it is for runs as it says" "$(ran_in special-1.0 runc) $(ran_in plain-1.0 crun)" "1 1"
fi

# A class is a system feature of the hook, which Nix itself does not have.
config
nix_build hook "$expr" -A classy --argstr seed "$uid_base" >/dev/null
check "a feature that nobody has: nix-build fails" [ $? != 0 ]
check_log "it is told" "the feature 'oci-large' is not in 'system-features'" "$W/hook.log"
config "[class oci-large]" "io-uring = true"
check "a class that is defined: it builds" nix_build hook "$expr" -A classy --argstr seed "$uid_base"
drv=$(on hook nix-instantiate --quiet "$expr" -A classy --argstr seed "$uid_base" 2>/dev/null)

config "io-uring = false" "[class oci-large]" "io-uring = true" "[match system=none]" "pids-max = 3" \
  "[match name=classy-*]" "memory-max = 1M" "[match feature=oci-*]" "memory-max = 64M"
on hook "$NIX_OCI_HOOK" policy "$drv" >"$W/policy" 2>"$W/policy.err"
check_eq "policy: exit code" $? 0
file=$NIX_OCI_HOOK_CONFIG
check_eq "policy: which sections hold, what they set and what comes out" "$(sed 1,2d "$W/policy")" \
  "$file:2: [class oci-large] holds
  io-uring = true
$file:4: [match system=none] does not hold
$file:6: [match name=classy-*] holds
  memory-max = 1M    # but see $file:9
$file:8: [match feature=oci-*] holds
  memory-max = 64M
in effect for it, unlike for others:
  io-uring = true
  memory-max = 67108864"
check_log "policy: what conditions are asked of" "name=classy-1.0 pname=classy system=.* fixed-output=false feature=oci-large$" \
  "$W/policy"
on hook "$NIX_OCI_HOOK" spec "$drv" >"$W/spec" 2>&1
check_log "policy: spec heeds it" '"limit": *67108864' "$W/spec"
NIX_OCI_HOOK_MEMORY_MAX=32M on hook "$NIX_OCI_HOOK" policy "$drv" >"$W/policy" 2>&1
check_log "policy: the environment wins" "memory-max = 64M +# the environment or the command line sets another" "$W/policy"

config "[match pname=classy]" "memory-max = lots"
nix_build hook "$expr" -A small --argstr seed "$uid_base" >/dev/null
check "a section with a wrong value: nothing is built" [ $? != 0 ]
check_log "its place is told" "oci-hook.conf:2: key 'memory-max' is 'lots'" "$W/hook.log"
finish

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The hook tells why it declines a derivation if Nix will not build it either, and only then.
. "$(dirname "$0")/../lib.sh"
need crun
world "$@"
expr=$here/e2e/decline.nix

told() { # told ATTR PATTERN: on a line of its own, once
  nix_build hook "$expr" -A "$1" >/dev/null
  check "$1: nix-build fails" [ $? != 0 ]
  check_log "$1: the reason is told" "^nix-oci-hook does not build '/nix/store/.*\\.drv': $2\$" "$W/hook.log"
  check_eq "$1: it is told once" "$(grep -c 'nix-oci-hook does not build' "$W/hook.log")" "${3-1}"
}
nix_conf hook "sandbox = relaxed"
told noChroot "it asks for no sandbox \\('__noChroot'\\)"
told foreign "this machine does not build for 'pdp11-linux'"
told feature "the feature 'levitation' is not in 'system-features'"
nix_build hook --keep-going "$expr" -A twice >/dev/null
check_eq "each of two derivations is told once" \
  "$(grep 'nix-oci-hook does not build' "$W/hook.log" | sort | uniq -c | awk '{ print $1 }' | xargs)" "1 1"

# A store may have more.
on hook nix-build --no-out-link --store "$W/airy?system-features=levitation%20kvm" \
  --option build-hook "$NIX_OCI_HOOK" "$expr" -A feature >/dev/null 2>"$W/hook.log"
check_eq "a store that has the feature: the hook builds" "$?: $(grep -c "on 'oci:" "$W/hook.log")" "0: 1"

# JSON has no other bytes, so there would be nothing that a runtime could be told.
store=$W/$'caf\xe9'
odd() { # odd MAX-JOBS SIDE [OPTION...]
  on "$2" nix-build --no-out-link --store "$store" --option max-jobs "$1" "${@:3}" \
    -E "derivation { name = \"odd\"; system = builtins.currentSystem; builder = \"/bin/sh\"; args = [ \"-c\" \"echo >\$out\" ]; }" \
    >/dev/null 2>"$W/hook.log"
}
odd 0 hook --option build-hook "$NIX_OCI_HOOK"
check "a store that is not UTF-8: nix-build fails" [ $? != 0 ]
check_log "a store that is not UTF-8: the reason is told" \
  "nix-oci-hook does not build '/nix/store/.*\\.drv': the store directory '$W/caf.*' is not UTF-8" "$W/hook.log"
odd 1 hook --option build-hook "$NIX_OCI_HOOK"
with=$?
check_eq "a store that is not UTF-8: left to Nix, where Nix may build" "$(grep -c "on 'oci:" "$W/hook.log")" 0
# Newer Nix cannot build in such a store itself.
rm -rf "$store"
odd 1 ref
check_eq "a store that is not UTF-8: it ends as without a hook" "$with" $?

# Nix builds it itself: nobody needs to know why. What it cannot build either is told all the same.
nix_conf hook "sandbox = relaxed" "max-jobs = 1"
nix_build hook "$expr" -A noChroot >/dev/null
check_eq "no sandbox, and Nix may build: it does" $? 0
check "nothing is said" [ "$(grep -c 'nix-oci-hook' "$W/hook.log")" = 0 ]
nix_build hook --option extra-experimental-features recursive-nix "$expr" -A recursive >/dev/null
check_eq "Nix inside, and Nix may build: it does" $? 0
check "nothing is said" [ "$(grep -c 'nix-oci-hook' "$W/hook.log")" = 0 ]
told foreign "this machine does not build for 'pdp11-linux'"
nix_build hook --quiet --quiet "$expr" -A feature >/dev/null
check "twice --quiet: no reason" [ "$(grep -c 'nix-oci-hook' "$W/hook.log")" = 0 ]

# Nix hands over no derivation that is in another store only.
evaluated='derivation { name = "evaluated"; system = builtins.currentSystem; builder = "/bin/sh";
  args = [ "-c" "echo >$out" ]; }'
nix_build hook --eval-store "$W/eval-store" -E "$evaluated" >/dev/null
check_eq "a store for evaluation, and Nix may build: it does" $? 0
check_log "it builds it itself" "^building '[^']*-evaluated.drv'\.\.\." "$W/hook.log"
nix_conf hook
evaluated=${evaluated/>/and more >}
nix_build hook --eval-store "$W/eval-store" -E "$evaluated" >/dev/null
check "and Nix may not build: it fails" [ $? != 0 ]
# A newer one does not even ask.
nix_at_least 2.32 || check_log "and Nix may not build: the reason is told" \
  "^nix-oci-hook does not build '.*-evaluated.drv': it is not in the store \\('--eval-store'\\)\$" "$W/hook.log"
# A hook that cannot build anything says so in the log of each build, which Nix keeps.
fails() { # fails NAME PATTERN ARG...: no build, and why is told once and can be read later
  local name=$1 pattern=$2
  shift 2
  nix_build hook "$expr" -A plain --argstr seed "$name" "$@" >/dev/null
  check_eq "$name: nix-build's exit code" $? 1
  check_log "$name: the reason is told" "^error: $pattern" "$W/hook.log"
  check_log "$name: and can be read later" "^error: $pattern" \
    <(on hook nix-store --read-log "$(on hook nix-instantiate "$expr" -A plain --argstr seed "$name" 2>/dev/null)")
}
NIX_OCI_HOOK_RUNTIME=no-such-runtime fails "no runtime" "the runtime 'no-such-runtime' was not found in PATH"
NIX_OCI_HOOK_MAX_JOBS=many fails "a wrong configuration" ".*'many', allowed is a number"
NIX_OCI_HOOK_RUNTIME=/bin/false fails "a runtime that fails" "the runtime '/bin/false' cannot run the build"
mkdir -m 0777 "$W/open-state"
chmod 0777 "$W/open-state"
NIX_OCI_HOOK_STATE_DIR=$W/open-state fails "a state directory that all may write to" \
  "the directory '$W/open-state' \\(see 'state-dir'\\) has to belong to user 0, and nobody else may write to it"
check_eq "nothing was made in it" "$(ls -A "$W/open-state")" ""

# A client of the daemon is told, too.
echo "alice:x:$((uid_base + 12)):$((uid_base + 12))::$W/alice:/bin/false" >>"$W/passwd"
mkdir "$W/alice" && cp "$expr" "$W/alice/" && chown -R $((uid_base + 12)) "$W/alice"
(NIX_CONFIG="build-hook = $NIX_OCI_HOOK" become hook nix-daemon) >"$W/daemon.log" 2>&1 &
daemon=$!
for _ in $(seq 50); do
  [ -S "$W/hook/var/nix/daemon-socket/socket" ] && break
  sleep 0.1
done
on hook env "TMPDIR=$W/alice" "HOME=$W/alice" NIX_REMOTE=daemon \
  setpriv --reuid $((uid_base + 12)) --regid $((uid_base + 12)) --clear-groups \
  nix-build --no-out-link "$W/alice/decline.nix" -A foreign >/dev/null 2>"$W/hook.log"
check "through the daemon: nix-build fails" [ $? != 0 ]
check_log "through the daemon: the reason is told" \
  "^nix-oci-hook does not build '/nix/store/.*\.drv': this machine does not build for 'pdp11-linux'\$" "$W/hook.log"
kill $daemon
wait $daemon 2>/dev/null
finish

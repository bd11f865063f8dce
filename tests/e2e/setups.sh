#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every way to tell Nix of the hook (nix.conf, environment and option, with arguments, through the
# daemon as root and as a user that it does not trust), and every place of a store (below a root,
# and with another name). TAP.
# shellcheck source=tests/lib.sh
source "$(dirname "$0")/../lib.sh"
need setpriv
world "$@"
expr=$here/e2e/small.nix

left_begin
# ---- how the hook is set: by $1 in the environment, the rest of the command as it stands ----
n=0
built_by() { # built_by NAME STORE-NAME ENV...: what was not built before, with no option
  local name=$1 by=$2 rc
  shift 2
  n=$((n + 1))
  on hook env "$@" nix-build --no-out-link "$expr" --arg n $n -A many >"$W/hook.out" 2>"$W/hook.log"
  rc=$?
  check_eq "$name: builds" $rc 0
  check_log "$name: the hook builds" "^building .* on '$by'" "$W/hook.log"
}
hook_line="build-hook = $NIX_OCI_HOOK"
built_by "NIX_CONFIG" oci:crun "NIX_CONFIG=$hook_line"
# As nix/module.nix tells the daemon, with the administrator's NIX_CONFIG beside it.
echo "$hook_line" >"$W/user.conf"
built_by "NIX_USER_CONF_FILES" oci:crun "NIX_USER_CONF_FILES=$W/user.conf:/nowhere" "NIX_CONFIG=cores = 1"
mkdir -p "$HOME/.config/nix"
echo "$hook_line" >"$HOME/.config/nix/nix.conf"
built_by "~/.config/nix/nix.conf" oci:crun A=
rm "$HOME/.config/nix/nix.conf"
# README.md says which versions ignore it.
if ! nix_at_least 2.25 || nix_at_least 2.34; then
  nix_conf hook "$hook_line"
  built_by "nix.conf" oci:crun A=
  nix_conf hook
fi
if nix_at_least 2.26; then
  echo "store-name = by-file" >"$W/other.conf"
  built_by "with arguments" by-file "NIX_CONFIG=$hook_line --config $W/other.conf"
  built_by "with an option" by-option "NIX_CONFIG=$hook_line --option store-name by-option"
  built_by "with the verb" by-verb "NIX_CONFIG=$hook_line hook --option store-name by-verb"
  built_by "by its name" oci:crun "NIX_CONFIG=build-hook = nix-oci-hook" \
    "PATH=$(dirname "$NIX_OCI_HOOK"):$PATH"
fi
nothing_left "however the hook is set" hook

# ---- through the daemon ----
fresh() {
  local side
  for side in ref hook; do rm -rf "${W:?}/$side" && mkdir "$W/$side"; done
}
fresh
mkdir "$W/alice"
cp "$expr" "$W/alice/"
echo "alice:x:$((uid_base + 12)):$((uid_base + 12))::$W/alice:/bin/false" >>"$W/passwd"
chown -R $((uid_base + 12)) "$W/alice"
(NIX_CONFIG=$hook_line become hook nix-daemon) >"$W/daemon.log" 2>&1 &
daemon=$!
for _ in $(seq 50); do
  [ -S "$W/hook/var/nix/daemon-socket/socket" ] && break
  sleep 0.1
done
become_client() { # become_client root|alice ARG...: in a subshell, which turns into nix-build
  local who=(env "TMPDIR=$W/alice" "HOME=$W/alice")
  [ "$1" = root ] || who+=(setpriv --reuid $((uid_base + 12)) --regid $((uid_base + 12)) --clear-groups)
  shift
  become hook "${who[@]}" env NIX_REMOTE=daemon nix-build --no-out-link "$W/alice/small.nix" "$@"
}
client() { (become_client "$@"); }
for attr in multi files; do
  ref=$(nix_build ref "$expr" -A $attr) || not_ok "$attr: builds in Nix's own sandbox" "$W/ref.log"
  who=root
  [ $attr = multi ] || who=alice
  check_eq "$attr through the daemon by $who: the same paths" \
    "$(client $who -A $attr 2>"$W/hook.log")" "$ref"
  check_log "$attr through the daemon by $who: the hook builds" "^building .* on 'oci:" "$W/hook.log"
done
compare "through the daemon"
# The client's time-out and log are the build's, its hook is not.
client alice --timeout 2 -A timesOut >"$W/hook.out" 2>"$W/hook.log"
check_log "a time-out of alice's: is told" 'timed out after 2 seconds' "$W/hook.log"
client alice -A fails >"$W/hook.out" 2>"$W/hook.log"
check_log "alice's build fails: its log is shown" 'this goes to the log' "$W/hook.log"
check_log "alice's build fails: its exit code is told" 'exit code 7' "$W/hook.log"
client alice --option build-hook /bin/false --arg n 1 -A many >"$W/hook.out" 2>"$W/hook.log"
check_eq "a hook of alice's: builds" $? 0
check_log "a hook of alice's: is not taken" "^building .* on 'oci:" "$W/hook.log"
# A client that goes away.
(become_client alice -A timesOut) >"$W/hook.out" 2>"$W/hook.log" &
client=$!
for _ in $(seq 100); do
  grep -q '^started' "$W/hook.log" && break
  sleep 0.1
done
check_log "a client that goes away: its build has begun" '^started' "$W/hook.log"
kill -INT $client
wait $client
left_known=$daemon
nothing_left "a client that goes away" hook
kill $daemon
wait $daemon 2>/dev/null

# ---- wherever the store is: the same builds on both sides ----
# Nix will not build below /var/tmp, but would, as it does by default, have its directories there.
if nix_at_least 2.30; then
  mkdir -p "$W/ref/builds"
  nix_conf ref "build-dir = /nix/builds"
fi
# Below $W/else each side has a directory of its own.
mkdir "$W"/else{,-ref,-hook}
there() { # there SIDE COMMAND...
  local side=$1
  shift
  on "$side" sh -c 'mount --bind "$0" "$1" && shift && exec "$@"' "$W/else-$side" "$W/else" "$@"
}
anywhere() { # anywhere NAME STORE STATE [ENV]... -- [ARG]...: ARG for Nix's commands
  local name=$1 store=$2 state=$3 side attr rc env=() hook
  shift 3
  while [ "$1" != -- ]; do env+=("$1") && shift; done
  shift
  for attr in multi files structured; do
    hook=(--option build-hook "$NIX_OCI_HOOK")
    for side in hook ref; do
      [ $side = hook ] || hook=() # else it would be Nix's own, which asks for nothing here
      there $side env "${env[@]}" nix-build --no-out-link "$@" "${hook[@]}" "$expr" -A $attr \
        >"$W/$side.out" 2>"$W/$side.log"
      rc=$?
      [ $rc = 0 ] || not_ok "$name: $attr builds ($side)" "$W/$side.log"
    done
    check_log "$name: $attr is built by the hook" "^building .* on 'oci:crun'" "$W/hook.log"
    check_eq "$name: $attr has the same paths" "$(cat "$W/hook.out")" "$(cat "$W/ref.out")"
  done
  for side in ref hook; do
    facts_at "$W/else-$side/$state" "$W/else-$side/$store" >"$W/$side.facts"
  done
  diff -u "$W/ref.facts" "$W/hook.facts" >"$W/facts.diff"
  check_eq "$name: the stores are the same" "$(cat "$W/facts.diff")" ""
  check_eq "$name: something was built" "$(grep -c '^path.*multi' "$W/hook.facts")" 4
  there hook env "${env[@]}" nix-store "$@" --verify --check-contents >"$W/verify.log" 2>&1
  check_eq "$name: the store verifies" "$?: $(grep -vE '^(reading|checking)' "$W/verify.log")" "0: "
  nothing_left "$name" hook
}
left_known=
anywhere "--store DIR" dir/nix/store dir/nix/var/nix -- --store "$W/else/dir"
anywhere "local?root=" root/nix/store root/nix/var/nix -- --store "local?root=$W/else/root"
anywhere "NIX_REMOTE" remote/nix/store remote/nix/var/nix "NIX_REMOTE=local?root=$W/else/remote" --
anywhere "another store directory" own/store own/state "NIX_STORE_DIR=$W/else/own/store" \
  "NIX_STATE_DIR=$W/else/own/state" "NIX_LOG_DIR=$W/else/own/log" --

# A store that only Nix can register outputs in. (Nix does not build in one below /var/tmp.)
if nix_at_least 2.22; then
  mkdir -p "$W"/{lower,merged,upper}
  on hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" \
    --extra-experimental-features local-overlay-store --store \
    "local-overlay://?root=$W/merged&lower-store=$W/lower&upper-layer=$W/upper&check-mount=false" \
    "$expr" -A files >/dev/null 2>"$W/hook.log"
  check "an overlay store: nothing is built" [ $? != 0 ]
  check_log "an overlay store: it is left to Nix" \
    "^nix-oci-hook does not build '.*.drv': the hook cannot register outputs in the store 'local-overlay://" "$W/hook.log"
fi
finish

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The table in docs/security.md is right about which builds go through the hook and which Nix builds
# itself: each row with both settings, by root and, through the daemon, by a user that it does not
# trust. TAP.
# shellcheck source=tests/lib.sh
source "$(dirname "$0")/../lib.sh"
need crun setpriv
world "$@"
nix_at_least 2.8 # sets nix_version

mkdir "$W/alice"
cp "$here/e2e/through.nix" "$W/alice/"
echo "alice:x:$((uid_base + 12)):$((uid_base + 12))::$W/alice:/bin/false" >>"$W/passwd"
chown -R $((uid_base + 12)) "$W/alice"
export NIX_CONFIG="build-hook = $NIX_OCI_HOOK"

become_user() { # become_user USER COMMAND...: in a subshell
  local user=$1
  shift
  case $user in
  root) become hook "$@" ;;
  alice) become hook env "TMPDIR=$W/alice" "HOME=$W/alice" NIX_REMOTE=daemon NIX_CONFIG= setpriv \
    --reuid $((uid_base + 12)) --regid $((uid_base + 12)) --clear-groups "$@" ;;
  esac
}
n=0
by=
# who_builds USER ATTR COMMAND...: `by` is who did. --check is about what is there already.
who_builds() {
  local user=$1 attr=$2 rc args
  shift 2
  n=$((n + 1))
  args=("$W/alice/through.nix" -A "$attr" --argstr name "through-$n" --no-out-link)
  case "$*" in *--check*)
    (become_user root "$1" "${args[@]}" --option max-jobs 1) >"$W/first.log" 2>&1 || {
      by="nobody, not even without --check: $(tail -n 1 "$W/first.log")"
      return
    }
    ;;
  esac
  (become_user "$user" "$@" "${args[@]}") >"$W/hook.out" 2>"$W/hook.log"
  rc=$?
  by=nobody
  if grep -qE "^building .* on 'oci:" "$W/hook.log"; then by="the hook"; fi
  if grep -qE "^(building|checking outputs of) '[^']*'\.\.\.$" "$W/hook.log"; then by=Nix; fi
  [ $rc = 0 ] || [ "$by" = nobody ] || by="$by, and failed with $rc: $(tail -n 1 "$W/hook.log")"
  [ $rc != 0 ] || [ "$by" != nobody ] || by="nobody, though it did not fail"
}
rows() { # the table's rows, without their outermost bars
  awk '/^<!-- through -->/ { inside = 1; next } inside && /^\|/ { print; some = 1; next }
    some { exit }' "$top_srcdir/docs/security.md" | sed '1,2d; s/^| *//; s/ *|$//; s/ *| */|/g'
}
concerns() { # concerns VERSIONS: whether this Nix is of them: all, < VERSION, >= VERSION
  case $1 in
  all) ;;
  '< '*) ! nix_at_least "${1#< }" ;;
  '>= '*) nix_at_least "${1#>= }" ;;
  *) false ;;
  esac
}
seen=0
for jobs in 2 0; do
  nix_conf hook "sandbox = relaxed" "max-jobs = $jobs"
  # The daemon reads nix.conf once.
  (become hook nix-daemon) >"$W/daemon.log" 2>&1 &
  daemon=$!
  for _ in $(seq 100); do
    [ -S "$W/hook/var/nix/daemon-socket/socket" ] && break
    sleep 0.1
  done
  while IFS='|' read -r attr command versions some none; do
    concerns "$versions" || continue
    seen=$((seen + 1))
    wanted=$some
    [ $jobs != 0 ] || wanted=$none
    command=${command//\`/}
    for user in root alice; do
      # shellcheck disable=SC2086 # words
      who_builds $user "$attr" $command
      check_eq "max-jobs = $jobs, $user: $attr, $command: $wanted" "$by" "$wanted"
    done
  done < <(rows)
  kill $daemon
  wait $daemon 2>/dev/null
  rm -f "$W/hook/var/nix/daemon-socket/socket"
done
check "the table has rows for this Nix" [ $seen -gt 20 ]
finish

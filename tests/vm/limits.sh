#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Limits on a machine with systemd and cgroup v2 alone, where this hook is root's, by nix-daemon, and
# an ordinary user's. It is no part of `make check`, because it needs such a machine, which it changes:
#
#     tests/vm/limits.sh HOST [SSH OPTION...]
#
# HOST is Debian 12 or newer in a virtual machine of 2 GiB with the packages nix-setup-systemd, crun,
# runc, perl, dbus-user-session and, if it is to be tried, runsc; this hook is at /usr/local. ssh
# gets there as root and as alice, who has subordinate ids and may use the daemon. NIH_RUNTIMES says
# which runtimes are tried, NIH_PARTS which parts.
set -u
parts="daemon delegated subgroup user rootless scope"
in_slice='^/sys/fs/cgroup/nix\.slice/nix-builds\.slice/nix-build-[^/]*\.scope/nix-build@[^/]*$'
dir=/var/tmp/nih-vm

# ---- in the machine ----
ok() { echo "ok - $part: $1"; }
not_ok() { # not_ok NAME [FILE]: the file's end explains it
  echo "not ok - $part: $1"
  [ ! -s "${2-}" ] || tail -n 15 "$2" | sed 's/^/#   /'
}
check() { # check NAME COMMAND...
  local name=$1
  shift
  if "$@" >"$log.check" 2>&1; then ok "$name"; else not_ok "$name" "$log.check"; fi
}
check_eq() { # check_eq NAME GOT WANTED
  if [ "$2" = "$3" ]; then ok "$1"; else
    printf 'got:    %s\nwanted: %s\n' "$2" "$3" >"$log.check"
    not_ok "$1" "$log.check"
  fi
}
check_log() { # check_log NAME PATTERN: a line of the build's log matches
  if grep -qE -e "$2" "$log"; then ok "$1"; else
    { echo "no line matches: $2"; tail -n 12 "$log"; } >"$log.check"
    not_ok "$1" "$log.check"
  fi
}
config() { printf '%s\n' "runtime = $runtime" "$@" >"$conf"; }
build() { # build ATTR [OPTION...]: a derivation of limits.nix that nobody has built
  local attr=$1
  shift
  n=$((n + 1))
  nix-build --no-out-link "${store[@]}" $dir/limits.nix -A "$attr" --argstr seed "$$-$n" "$@" >"$log" 2>&1
}
start() { # start ATTR...: in the background, until it says that it has started
  build "$@" &
  pid=$!
  for _ in $(seq 600); do
    grep -qs '^started' "$log" && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  not_ok "the build $1 starts" "$log"
}
stop() { # the build in the background: the shell that waits for it is not nix-build
  pkill -P "$pid"
  wait "$pid" 2>/dev/null
}
groups() { find /sys/fs/cgroup -depth -type d -name 'nix-build[-@]*'; }
group() { groups | grep '/nix-build@[^/]*$' | head -n 1; }
running() {
  groups
  # shellcheck disable=SC2009 # pgrep knows either names or command lines
  ps -e -o pid=,comm=,args= | grep -E '^ *[0-9]+ (oci-hook-watch|nix-oci-hook|crun|runc|runsc.*|sleep +sleep 1000$)'
}
left() {
  running
  grep -E 'oci-hook|\.chroot' /proc/mounts
  find "$nix_store" -maxdepth 1 -name '*.chroot' 2>/dev/null
  find "$state/run" -name '*.run' 2>/dev/null
}
nothing_left() { # nothing_left NAME: within ten seconds
  local rest
  for _ in $(seq 50); do
    rest=$(left)
    [ -z "$rest" ] && { ok "$1: nothing is left"; return; }
    sleep 0.2
  done
  echo "$rest" >"$log.check"
  not_ok "$1: nothing is left" "$log.check"
}
value() { cat "$(group)/$1" 2>/dev/null; }

# What is kept, or refused, wherever the build is.
limits() {
  # A builder that eats faster than the supervisor looks is gone before it is known as the largest.
  local max=64 peak="; its peak was 6[0-9.]+ MiB(; its largest process was '[a-z]+' with [0-9.]+ MiB)?" attr
  [ "$runtime" != runsc ] || max=160 peak="; its peak was 1[0-9.]+ MiB"
  config "memory-max = ${max}M"
  for attr in eats childEatsAndAll; do
    build $attr
    check "$runtime: $attr: it fails" [ $? != 0 ]
    check_log "$runtime: $attr: it is told" \
      "ran out of memory and was killed: it may use $max MiB \(memory-max\)$peak; raise 'memory-max'"
    check_eq "$runtime: $attr: no part of it goes on" "$(grep -c 'the child ended' "$log")" 0
  done
  config "pids-max = 8"
  if [ "$runtime" = runsc ]; then
    build bombs
    check_log "$runtime: pids-max: it is said what to set" "the build was refused more processes \(see 'pids-max'\)"
  else
    build forks
    check_log "$runtime: pids-max: the shell cannot fork" 'fork: .*Resource temporarily unavailable'
  fi
  # cpu-max, where users have it by default since systemd 252; else it is said who gives it.
  config "cpu-max = 0.2"
  if build burns; then
    check_log "$runtime: a second of a processor takes two and more of a fifth of one" '^it took ([2-9]|[1-9][0-9]) s$'
  else
    check_log "$runtime: cpu-max is refused" "'cpu-max' cannot be kept: .* has no controller 'cpu'.*Delegate="
  fi
  config "memory-max = 256M" "memory-high = 200M" "pids-max = 300" "cpu-weight = 50"
  check "$runtime: several limits" build small
  config "io-weight = 50"
  build small ||
    check_log "$runtime: io-weight is refused" "the limit 'io-weight' cannot be kept: .*(has no controller|have no file)"
  nothing_left "$runtime: limits"
}

# A neighbour of a hog, and the values that the kernel has while systemd is busy.
lies() { # lies PATTERN: and where the group is
  config "memory-max = 256M" "cpu-max = 1.5" "pids-max = 300"
  start sleeps
  check "$runtime: the group is at $1" grep -qE "$1" <<<"$(group)"
  check_eq "$runtime: memory, swap, processors" "$(value memory.max) $(value memory.swap.max) $(value cpu.max)" \
    "268435456 0 150000 100000"
  check "$runtime: the builder is in it" [ -n "$(cat "$(group)/cgroup.procs" "$(group)"/*/cgroup.procs 2>/dev/null)" ]
  check "$runtime: the group above has no processes" [ -z "$(cat "$(dirname "$(group)")/cgroup.procs")" ]
  busy
  check_eq "$runtime: the same when systemd has started other units" \
    "$(value memory.max) $(value memory.swap.max) $(value cpu.max)" "268435456 0 150000 100000"
  stop
  nothing_left "$runtime: a build that is stopped"
}
# systemd looks at its groups and their controllers again.
busy() {
  systemctl "${manager[@]}" daemon-reload
  systemd-run "${manager[@]}" -q --wait -p CPUWeight=200 -p IOWeight=50 true
  systemd-run "${manager[@]}" -q --wait true
}

daemon_setup() {
  conf=/etc/nix/oci-hook.conf state=/run/nix-oci-hook nix_store=/nix/store store=()
  export NIX_REMOTE=daemon
  grep -q '^build-hook' /etc/nix/nix.conf || printf '%s\n' 'build-hook = /usr/local/bin/nix-oci-hook' \
    'max-jobs = 0' 'fallback = false' >>/etc/nix/nix.conf
  [ -e /swap ] || { fallocate -l 512M /swap && chmod 600 /swap && mkswap -q /swap >/dev/null && swapon /swap; }
  mkdir -p /run/systemd/system/nix-daemon.service.d
  # Nix 2.25 to 2.33 heed no build-hook in nix.conf.
  printf '[Service]\nOOMPolicy=continue\n%s\n' \
    'Environment="NIX_CONFIG=build-hook = /usr/local/bin/nix-oci-hook"' "$@" >/run/systemd/system/nix-daemon.service.d/nih.conf
  systemctl daemon-reload
  systemctl stop nix-daemon.service
  systemctl start nix-daemon.socket
}
main_pid() { systemctl show -p MainPID --value nix-daemon.service; }

# What ends the daemon's unit ends its builds, and what starts it again does not.
unit_is_killed() { # with the supervisor in the unit what is on the disk is for the next build to remove
  config "memory-max = 256M"
  start sleeps
  systemctl kill -s KILL nix-daemon.service
  stop
  if [ "$part" = subgroup ]; then
    sleep 5
    check_eq "$runtime: the unit is killed: nothing goes on" "$(running)" ""
    systemctl start nix-daemon.socket
    build small
  fi
  nothing_left "$runtime: the unit is killed"
}
unit_starts_again() {
  config "memory-max = 256M"
  start sleeps
  systemctl restart nix-daemon.service
  check "$runtime: the daemon is started again while a build goes on" systemctl is-active nix-daemon.service
  check "$runtime: and builds" build small --option timeout 60
  systemctl kill -s KILL nix-daemon.service
  stop
  [ "$part" != subgroup ] || build small
  nothing_left "$runtime: the unit is killed after that"
  systemctl reset-failed nix-daemon.service 2>/dev/null
  systemctl start nix-daemon.socket
}
neighbours() {
  local hog before
  config "memory-max = 64M" "max-jobs = 2"
  build small
  before=$(main_pid)
  start naps
  hog=$pid
  mv "$log" "$log.naps"
  build childEats
  check "$runtime: a hog ends" grep -q 'ran out of memory' "$log"
  check "$runtime: its neighbour does not" wait "$hog"
  check_eq "$runtime: nor the daemon" "$(main_pid)" "$before"
}
part_daemon() {
  daemon_setup
  for runtime in $runtimes; do
    limits
    lies "$in_slice"
    unit_is_killed
    unit_starts_again
  done
  runtime=${runtimes%% *}
  neighbours
  config "memory-max = 64M"
  mount --bind /bin/false /usr/bin/busctl
  build small
  check_log "without D-Bus a limit is refused" "the limit 'memory-max' cannot be kept: asking systemd for a control group"
  umount /usr/bin/busctl
}
part_delegated() { # builds below the daemon itself would keep it from being started again
  daemon_setup Delegate=yes
  for runtime in $runtimes; do
    lies "$in_slice"
    unit_starts_again
  done
}
part_subgroup() {
  local unit=/sys/fs/cgroup/system.slice/nix-daemon.service version
  version=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
  if [ "$version" -ge 254 ]; then
    daemon_setup Delegate=yes DelegateSubgroup=supervisor
  else # The same but for a start beside a build that goes on, which such a systemd cannot do.
    daemon_setup Delegate=yes ExecStart= \
      "ExecStart=/bin/sh -c 'mkdir -p $unit/supervisor && echo 0 >$unit/supervisor/cgroup.procs && exec nix-daemon --daemon'"
  fi
  for runtime in $runtimes; do
    limits
    lies '^/sys/fs/cgroup/system\.slice/nix-daemon\.service/nix-build@[^/]*$'
    unit_is_killed
    [ "$version" -lt 254 ] || unit_starts_again
  done
  runtime=${runtimes%% *}
  neighbours
}
part_user_setup() { # by root
  daemon_setup
  runtime=${runtimes%% *}
  config "memory-max = 64M"
}
part_user() { # through the daemon, whose configuration is root's
  conf=/dev/null store=()
  export NIX_REMOTE=daemon
  runtime=daemon
  check "a small build" build small
  build childEatsAndAll
  check "it fails" [ $? != 0 ]
  check_log "it is told" "ran out of memory and was killed"
}
rootless_setup() {
  conf=$HOME/oci-hook.conf nix_store=$HOME/store/nix/store state=$XDG_RUNTIME_DIR/nix-oci-hook
  store=(--store "$HOME/store" --option build-hook /usr/local/bin/nix-oci-hook --option sandbox-fallback true)
  export NIX_OCI_HOOK_CONFIG=$conf
  unset NIX_REMOTE
  runtimes=${runtimes/runsc/}
}
part_rootless() {
  rootless_setup
  for runtime in $runtimes; do
    limits
    lies "^/sys/fs/cgroup/user\.slice/user-[0-9]+\.slice/user@[0-9]+\.service/nix\.slice/nix-builds\.slice/nix-build-[^/]*\.scope/nix-build@[^/]*$"
  done
  runtime=${runtimes%% *}
  config "memory-max = 64M" "state-dir = $HOME/state"
  XDG_RUNTIME_DIR=/nowhere build small
  check_log "without a systemd of the user's a limit is refused" \
    "the limit 'memory-max' cannot be kept: asking systemd for a control group"
}
part_scope() {
  rootless_setup
  for runtime in $runtimes; do
    limits
    # Systemd 252 does not show a user what is delegated, so there it is asked for another scope.
    lies "/user@[0-9]+\.service/(app\.slice/run-[^/]*|nix\.slice/nix-builds\.slice/nix-build-[^/]*)\.scope/nix-build@[^/]*$"
  done
}

in_the_machine() { # in_the_machine PART RUNTIMES
  part=$1 runtimes=$2 n=0 manager=()
  log=$(mktemp)
  [ "$(id -u)" = 0 ] || manager=(--user)
  "part_$part"
  rm -f "$log" "$log".*
}

# ---- from outside ----
if [ "${1-}" = --in ]; then
  in_the_machine "$2" "$3"
  exit
fi
[ $# -ge 1 ] || { sed -n '3,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 2; }
host=$1 here=$(cd "$(dirname "$0")" && pwd)
shift
options=("$@") total=0 bad=0
at() { # at USER COMMAND...
  local user=$1
  shift
  # shellcheck disable=SC2029 # the words are for the shell there
  ssh "${options[@]}" "$user@$host" "$*"
}
count() { # number the results that come in
  while read -r word rest; do
    case $word in
    ok) total=$((total + 1)) && echo "ok $total $rest" ;;
    not) total=$((total + 1)) bad=$((bad + 1)) && echo "not ok $total ${rest#ok }" ;;
    *) echo "$word $rest" ;;
    esac
  done
}
at root "mkdir -p $dir && cat >$dir/limits.sh" <"$0" || exit 2
at root "cat >$dir/limits.nix" <"$here/../e2e/limits.nix" || exit 2
for part in ${NIH_PARTS:-$parts}; do
  in="bash $dir/limits.sh --in $part '${NIH_RUNTIMES:-crun runc}'"
  case $part in
  user)
    at root "bash $dir/limits.sh --in user_setup '${NIH_RUNTIMES:-crun runc}'" </dev/null
    count < <(at alice "$in" </dev/null)
    ;;
  rootless) count < <(at alice "$in" </dev/null) ;;
  scope) count < <(at alice "systemd-run --user --scope -q -p Delegate=yes $in" </dev/null) ;;
  *) count < <(at root "$in" </dev/null) ;;
  esac
done
echo "1..$total"
[ $bad = 0 ] && [ $total -gt 0 ]

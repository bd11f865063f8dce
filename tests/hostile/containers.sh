#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Run containers by hook/run/run.h with each real runtime of this machine: check how they end, what
# they log, and that nothing of them is left. TAP.
export LC_ALL=C
: "${NIX_OCI_HOOK:=${top_builddir:-.}/nix-oci-hook}"
run_bundle=$(dirname "$NIX_OCI_HOOK")/tests/tools/run_bundle # built by make check
n=0 bad=0

skip_all() {
  if [ "${TEST_STRICT-0}" = 1 ]; then
    echo "1..1"
    echo "not ok 1 - cannot run here: $1"
    exit 1
  fi
  echo "1..0 # SKIP $1"
  exit 77
}
eq() { # eq NAME GOT WANTED
  n=$((n + 1))
  if [ "$2" = "$3" ]; then
    echo "ok $n - $1"
  else
    echo "not ok $n - $1"
    printf 'got:    %s\nwanted: %s\n' "$2" "$3" | head -c 2000 | sed 's/^/# /'
    bad=1
  fi
}
has() { # has NAME TEXT PATTERN
  n=$((n + 1))
  if [[ $2 == *$3* ]]; then
    echo "ok $n - $1"
  else
    echo "not ok $n - $1"
    printf 'got: %s\nwithout: %s\n' "$2" "$3" | head -c 2000 | sed 's/^/# /'
    bad=1
  fi
}

[ "$(id -u)" = 0 ] || skip_all "needs root"
[ -x "$run_bundle" ] || skip_all "$run_bundle is not built"
busybox=$(command -v busybox) || skip_all "no busybox"
ldd "$busybox" >/dev/null 2>&1 && skip_all "busybox is not static"
runtimes= # NIH_RUNTIMES: a list to test instead of all that are installed
for r in ${NIH_RUNTIMES:-crun runc runsc}; do
  PATH=$PATH:/usr/sbin command -v $r >/dev/null && runtimes="$runtimes $r"
done
[ -n "$runtimes" ] || skip_all "no OCI runtime"

W=$(mktemp -d "${TMPDIR:-/tmp}/nihrun.XXXXXX") || exit 1
trap 'rm -rf "$W"' EXIT
chmod 755 "$W"
uid=872415232

bundle() { # bundle SCRIPT [ARG0]: a container that runs SCRIPT by sh (or ARG0 alone)
  rm -rf "$W/b"
  mkdir -p "$W/b/root/bin" "$W/b/root/proc" "$W/b/root/dev" "$W/b/root/sys"
  # For standard input: crun gives it to root in the namespace. Below /dev nobody sees it.
  mknod -m 666 "$W/b/root/dev/null" c 1 3
  cp "$busybox" "$W/b/root/bin/busybox"
  printf '#!/no/interpreter\n' >"$W/b/root/bin/bad"
  printf 'x' >"$W/b/root/bin/notexec"
  chmod 755 "$W/b/root/bin/bad"
  chmod 644 "$W/b/root/bin/notexec"
  local args
  if [ -n "${2-}" ]; then args="\"$2\""; else
    printf '%s\n' "$1" >"$W/b/root/script"
    args='"/bin/busybox", "sh", "/script"'
  fi
  cat >"$W/b/config.json" <<END
{"ociVersion": "1.0.2", "hostname": "localhost", "root": {"path": "root", "readonly": true},
 "process": {"user": {"uid": 1000, "gid": 100}, "args": [$args], "cwd": "/",
  "env": ["PATH=/bin"], "noNewPrivileges": true},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}],
 "linux": {
  "uidMappings": [{"containerID": 1000, "hostID": $uid, "size": 1},
   {"containerID": 0, "hostID": $((uid + 1)), "size": 1}],
  "gidMappings": [{"containerID": 100, "hostID": $uid, "size": 1},
   {"containerID": 0, "hostID": $((uid + 1)), "size": 1}],
  "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
   {"type": "mount"}, {"type": "user"}]}}
END
}
run() { # run OPTIONS...: $log, $end, $code
  id=nihrun-$$-$n
  "$run_bundle" -u $uid "$@" "$rt" "$W/b" "$W/s" $id >"$W/log" 2>"$W/end"
  code=$?
  log=$(<"$W/log") end=$(<"$W/end")
}
# What a run could leave: processes of its ids, its state, cgroups with its id, mounts.
left() {
  ls -d "$W/s" 2>/dev/null
  find /sys/fs/cgroup -maxdepth 4 -type d -name "*nihrun-$$*" 2>/dev/null
  grep -F "$W" /proc/self/mountinfo
  # The patterns are no arguments of grep's, which would find itself.
  grep -laF -f <(printf '%s\n' "nihrun-$$" "$W/" 98765) /proc/[0-9]*/cmdline 2>/dev/null |
    while read -r p; do echo "$p $({ tr '\0' ' ' <"$p"; } 2>/dev/null)"; done
}
eventually_nothing_left() { # NAME: within 2 s
  local i rest
  for i in 1 2 3 4 5 6 7 8 9 10; do
    rest=$(left)
    [ -z "$rest" ] && break
    sleep 0.2
  done
  eq "$1" "$rest" ""
}

for rt in $runtimes; do
  bundle 'echo out; echo err >&2; exit 7'
  run
  eq "$rt: exit code" "$end" "exited 7"
  eq "$rt: both outputs are logged, raw" "$log" "$(printf 'out\nerr')"
  eq "$rt: nothing is left" "$(left)" ""

  bundle 'exit 0'
  run
  eq "$rt: success" "$end $code" "exited 0 0"

  bundle 'busybox ls /proc/self/fd | busybox wc -l
    [ -t 0 ] || echo no-tty-0; [ -t 1 ] && [ -t 2 ] && echo tty
    (: </dev/tty) 2>/dev/null || echo no-ctty
    read x || echo no-input; busybox stat -c %u /proc/self/fd/1 >/dev/null
    busybox ip addr show lo 2>/dev/null | busybox grep -o "inet 127.0.0.1"'
  run
  tty='tty\n' silence=1
  # gVisor shows the builder no terminal that its runtime did not make, and takes long to start.
  [ $rt = runsc ] && tty= silence=5
  eq "$rt: what a builder has" "$log" "$(printf "4\nno-tty-0\n${tty}no-ctty\nno-input\ninet 127.0.0.1")"

  bundle 'exec >&- 2>&-; busybox sleep 0.6; exit 9'
  run
  eq "$rt: a builder without output goes on" "$end" "exited 9"

  bundle 'exit 137'
  run
  eq "$rt: exit code 137 is no signal" "$end" "exited 137"

  bundle 'busybox sleep 98765 & echo started; exit 3'
  run
  eq "$rt: processes that are left in the background do not hold it up" "$end $log" "exited 3 started"

  bundle 'i=0; while [ $i -lt 3 ]; do busybox sleep 0.5; echo $i; i=$((i+1)); done'
  run -s 3
  eq "$rt: output keeps silence away" "$end" "exited 0"
  bundle 'echo begin; busybox sleep 98765'
  run -s $silence
  eq "$rt: max-silent-time" "$end $log" "silent 9 begin"
  eventually_nothing_left "$rt: nothing is left after silence"
  bundle 'while :; do echo x; busybox sleep 0.1; done'
  run -t 1
  eq "$rt: timeout" "$end" "timeout 9"
  eventually_nothing_left "$rt: nothing is left after a timeout"

  bundle '' /no/such
  run -b /no/such
  eq "$rt: no builder" "$end" "exited 1"
  has "$rt: no builder is told" "$log" "error: executing '/no/such': No such file or directory"
  bundle '' /bin/notexec
  run -b /bin/notexec
  eq "$rt: builder without x" "$end" "exited 1"
  has "$rt: builder without x is told" "$log" "error: executing '/bin/notexec': Permission denied"
  bundle '' /bin/bad
  run -b /bin/bad
  eq "$rt: builder without interpreter" "$end" "exited 1"
  has "$rt: builder without interpreter is told" "${log,,}" "no such file or directory"

  bundle 'exit 0'
  echo '{' >"$W/b/config.json"
  run
  eq "$rt: a broken config is the runtime's failure" "$code ${end%%:*}" "1 error 1"
  has "$rt: and it says why" "$end" "cannot run the build: "
  eventually_nothing_left "$rt: nothing is left of it"

  lines=700000
  [ $rt = crun ] && lines=7000000 # 54 MB
  bundle "busybox seq 1 $lines"
  run
  eq "$rt: all of a long log arrives" "$(sha256sum <"$W/log")" "$(seq 1 $lines | sha256sum)"
done

# A slow reader is neither lost data nor silence.
rt=crun
case $runtimes in *crun*)
  bundle 'busybox seq 1 40000; exit 4'
  got=$("$run_bundle" -u $uid -s 1 crun "$W/b" "$W/s" nihrun-$$-slow 2>"$W/end" |
    { sleep 2.5; sha256sum; })
  eq "a slow reader loses nothing" "$got $(<"$W/end")" "$(seq 1 40000 | sha256sum) exited 4"
  bundle 'while :; do echo y; done'
  "$run_bundle" -u $uid crun "$W/b" "$W/s" nihrun-$$-gone 2>"$W/end" | head -c 100000 >/dev/null
  has "a reader that goes ends the build" "$(<"$W/end")" \
    ": stopped: nobody reads the build's log any more"
  eventually_nothing_left "nothing is left after that"

  bundle 'kill -SEGV $$; busybox sleep 98765'
  "$run_bundle" -u $uid crun "$W/b" "$W/s" nihrun-$$-killed >"$W/log" 2>"$W/end" &
  sleep 1
  # run_bundle > supervisor > crun > builder
  pid=$!
  for i in 1 2 3; do pid=$(cut -d ' ' -f 1 "/proc/$pid/task/$pid/children"); done
  kill -KILL "$pid"
  wait
  eq "killed by SIGKILL from outside" "$(<"$W/end")" "signaled 9"
  bundle 'busybox sleep 0.4; exit 143'
  run
  eq "exit code 143 is no signal" "$end" "exited 143"
  bundle 'busybox cat /proc/self/personality 2>/dev/null; busybox uname -m'
  run -p $((0x40008))
  eq "the personality reaches the builder" "${log##*$'\n'}" "$(setarch linux32 uname -m)"
  ;;
esac

# A limit of memory.
for rt in $runtimes; do
  bundle 'x=1; while :; do x=$x$x; done'
  "$run_bundle" -u $uid -m 60000000 $rt "$W/b" "$W/s" nihrun-$$-oom >"$W/log" 2>"$W/end"
  eq "$rt: out of memory" "$(<"$W/end")" "oom 9"
  eventually_nothing_left "$rt: nothing is left after that"
done

# Machines with other cgroups than this one: crun takes each of them.
case $runtimes in *crun*)
  while read -r layout commands; do
    bundle 'exit 5'
    unshare -m sh -c "$commands; exec \"\$@\"" sh "$run_bundle" -u $uid crun "$W/b" "$W/s" \
      nihrun-$$-cg >"$W/log" 2>"$W/end"
    eq "crun: cgroups are $layout" "$(<"$W/end")" "exited 5"
  done <<'END'
none umount -R -l /sys/fs/cgroup
none-and-no-sysfs umount -R -l /sys
v1 umount /sys/fs/cgroup/unified 2>/dev/null
v2 umount -R -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
END
  ;;
esac

# SIGKILL of the hook, at any time.
for rt in $runtimes; do
  bundle 'busybox sleep 98765 & busybox setsid busybox sleep 98765 & busybox sleep 98765'
  for after in 0.005 0.02 0.05 0.2 1; do
    "$run_bundle" -u $uid $rt "$W/b" "$W/s" nihrun-$$-k >"$W/log" 2>"$W/end" &
    pid=$!
    sleep $after
    kill -KILL $pid
    wait $pid 2>/dev/null
    rest=
    for i in 1 2 3 4 5 6 7 8 9 10; do
      rest=$(left)
      [ -z "$rest" ] && break
      sleep 0.2
    done
    [ -z "$rest" ] || break
  done
  eq "$rt: nothing is left of a hook that was killed (after $after s)" "$rest" ""
done
echo "1..$n"
exit $bad

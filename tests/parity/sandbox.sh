#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a build sees: the probe is built by Nix's own sandbox and through the hook, and what it said
# is compared line by line. Differences are those of docs/parity.md's table, neither more nor less.
# TAP.
# shellcheck source=tests/lib.sh
source "$(dirname "$0")/../lib.sh"
need busybox python3 "${CC:-gcc}"
world "$@"

busybox=$(readlink -f "$(command -v busybox)")
ldd "$busybox" >/dev/null 2>&1 && skip_all "busybox is not static"
mkdir "$W/probe"
"${CC:-gcc}" -static -O1 -o "$W/probe/probe" "$here"/parity/probe*.c >"$W/cc.log" 2>&1 ||
  skip_all "no static program can be linked: $(tail -n 1 "$W/cc.log")"

# sandbox-paths of every kind: a file, a directory, a link, one that is missing, one that is nested.
mkdir "$W/dir"
echo text >"$W/dir/file"
chmod 0640 "$W/dir/file"
ln -s dir/file "$W/link"
# shellcheck disable=SC2034 # for nix_conf
host_paths="/bin/sh=$busybox /bin/busybox=$busybox /a-dir=$W/dir /a-file=$W/dir/file /a-link=$W/link
 /not-there=$W/nowhere? /deep/er/file=$W/dir/file"
host_paths=$(tr -d '\n' <<<"$host_paths")
export PARITY_SET="from outside"
unset PARITY_UNSET
nix_at_least 2.8 # sets nix_version
settings=("allowed-impure-host-deps = /etc")

probe() { # probe SIDE ATTR: what it says, in $W/SIDE.probe
  local drv
  drv=$(on "$1" nix-instantiate --quiet "$here/parity/sandbox.nix" --arg dir "$W/probe" -A "$2" \
    2>"$W/$1.log") || return 1
  drv=${drv%%!*}
  nix_build "$1" "$drv" >"$W/$1.out" || return 1
  [ "$1" = ref ] || grep -q "^building .* on 'oci:" "$W/$1.log" || return 1
  on "$1" nix-store --read-log "$drv" >"$W/$1.said" || return 1
  # Numbers of namespaces tell nothing; whether they are the machine's does.
  local ns host whose
  cp "$W/$1.said" "$W/$1.probe"
  for ns in cgroup ipc mnt net pid time user uts; do
    host="namespace $ns = $(readlink "/proc/self/ns/$ns")" whose="its own"
    grep -qxF "$host" "$W/$1.said" && whose="the machine's"
    sed -i "s/^namespace $ns = .*/namespace $ns = $whose/" "$W/$1.probe"
  done
}
both() { # both NAME ATTR [REF]: build, and compare; with what Nix's sandbox said as REF, if given
  local side sides="ref hook"
  [ -z "${3-}" ] || { sides=hook && cp "$W/ref.$3.probe" "$W/ref.probe"; }
  for side in $sides; do
    probe "$side" "$2" || { not_ok "$1: builds ($side)" "$W/$side.log"; return; }
    # shellcheck disable=SC2046 # a word each
    on "$side" nix-store --delete $(cat "$W/$side.out") >/dev/null 2>&1
    cp "$W/$side.probe" "$W/$side.$1.probe"
  done
  check_log "$1: the probe came to its end" '^end = reached$' "$W/hook.probe"
  check "$1: the build sees the same but for what docs/parity.md lists" \
    python3 "$here/parity/compare.py" "$top_srcdir/docs/parity.md" probe "$nix_version" "$1" \
    "$W/ref.probe" "$W/hook.probe" "$W/seen"
}
configured() { # configured [LINE...]
  local side
  for side in ref hook; do nix_conf "$side" "${settings[@]}" "$@"; done
}

build_users yes
configured
for attr in plain full fixed structured; do both "$attr" $attr; done
configured "extra-platforms = i686-linux"
both i686 i686
configured "filter-syscalls = false"
both unfiltered plain
configured "allow-new-privileges = true"
both new-privileges plain
configured "sandbox-dev-shm-size = 64m" "cores = 3" "impersonate-linux-26 = true" "sandbox-build-dir = /elsewhere"
both settings plain
# What Nix was started with and a build inherits.
configured
tap() { # in a subshell, whose count of tests would be lost
  "$@"
  echo "$tap_n $tap_bad" >"$W/taps"
}
(ulimit -n 20000 -s 4096 -u 5000 -c 1024; umask 077; trap '' PIPE; tap both inherited plain)
read -r tap_n tap_bad <"$W/taps"
# Nix without build users builds as root. The hook does not, so that it is as with them.
build_users no
configured
both no-users plain plain
both no-users-fixed fixed fixed
check "every difference that docs/parity.md lists is there" \
  python3 "$here/parity/compare.py" --unused "$top_srcdir/docs/parity.md" probe "$nix_version" "$W/seen"
finish

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# install-deps.sh [build|run|test]...: install packages on Debian 12, with apt only.
#
#   build  to compile
#   run    to let Nix build through the hook
#   test   to run all tests and benches
# Without an argument: all three. Needs root. Installed packages stay unchanged.
set -euo pipefail

build="autoconf automake gcc make pkg-config libarchive-dev libcmocka-dev libcurl4-openssl-dev
  libjansson-dev libsqlite3-dev libssl-dev"
run="nix-bin crun busybox-static bash-static ca-certificates"
# Sources of packages, the other runtimes, and tools of the tests.
test="acl attr bc clang clang-format-14 curl dpkg-dev file gawk git
  golang-github-opencontainers-specs-dev groff-base jq libclang-rt-14-dev librsvg2-bin lld
  mmdebstrap nginx-light openssl patchelf python3 python3-jsonschema qemu-user-static runc runsc
  sqlite3 strace tcl universal-ctags util-linux xz-utils"

[ $# -gt 0 ] || set -- build run test
packages=
for group; do
  case $group in
  build | run | test) packages+=" ${!group}" ;;
  *) echo "usage: $0 [build|run|test]..." >&2; exit 2 ;;
  esac
done
missing=
for p in $packages; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=" $p"
done
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "$0: run as root, these are missing:$missing" >&2; exit 1; }

# No service is to start because a test tool comes with one (nginx): on a machine without a policy
# for that, one stands while apt runs.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod +x $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
# shellcheck disable=SC2086 # a list of words
apt-get -q install -y --no-install-recommends $missing

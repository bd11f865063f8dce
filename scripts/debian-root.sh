#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# debian-root.sh SUITE DIR: make DIR a root file system of that Debian release, with its Nix and all
# packages that building and testing this project needs. Needs root and mmdebstrap.
#
# The mirror is the one that the machine's own apt sources name. A root file system that is there
# already is kept. If another process is making it, this script waits for that process.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 SUITE DIR" >&2; exit 2; }
suite=$1 dir=$2
mkdir -p "$(dirname "$dir")"
exec 9>"$dir.lock"
flock 9
[ ! -e "$dir" ] || exit 0

packages="acl attr bash-static bc busybox-static ca-certificates crun curl gcc git jq libarchive-dev
  libc6-dev libcurl4-openssl-dev libjansson-dev libsqlite3-dev libssl-dev make nix-bin openssl pkgconf
  python3 runc sqlite3 strace util-linux xz-utils"
case $suite in # its Nix knows BLAKE3, and it has the library
bookworm | trixie) ;;
*) packages+=" libblake3-dev" ;;
esac
# shellcheck disable=SC2016 # fields for apt-get
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' |
  awk '$2 == "Debian" && $3 == "Debian" && !seen { print $1; seen = 1 }')
[ -n "$mirror" ] || { echo "$0: no mirror of Debian among the apt sources" >&2; exit 1; }

tmp=$(mktemp -d "$dir.XXXXXX")
conf=$(mktemp)
# Nothing of the machine is mounted there once the mount namespace of the maker is gone.
trap 'rm -rf --one-file-system "$tmp" "$conf"' EXIT
{
  apt-config dump | grep -E '^Acquire::[a-z]+::Proxy' || true
  # A mirror may stand still.
  echo 'Acquire::Check-Valid-Until "false";'
  echo 'APT::Install-Recommends "false";'
} >"$conf"
# shellcheck disable=SC2086 # a list of words
unshare --mount --propagation private -- mmdebstrap --mode=root --variant=minbase --quiet \
  --aptopt="$conf" --include="$(echo $packages | tr ' ' ',')" "$suite" "$tmp" "$mirror"
chmod 755 "$tmp"
mv -T "$tmp" "$dir"

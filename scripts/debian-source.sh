#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# debian-source.sh DIR PACKAGE...: fetch the packages' Debian sources and unpack them as DIR/PACKAGE.
#
# The script copies the machine's own apt sources of its release into a directory of its own, and
# turns deb into deb-src there. It changes nothing in the machine's apt configuration or lists.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 DIR PACKAGE..." >&2; exit 2; }
dir=$1
shift
mkdir -p "$dir"
tmp=$(mktemp -d "$dir/.source.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
. /etc/os-release
codename=$VERSION_CODENAME

mkdir -p "$tmp"/{parts,lists/partial,cache/archives/partial,src}
shopt -s nullglob
n=0
for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -e "$f" ] || continue
  n=$((n + 1))
  # One line a source: deb [options] URI SUITE COMPONENT...
  grep -E "^deb[[:space:]].*[[:space:]]($codename|stable)(-updates|-security|/updates)?[[:space:]]" \
    "$f" | sed 's/^deb[[:space:]]/deb-src /' >"$tmp/parts/$n.list" || true
done
for f in /etc/apt/sources.list.d/*.sources; do
  n=$((n + 1))
  # Stanzas; those of another release or archive are left out, and so are comments.
  awk -v codename="$codename" 'BEGIN { RS = ""; FS = "\n" }
    {
      text = ""; ours = 0
      for (i = 1; i <= NF; i++) {
        if ($i ~ /^#/) continue
        if ($i ~ "^Suites:.*[[:space:]](" codename "|stable)(-updates|-security)?([[:space:]]|$)") ours = 1
        if ($i ~ /^Types:/) $i = "Types: deb-src"
        text = text $i "\n"
      }
      if (ours) printf "%s\n", text
    }' "$f" >"$tmp/parts/$n.sources"
done
find "$tmp/parts" -empty -delete
[ -n "$(ls "$tmp/parts" 2>/dev/null)" ] || { echo "no apt source for $codename found" >&2; exit 1; }

apt_get() {
  apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$tmp/parts" \
    -o Dir::State::lists="$tmp/lists" -o Dir::Cache="$tmp/cache" -o APT::Sandbox::User=root "$@"
}
apt_get update
for package; do
  [ ! -d "$dir/$package" ] || continue
  mkdir "$tmp/src/$package"
  cd "$tmp/src/$package"
  apt_get source --download-only "$package"
  dpkg-source --no-check -x ./*.dsc "$tmp/src/$package/unpacked"
  # Another may have been faster.
  mv -T unpacked "$dir/$package" 2>/dev/null || [ -d "$dir/$package" ]
done

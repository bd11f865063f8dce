#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The size of a NAR does not change how much memory a verb needs: for a file of 4 GiB, a directory
# of 300,000 entries (whose names are sorted, so they are held: 26 bytes each), and as many entries
# in directories of 1,000, the peak stays under 16 MiB, libraries included.
#
# NIH_NAR_ENTRIES: another number of entries. TAP.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
peak=$(dirname "$NIX_OCI_HOOK")/tests/tools/peak
need python3
[ -x "$NIX_OCI_HOOK" ] || skip_all "no $NIX_OCI_HOOK"
[ -x "$peak" ] || skip_all "no $peak: make check builds it"
# Many files are made and removed: where memory is a file system, that takes no time.
W=$(mktemp -d "/dev/shm/nih.XXXXXX" 2>/dev/null || mktemp -d) || exit 1
trap 'chmod -R u+w "$W"; rm -rf "$W"' EXIT
export LC_ALL=C
limit_kib=16384
entries=${NIH_NAR_ENTRIES:-300000}

mkdir "$W/large"
truncate -s 4G "$W/large/file"
python3 - "$W" "$entries" <<'EOF'
import os, sys
top, n = sys.argv[1], int(sys.argv[2])
def fill(d, n):
    os.makedirs(d)
    for i in range(n):
        os.close(os.open(f"{d}/a-file-number-{i:06}", os.O_CREAT | os.O_WRONLY, 0o644))
fill(f"{top}/wide", n)
for i in range(n // 1000):
    fill(f"{top}/many/{i:04}", 1000)
EOF
bounded() { # bounded NAME COMMAND...: it works, and stays below the limit
  local name=$1 rc
  shift
  "$peak" "$W/peak" "$@" >"$W/out" 2>"$W/err"
  rc=$?
  [ $rc = 0 ] || { not_ok "$name" "$W/err"; return; }
  echo "# $name: $(cat "$W/peak") KiB"
  check "$name needs less than $limit_kib KiB" test "$(cat "$W/peak")" -lt $limit_kib
  rm -f "$W/out"
}
# The measure itself: what needs more is seen.
"$peak" "$W/peak" python3 -c 'b = bytearray(40_000_000)'
check "40 MB are seen" test "$(cat "$W/peak")" -gt 40000

bounded "hash of 4 GiB" "$NIX_OCI_HOOK" nar hash "$W/large"
bounded "dump of 4 GiB" sh -c 'exec "$0" nar dump "$1" >/dev/null' "$NIX_OCI_HOOK" "$W/large"
for t in wide many; do
  bounded "hash of $t" "$NIX_OCI_HOOK" nar hash "$W/$t"
  bounded "dump of $t" sh -c 'exec "$0" nar dump "$1" >"$2"' "$NIX_OCI_HOOK" "$W/$t" "$W/$t.nar"
  rm -rf "${W:?}/$t"
  bounded "ls of $t" "$NIX_OCI_HOOK" nar ls -R -l "$W/$t.nar" /
  bounded "ls --json of $t" "$NIX_OCI_HOOK" nar ls -R --json "$W/$t.nar" /
  bounded "restore of $t" sh -c 'exec "$0" nar restore "$1" <"$2"' "$NIX_OCI_HOOK" "$W/new" "$W/$t.nar"
  check "restore of $t: all is there" \
    test "$(find "$W/new" -type f | wc -l)" = "$entries"
  rm -rf "$W/new"
done
bounded "cat of the last" "$NIX_OCI_HOOK" nar cat "$W/wide.nar" "/a-file-number-$(printf %06d $((entries - 1)))"
# A NAR of a file of 4 GiB, that is nowhere: what is read, and what is skipped.
bounded "cat of 4 GiB" sh -c '"$0" nar dump "$1" | { exec "$0" nar cat - /file >/dev/null; }' "$NIX_OCI_HOOK" "$W/large"
bounded "ls of 4 GiB" sh -c '"$0" nar dump "$1" | { exec "$0" nar ls -R -l -; }' "$NIX_OCI_HOOK" "$W/large"
finish

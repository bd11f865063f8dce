#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Caches that are slow, break off, lie, or send without end: each path that is available is fetched,
# a wrong answer leaves nothing behind, and no wait lasts for ever.
. "$(dirname "$0")/lib.bash"
world "$@"
closure_built --arg n 3 --arg big 2000000
need python3
for c in none xz gzip; do nix_copy "$W/$c" "compression=$c" || skip_all "Nix cannot copy"; done
python3 "$here/cache/server.py" "$W" "$W/server.log" >"$W/port" 2>"$W/server.err" &
server_pid=$!
for i in $(seq 100); do [ -s "$W/port" ] && break; sleep 0.1; done
[ -s "$W/port" ] || { sed 's/^/# /' "$W/server.err"; skip_all "the server does not start"; }
server=http://127.0.0.1:$(cat "$W/port")
narinfo=$(basename "$root" | cut -c-32).narinfo

# try MODE CACHE [OPTION...]: restore the closure in that mode; the end is in $W/log, `rc`, `took`
try() {
  local mode=$1 cache=$2 start=$SECONDS
  shift 2
  rm -rf "$W/out"
  : >"$W/server.log"
  fetch --retry-ms 20 --connect-ms 1000 --stall-ms 1000 --key "${believed:-$key}" "$@" \
    --from "$server/$mode/$cache" restore "$W/out" "$root" >"$W/log" 2>&1
  rc=$?
  took=$((SECONDS - start))
}
works() { # works WHAT MODE CACHE [OPTION...]
  local what=$1
  shift
  try "$@"
  check_eq "$what: it works" $rc 0
  check "$what: all is as in the store" same "$W/out"
}
fails() { # fails WHAT MESSAGE MODE CACHE [OPTION...]: nothing is left of what is wrong
  local what=$1 message=$2
  shift 2
  try "$@"
  check_eq "$what: it fails" $rc 1
  check_log "$what: says why" "^error: .*$message" "$W/log"
  check "$what: nothing wrong is left" sound
  check_eq "$what: soon" "$((took < 15))" 1
}
# What is there was said to be done, and is as in the store.
sound() {
  local p
  for p in "$W"/out/*; do
    [ -e "$p" ] || [ -L "$p" ] || continue
    grep -qxF "/nix/store/${p##*/}" "$W/log" || { echo "left: $p"; return 1; }
  done
}
ranges() { grep -c "^$1 nar/.* bytes=.* 206" "$W/server.log"; }

works "a good server" ok xz
works "a body that is cut" cut none
check_eq "a body that is cut: each NAR is gone on with by a range" "$(ranges cut)" "$(wc -l <<<"$closure")"
check_log "a body that is cut: it is noted" '^note: .*; retrying in [0-9]+ ms \(attempt 1/5\)' "$W/log"
works "a compressed body that is cut" cut xz
works "a server that cuts again and again, and gets on" cut-often none
works "a server that has no ranges" cut-no-range none
works "a server that sends another range" cut-other-range none
works "a server that says there is no such range" cut-416 none
works "a chunked body that is cut" cut-chunked gzip
works "a body without a length that is cut" cut-no-length xz
works "a slow server" slow xz
works "a server that stalls, once" stall none
works "an error of the server, once" 500-once xz
works "too many requests" 429 xz
works "redirects" redirect xz
works "NARs elsewhere" url-absolute xz
works "narinfos with an encoding" gzip xz
works "NARs of which only hash and size are said" x-unsaid xz

fails "a server that cuts at once, always" 'unable to download' cut-soon none
fails "a server that stalls, always" 'unable to download' stall-always none --attempts 2
fails "a server that does not answer" 'unable to download' no-answer none --attempts 2
fails "a server that always fails" 'HTTP error 500' 500 xz
fails "a server that has no narinfo to give" 'HTTP error 500|paths are in no cache; also' narinfo-500 xz
fails "a server that forbids" '1 paths are in no cache' narinfo-403 xz
fails "a NAR that is not there" "does not exist in its binary cache" no-nar xz
fails "one bit of a NAR is another" 'hash mismatch importing path' flipped none
fails "one bit of a compressed NAR is another" 'mismatch|bad (xz|gzip) data' flipped gzip
fails "a shorter file" 'unable to download .*the response ended early' short none
fails "a longer file" 'is longer than [0-9]+ bytes' long none
fails "a shorter file, of no known size" 'mismatch importing path|bad xz data' short-unsaid xz
fails "a longer file, of no known size" 'unpacks to more than|bad xz data' long-unsaid xz
fails "an endless file" 'is longer than [0-9]+ bytes' endless xz
fails "an endless file, of no known size" 'unpacks to more than' endless-unsaid none
fails "an endless compressed file, of no known size" 'is longer than|something follows|bad gzip data' \
  endless-unsaid gzip
fails "a bomb" 'unpacks to more than' bomb gzip
fails "a wrong FileHash" 'file hash mismatch importing path' filehash xz
fails "a wrong FileSize" 'the response ended early' filesize xz
fails "a wrong NarHash" 'hash mismatch importing path' narhash xz --any-signature
fails "a NarSize that is larger" 'size mismatch importing path' other-size none --any-signature
fails "a NarSize that is smaller" 'unpacks to more than' smaller-size xz --any-signature
fails "a name that leads out of the cache" 'no name of a file of a binary cache' url-out xz
fails "a name that is a local file" 'no name of a file of a binary cache' url-file xz
fails "redirects that never end" '[Rr]edirect' redirect-loop xz
fails "redirects to a file" 'Protocol "file" (not supported|disabled)|paths are in no cache; also.*rotocol' redirect-file xz
fails "a cache of another store" \
  "is for Nix stores with prefix '/other/store', not '/nix/store'" other-store xz
fails "no nix-cache-info" 'does not appear to be a binary cache' no-info xz
fails "an endless narinfo" 'is longer than [0-9]+ bytes' endless-narinfo xz

# Who is not believed.
for mode in bad-signature no-signature; do
  fails "$mode" 'paths are in no cache' $mode xz
  check_log "$mode: it is noted" "^note: ignoring '$root' from .* not signed by any of the keys" "$W/log"
done
believed=$other_key fails "another key" 'paths are in no cache' ok xz
works "no signature, and none is wanted" no-signature xz --any-signature
works "no signature, and the cache is trusted" no-signature 'xz?trusted=1'
fails "no key" 'paths are in no cache' garbage xz
check_log "a narinfo that is none: it is noted" '^note: NAR info file .* is corrupt' "$W/log"
fails "a narinfo of another path" 'paths are in no cache' other-path xz
# toFile's path is content-addressed: its hash is enough.
source=$(grep -e '-source$' <<<"$closure")
from_unsigned() { fetch --from "$server/$1/xz" restore "$W/out-$1" "$source"; }
check "a content-addressed path needs no signature" from_unsigned no-signature
check_eq "a content-addressed path that was changed is refused" \
  "$(from_unsigned flipped >/dev/null 2>&1; echo $?)" 1

# What one cache has wrong, another may have right.
two() { try "$1" "$2" --from "$server/ok/gzip?priority=60"; }
for mode in flipped no-nar short-unsaid cut-soon no-signature narinfo-403 endless-404 other-store \
  no-answer; do
  two $mode none --attempts 2
  check_eq "another cache helps: $mode" $rc 0
  check "another cache helps: $mode: all is as in the store" same "$W/out"
done

# What is not there, and is told at length.
rm -rf "$W/xz/$narinfo"
fails "a narinfo that is not there" "missing: $root|1 paths are in no cache" endless-404 xz

# A password, by netrc; never shown.
try password none
check_eq "a password is wanted" $rc 1
check_log "a password is wanted: it says so" 'HTTP error 401' "$W/log"
echo "machine 127.0.0.1 login user password secret" >"$W/netrc"
works "a password in netrc" password none --netrc "$W/netrc"
fetch --from "${server/#http:\/\//http://user:secret@}/no-info/none" info "$root" >"$W/log" 2>&1
check_eq "a password in the URL is not shown" "$(grep -c secret "$W/log")" 0

# Told to stop in the midst.
try slow none --stop-at 500000
check_eq "stopped: it fails" $rc 1
check_log "stopped: says so" '^error: stopped' "$W/log"
check "stopped: nothing half is left" sound
check_eq "stopped: soon" "$((took < 5))" 1

check_eq "the server has no errors of its own" "$(cat "$W/server.err")" ""
kill "$server_pid"
finish

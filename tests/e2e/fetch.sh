#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Fixed-output derivations fetch from an HTTP server on loopback; every hash is checked.
. "$(dirname "$0")/../lib.sh"
need curl python3
world "$@"
expr=$here/e2e/fetch.nix

mkdir "$W/www"
echo fetched >"$W/www/file"
python3 -u -c '
import http.server, os, sys
os.chdir(sys.argv[1])
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print(s.server_port, flush=True)
s.serve_forever()' "$W/www" >"$W/port" 2>"$W/http.log" &
left_known=$!
for _ in $(seq 50); do [ -s "$W/port" ] && break; sleep 0.1; done
url=http://127.0.0.1:$(cat "$W/port")/file
args=(--argstr url "$url" "$expr")

mkdir "$W/tree"
cp "$W/www/file" "$W/tree/file"
ln -s file "$W/tree/link"
hashes="{ "
for algo in md5 sha1 sha256 sha512; do
  hashes+="$algo = \"$(nix-hash --type $algo "$W/tree")\"; "
done
hashes+="}"
left_begin

build_both "flat outputs" "${args[@]}" -A flat && compare "flat outputs"
build_both "an SRI hash" "${args[@]}" -A sri && compare "an SRI hash"
build_both "recursive outputs" "${args[@]}" -A recursive --arg hashes "$hashes" &&
  compare "recursive outputs"
build_both "an offline build" "${args[@]}" -A offline && compare "an offline build"
before=$(valid_count hook)

# The wrong hash: Nix's words; what was got is valid as what it is, and not as what was wanted.
for attr in mismatch mismatchRecursive; do
  nix_build hook "${args[@]}" -A $attr >/dev/null
  rc=$?
  check "$attr: nix-build fails" [ $rc -ne 0 ]
  check_log "$attr: the message is Nix's" 'hash mismatch in fixed-output derivation' "$W/hook.log"
  check_log "$attr: what was specified" 'specified: +sha256-A{43}=' "$W/hook.log"
  check_log "$attr: what was got" 'got: +sha256-' "$W/hook.log"
  wanted=$(on hook nix-store --query --outputs \
    "$(on hook nix-instantiate --quiet "${args[@]}" -A $attr 2>/dev/null | sed 's/!.*//')")
  check_eq "$attr: what was wanted is not valid" "$(sqlite3 "$W/hook/var/nix/db/db.sqlite" \
    "select count(*) from ValidPaths where path = '$wanted'")" 0
done
check_eq "what was got is valid under its own hash" "$(valid_count hook)" $((before + 2))
before=$(valid_count hook)
for attr in notFlat executable; do
  nix_build hook "${args[@]}" -A $attr >/dev/null
  rc=$?
  check "$attr: nix-build fails" [ $rc -ne 0 ]
  check_log "$attr: the message is Nix's" 'should be a non-executable regular file' "$W/hook.log"
done
nix_build hook "${args[@]}" -A unreachable >/dev/null
check "a failing fetch: nix-build fails" [ $? -ne 0 ]
check_log "a failing fetch: curl's words are in the log" '404' "$W/hook.log"
check_eq "nothing of that became valid" "$(valid_count hook)" "$before"
check "the store is sound" verify hook
nothing_left "after the fetches" hook
finish

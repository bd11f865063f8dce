#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Caches that Nix has made, with each compression that Nix offers: read from files and from nginx.
. "$(dirname "$0")/lib.bash"
world "$@"
closure_built

for c in none xz bzip2 gzip zstd lz4; do
  nix_copy "$W/cache-$c" "compression=$c" || { not_ok "$c: Nix copies" "$W/copy.log"; continue; }
  check "$c: from files" fetch --from "file://$W/cache-$c" --key "$key" restore "$W/out-$c" "$root"
  check "$c: all is as in the store" same "$W/out-$c"
done
# All else that Nix takes is refused by its name.
for c in br lzip lzma; do
  if nix_copy "$W/cache-$c" "compression=$c"; then
    fetch --from "file://$W/cache-$c" --key "$key" restore "$W/out-$c" "$root" >"$W/log" 2>&1
    check_eq "$c is refused" $? 1
    check_log "$c is refused by name" "^error: .*compression '$c' is not supported; these are: none, xz" \
      "$W/log"
    check "$c: nothing is left" absent "$W/out-$c"
  fi
done

check "a failure is never lost" sh -c 'for i in $(seq 60); do ! "$@" 2>/dev/null || exit 1; done' sh \
  "$NIH_FETCH" --from "file://$W/cache-br" --key "$key" restore "$W/out-br" "$root"

serve_nginx "$W"
for c in none xz zstd; do
  check "$c: from nginx" fetch --from "$nginx/cache-$c" --key "$key" restore "$W/web-$c" "$root"
  check "$c: from nginx all is as in the store" same "$W/web-$c"
done
# One narinfo a path, whatever refers to it, and no connection for each.
check_eq "each narinfo is asked for once" \
  "$(grep -c 'GET /cache-xz/.*\.narinfo' "$nginx_log")" "$(wc -l <<<"$closure")"

fetch --from "$nginx/cache-xz" --key "$key" info "$root" >"$W/info"
check_eq "a narinfo is what Nix wrote" "$(sed 1d "$W/info")" \
  "$(cat "$W/cache-xz/$(basename "$root" | cut -c-32).narinfo")"
fetch --from "$nginx/cache-xz" --key "$key" closure "$root" >"$W/closure"
check_eq "the closure is that of Nix" "$(sort "$W/closure")" "$(sort <<<"$closure")"
check_eq "what a path refers to comes before it" "$(tail -n 1 "$W/closure")" "$root"

# Two caches: by priority, and what one has not is in the other.
half=$W/cache-half
cp -r "$W/cache-zstd" "$half"
rm "$half/$(basename "$root" | cut -c-32).narinfo"
check "two caches have it together" \
  fetch --from "file://$half?priority=1" --from "$nginx/cache-none" --key "$key" \
  restore "$W/out-two" "$root"
check "two caches: all is as in the store" same "$W/out-two"
from() { fetch --key "$key" "$@" info "$root" | sed -n 's/^from: //p'; }
check_eq "of the same priority the first is asked first" \
  "$(from --from "$nginx/cache-xz" --from "$nginx/cache-zstd")" "$nginx/cache-xz"
check_eq "a lower priority comes first" \
  "$(from --from "$nginx/cache-xz?priority=41" --from "$nginx/cache-zstd?priority=40")" "$nginx/cache-zstd"
echo "Priority: 7" >>"$W/cache-zstd/nix-cache-info"
check_eq "also where the cache says it itself" \
  "$(from --from "$nginx/cache-xz" --from "$nginx/cache-zstd")" "$nginx/cache-zstd"

# What we write: by files, and by PUT.
small=$(grep -e '-file$' <<<"$closure")
info=$(basename "$small" | cut -c-32).narinfo
serve_nginx "$W" "location /dav/ { dav_methods PUT; create_full_put_path on; client_max_body_size 0; }"
for to in "file://$W/new/cache" "$nginx/dav/cache"; do
  case $to in file:*) dir=$W/new/cache ;; *) dir=$W/dav/cache ;; esac
  for f in $(cd "$W/cache-xz" && find . -type f -name '*.nar*' -printf '%P\n'); do
    fetch --to "$to" put "$f" "$W/cache-xz/$f" || break
  done >"$W/put.log" 2>&1
  cp "$W/cache-xz/nix-cache-info" "$dir/nix-cache-info.old"
  check_eq "$to: holds what was put, and no more" \
    "$(cd "$dir" && find . -type f ! -name '*.old' -exec sha256sum {} + | sort)" \
    "$(cd "$W/cache-xz" && find . -type f -exec sha256sum {} + | sort)"
  check_eq "$to: has what was put" \
    "$(fetch --to "$to" has "$info" "$(stat -c %s "$W/cache-xz/$info")")" yes
  check_eq "$to: tells what has another size" "$(fetch --to "$to" has "$info" 5)" damaged
  check_eq "$to: has not what was not" "$(fetch --to "$to" has "$(printf %032d 0).narinfo" 5)" no
  check "$to: is a cache that Nix reads" \
    on ref nix path-info --store "${to/#file:\/\/*/file:\/\/$dir}" "$root"
done
check "a name that leads out of the cache is refused" \
  sh -c '! "$0" --to "file://$1/new/cache" put ../x.narinfo "$1/info"' "$NIH_FETCH" "$W"
kill "$nginx_pid"
finish

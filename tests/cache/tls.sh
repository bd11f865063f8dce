#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Caches over TLS, from nginx: only certificates of the named authority are accepted, and HTTP/2
# over one connection is used if the server supports it.
. "$(dirname "$0")/lib.bash"
world "$@"
need openssl
closure_built
nix_copy "$W/xz" "compression=xz" || skip_all "Nix cannot copy"
nix_copy "$W/none" "compression=none" || skip_all "Nix cannot copy"
tls_authority ca
tls_authority other
tls_certificate ca server IP:127.0.0.1
tls_certificate ca elsewhere DNS:elsewhere.invalid
tls_certificate ca expired IP:127.0.0.1 -1

restore() { # restore WHAT OPTION...: by the authority `ca`, into $W/out
  local what=$1
  shift
  rm -rf "$W/out"
  check "$what" fetch --ca-file "$W/ca.crt" --key "$key" "$@" restore "$W/out" "$root"
  check "$what: all is as in the store" same "$W/out"
}
# From the server's log: which versions of HTTP there were, and how many connections.
versions() { cut -d' ' -f1 "$nginx_log" | sort -u | tr '\n' ' '; }
connections() { cut -d' ' -f2 "$nginx_log" | sort -u | wc -l; }
requests() { wc -l <"$nginx_log"; }

# ---- HTTP/2 ----
serve_tls "$W" server http2
restore "HTTP/2" --from "$nginx/xz"
check_eq "HTTP/2: it is what was used" "$(versions)" "HTTP/2.0 "
check_eq "HTTP/2: one connection for all" "$(connections)" 1
check_eq "HTTP/2: each file is asked for once" "$(requests)" \
  "$((1 + 2 * $(wc -l <<<"$closure")))"
: >"$nginx_log"
restore "HTTP/1.1 where that is wanted" --http1 --from "$nginx/xz"
check_eq "HTTP/1.1: it is what was used" "$(versions)" "HTTP/1.1 "
# Many large NARs that are read slower than they come: streams are paused, and none waits for another.
restore "HTTP/2, one NAR at a time" --nars 1 --from "$nginx/none"
restore "HTTP/2, many NARs at a time" --nars 16 --from "$nginx/none"

# ---- who is believed ----
refused() { # refused WHAT MESSAGE CA-FILE
  rm -rf "$W/out"
  fetch --ca-file "$3" --connect-ms 3000 --key "$key" --from "$nginx/xz" restore "$W/out" "$root" \
    >"$W/log" 2>&1
  check_eq "$1: it fails" $? 1
  check_log "$1: says why" "^error: unable to download '$nginx/xz/nix-cache-info': .*$2" "$W/log"
  check "$1: is not tried again" sh -c '! grep retrying "$0"' "$W/log"
  check "$1: nothing is left" absent "$W/out"
}
refused "another authority" \
  "unable to get local issuer certificate; trusted certificates are those in '$W/other.crt'" "$W/other.crt"
refused "no file of certificates" \
  "$W/none.crt.*; trusted certificates are those in '$W/none.crt'" "$W/none.crt"
refused "a file that holds none" "trusted certificates are those in '$W/public'" "$W/public"
fetch --connect-ms 3000 --key "$key" --from "$nginx/xz" info "$root" >"$W/log" 2>&1
check_eq "the machine's own authorities: it fails" $? 1
check_log "the machine's own authorities: says why" \
  "local issuer certificate; trusted certificates are those of libcurl" "$W/log"
serve_tls "$W" elsewhere http2
refused "another host's certificate" "(does not match|matches) target host name '127.0.0.1'" "$W/ca.crt"
serve_tls "$W" expired http2
refused "an old certificate" "certificate has expired" "$W/ca.crt"

# ---- what servers do ----
serve_tls "$W" server ""
restore "a server without HTTP/2" --from "$nginx/xz"
check_eq "a server without HTTP/2: HTTP/1.1 is used" "$(versions)" "HTTP/1.1 "
# It ends its connection again and again, in the middle of what goes on.
serve_tls "$W" server http2 "keepalive_requests 5;"
restore "a server that ends connections" --from "$nginx/xz"
check_eq "a server that ends connections: HTTP/2 is used" "$(versions)" "HTTP/2.0 "
check_eq "a server that ends connections: there were several" "$(($(connections) > 3))" 1
serve_tls "$W" server http2 "http2_max_concurrent_streams 2;"
restore "a server with few streams" --from "$nginx/xz"
check_eq "a server with few streams: HTTP/2 is used" "$(versions)" "HTTP/2.0 "
check_eq "a server with few streams: no more connections than allowed" "$(($(connections) <= 24))" 1
serve_tls "$W" server http2 "location / { limit_rate 2m; }"
restore "a slow server" --from "$nginx/xz"

# From https to https only.
serve_nginx "$W"
plain=$nginx
serve_tls "$W" server http2 "location /plain/ { return 302 $plain\$uri; }" \
  "location /moved/ { rewrite ^/moved(/.*)\$ \$1 redirect; }"
restore "a redirect to https" --from "$nginx/moved/xz"
fetch --ca-file "$W/ca.crt" --key "$key" --from "$nginx/plain/xz" info "$root" >"$W/log" 2>&1
check_eq "a redirect from https to http: it fails" $? 1
check_log "a redirect from https to http: says why" 'Protocol "http" (not supported|disabled)' "$W/log"
check_eq "a redirect from https to http: is not followed" "$(grep -c plain "$W"/nginx/access-"${plain##*:}".log)" 0

# ---- what we write ----
serve_tls "$W" server http2 \
  "location /dav/ { dav_methods PUT; create_full_put_path on; client_max_body_size 0; }"
for f in $(cd "$W/xz" && find . -type f -name '*.nar*' -printf '%P\n'); do
  fetch --ca-file "$W/ca.crt" --to "$nginx/dav/cache" put "$f" "$W/xz/$f" || break
done >"$W/put.log" 2>&1
cp "$W/xz/nix-cache-info" "$W/dav/cache/"
check_eq "PUT over HTTP/2: it holds what was put" \
  "$(cd "$W/dav/cache" && find . -type f -exec sha256sum {} + | sort)" \
  "$(cd "$W/xz" && find . -type f -exec sha256sum {} + | sort)"
check_eq "PUT over HTTP/2: it is what was used" "$(versions)" "HTTP/2.0 "
fetch --ca-file "$W/other.crt" --to "$nginx/dav/other" put x.narinfo "$W/public" >"$W/log" 2>&1
check_eq "PUT to a server that is not believed: it fails" $? 1
check "PUT to a server that is not believed: nothing is there" absent "$W/dav/other"
finish

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Shared by the tests of binary caches: a closure that Nix builds and copies into caches, and
# servers.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
: "${NIH_FETCH:=$(dirname "$NIX_OCI_HOOK")/tests/tools/fetch}"

fetch() { timeout 60 "$NIH_FETCH" "$@"; }
# closure_built [NIX-BUILD ARG...]: have `root` (a path), `closure` (one a line) and keys
closure_built() {
  [ -x "$NIH_FETCH" ] || skip_all "no $NIH_FETCH: make check builds it"
  root=$(nix_build ref "$here/cache/cache.nix" -A all "$@") ||
    { sed 's/^/# /' "$W/ref.log"; skip_all "Nix cannot build the closure"; }
  closure=$(on ref nix-store -qR "$root")
  # shellcheck disable=SC2086 # a list of words
  on ref nix-hash --type sha256 $closure >"$W/hashes"
  on ref nix-store --generate-binary-cache-key test-1 "$W/secret" "$W/public"
  on ref nix-store --generate-binary-cache-key other-1 "$W/secret-other" "$W/public-other"
  key=$(cat "$W/public") other_key=$(cat "$W/public-other")
}
# nix_copy DIR PARAMETERS: the closure into the cache at DIR, by Nix, signed
nix_copy() {
  on ref nix copy --to "file://$1?secret-key=$W/secret&$2" "$root" 2>"$W/copy.log"
}
# same DIR: the closure lies in DIR as it does in the store, by the hashes of all NARs
same() {
  # shellcheck disable=SC2086 # a list of words
  (cd "$1" && nix-hash --type sha256 $(sed 's,.*/,,' <<<"$closure")) | cmp - "$W/hashes" || return
  [ "$(find "$1" -mindepth 1 -maxdepth 1 | wc -l)" = "$(wc -l <<<"$closure")" ]
}
# absent DIR: nothing lies in DIR
absent() { [ -z "$(ls -A "$1" 2>/dev/null)" ]; }

# ---- servers, on a port of loopback; they end with the test's pid namespace ----
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
wait_for_port() { # wait_for_port PORT
  local i
  for i in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.05
  done
  return 1
}
# serve_nginx DIR [LINE...]: sets `nginx`, the URL; the lines go into the server's block. `tls` is what
# else it listens by.
serve_nginx() {
  local dir=$1 port
  shift
  need nginx python3
  port=$(free_port)
  mkdir -p "$W/nginx"
  {
    echo "daemon off; error_log $W/nginx/error.log; pid $W/nginx/pid-$port;"
    # As root its workers would be of a user who may not read the test's files.
    echo "user root; worker_processes 1;"
    echo "events { worker_connections 512; }"
    echo "http { log_format versions '\$server_protocol \$connection \$request \$status';"
    echo "access_log $W/nginx/access-$port.log ${tls:+versions}; sendfile on; default_type application/octet-stream;"
    for d in client_body proxy fastcgi uwsgi scgi; do
      echo "${d}_temp_path $W/nginx/$d;"
    done
    echo "server { listen 127.0.0.1:$port ${tls-}; root $dir;"
    for line; do echo "$line"; done
    echo "} }"
  } >"$W/nginx/conf-$port"
  nginx -e "$W/nginx/error.log" -c "$W/nginx/conf-$port" 2>"$W/nginx/stderr" &
  nginx_pid=$! nginx=http://127.0.0.1:$port nginx_log=$W/nginx/access-$port.log
  wait_for_port "$port" || { sed 's/^/# /' "$W/nginx/stderr"; skip_all "nginx does not start"; }
}

# ---- TLS ----
tls_authority() { # tls_authority NAME: makes $W/NAME.crt and $W/NAME.key
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj "/CN=authority $1" -keyout "$W/$1.key" -out "$W/$1.crt" 2>"$W/openssl.log"
}
# tls_certificate AUTHORITY NAME SUBJECT-ALT-NAME [DAYS]: makes $W/NAME.crt and $W/NAME.key
tls_certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" \
    -keyout "$W/$2.key" -out "$W/$2.csr" 2>"$W/openssl.log" &&
    openssl x509 -req -in "$W/$2.csr" -CA "$W/$1.crt" -CAkey "$W/$1.key" -CAcreateserial \
      -extfile <(echo "subjectAltName=$3") -days "${4-2}" -out "$W/$2.crt" 2>>"$W/openssl.log"
}
# serve_tls DIR CERTIFICATE http2|"" [LINE...]: as serve_nginx; its log begins each line with version
# of HTTP and number of the connection
serve_tls() {
  local dir=$1 cert=$2 tls="ssl ${3:-}"
  shift 3
  serve_nginx "$dir" "ssl_certificate $W/$cert.crt;" "ssl_certificate_key $W/$cert.key;" "$@"
  nginx=${nginx/http:/https:}
}

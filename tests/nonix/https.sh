#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds without Nix from a cache and into one that are served over TLS, by HTTP/2. The certificate
# is of the test's own authority, which is named in each possible way.
. "$(dirname "$0")/../cache/lib.bash"
need nginx openssl
world "$@"
expr=$here/nonix/build.nix
. "$here/nonix/nonix.sh"
nix_conf ref "sandbox-paths = /bin/sh=/bin/busybox"
tls_authority ca
tls_authority other
tls_certificate ca server IP:127.0.0.1
cp "$W/ca.crt" "$W/other.crt" "$share/"

top=$(drv_of top)
if ref_build top >/dev/null; then ok "Nix builds it"; else not_ok "Nix builds it" "$W/ref.log"; fi
outputs=$(on ref nix-store -q --outputs "$top" | sort)
# shellcheck disable=SC2046 # a list of paths
push from --derivation "$top" 2>"$W/ref.log" && push from $(inputs_of "$top") 2>>"$W/ref.log" ||
  not_ok "Nix pushes its closure" "$W/ref.log"
serve_tls "$share" server http2 \
  "location /to/ { dav_methods PUT; create_full_put_path on; client_max_body_size 0; }"
left_known=$(with_children "$nginx_pid")
left_begin
built() { # built WHAT CACHE: from there and into there, with Nix's result
  local p
  check_eq "$1: the exit code" "$rc" 0
  check_eq "$1: it prints the paths of all outputs" "$(sort "$W/bare.out")" "$outputs"
  check_eq "$1: HTTP/2 is what was used" "$(cut -d' ' -f1 "$nginx_log" | sort -u)" HTTP/2.0
  for p in $outputs; do
    check_eq "$1: the hash of ${p##*-} is that of Nix's own build" "$(narinfo "$2" "$p" NarHash)" \
      "$(on ref nix-store -q --hash "$p")"
  done
  nothing_left_bare "$1"
  : >"$nginx_log"
}
# with NAME=VALUE TO ARG...: build with that in the environment, into cache TO
with() {
  local var=$1 to=$2
  shift 2
  bare busybox env "$var" nix-oci-hook build --trusted-public-keys "$ref_key" "$top" \
    --from "$nginx/from" --to "$nginx/to/$to" --secret-key-file "$share/bare.secret" "$@" \
    >"$W/bare.out" 2>"$W/bare.log"
  rc=$?
}
with "NIX_SSL_CERT_FILE=$share/ca.crt" a
built "NIX_SSL_CERT_FILE" to/a
check_eq "no more connections than processes that have any" \
  "$(($(cut -d' ' -f2 "$nginx_log" | sort -u | wc -l) <= 3))" 1
with "SSL_CERT_FILE=$share/ca.crt" b
built "SSL_CERT_FILE" to/b
with "NIX_SSL_CERT_FILE=$share/other.crt" c --setting "ssl-cert-file=$share/ca.crt"
built "ssl-cert-file, which comes first" to/c
with X=y d --setting "ssl-cert-file=$share/ca.crt" --setting http2=false
check_eq "http2=false: the exit code" $rc 0
check_eq "http2=false: HTTP/1.1 is what was used" "$(cut -d' ' -f1 "$nginx_log" | sort -u)" HTTP/1.1

refused() { # refused WHAT MESSAGE NAME=VALUE
  with "$3" never
  check_eq "$1: the exit code" $rc 1
  check_log "$1: it is told" "^error: unable to download '$nginx/from/nix-cache-info': .*$2" "$W/bare.log"
  check "$1: nothing is there" absent "$share/to/never"
  nothing_left_bare "$1"
}
refused "another authority" "trusted certificates are those in '$share/other.crt'" \
  "NIX_SSL_CERT_FILE=$share/other.crt"
refused "a file that is not there" "trusted certificates are those in '/none.crt'" \
  "NIX_SSL_CERT_FILE=/none.crt"
refused "no authority at all" "trusted certificates are those of libcurl" X=y

# Nix, over the same connection, takes what was built.
rm -rf "$W/hook" "$HOME/.cache" && mkdir "$W/hook"
nix_conf hook "substituters = $nginx/to/a $nginx/from" "require-sigs = true" \
  "trusted-public-keys = $ref_key $bare_key"
# shellcheck disable=SC2086 # a list of paths
if NIX_SSL_CERT_FILE=$W/ca.crt on hook nix-store -r $outputs >"$W/subst.out" 2>"$W/hook.log"; then
  ok "Nix substitutes it"
else
  not_ok "Nix substitutes it" "$W/hook.log"
fi
kill "$nginx_pid"
finish

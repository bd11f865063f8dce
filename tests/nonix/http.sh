#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The round trip over HTTP: Nix pushes to a cache that nginx serves, a machine without Nix builds from
# it and puts the result there, and Nix substitutes it.
. "$(dirname "$0")/../lib.sh"
need nginx
world "$@"
expr=$here/nonix/build.nix
. "$here/nonix/nonix.sh"
nix_conf ref "sandbox-paths = /bin/sh=/bin/busybox"

mkdir -p "$W/nginx" "$W/readonly" "$share/web"
chmod 777 "$share/web" # its workers are nobody
port=$((20000 + RANDOM % 20000))
cat >"$W/nginx/nginx.conf" <<EOF
worker_processes 1;
pid $W/nginx/pid;
error_log $W/nginx/error.log;
events { worker_connections 256; }
http {
  access_log $W/nginx/access.log;
  client_body_temp_path $W/nginx/body;
  proxy_temp_path $W/nginx/proxy;
  fastcgi_temp_path $W/nginx/fastcgi;
  uwsgi_temp_path $W/nginx/uwsgi;
  scgi_temp_path $W/nginx/scgi;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:$port;
    root $share/web;
    dav_methods PUT;
    create_full_put_path on;
    location /readonly/ { alias $W/readonly/; limit_except GET { deny all; } }
    location /slow/ { alias $share/web/; limit_rate 100k; }
  }
}
EOF
chmod 755 "$W" "$W/nginx" "$share"
nginx -p "$W/nginx" -c "$W/nginx/nginx.conf" 2>"$W/nginx/start.log" || skip_all "nginx does not start: $(tail -n 1 "$W/nginx/start.log")"
left_known=$(with_children "$(cat "$W/nginx/pid")")
url=http://127.0.0.1:$port

# ---- Nix pushes, by HTTP ----
top=$(drv_of top)
if ref_build top >/dev/null; then ok "Nix builds it"; else not_ok "Nix builds it" "$W/ref.log"; fi
outputs=$(on ref nix-store -q --outputs "$top" | sort)
to_web="$url?secret-key=$share/ref.secret"
# shellcheck disable=SC2046 # a list of paths
on ref nix copy --to "$to_web" --derivation "$top" 2>"$W/ref.log" &&
  on ref nix copy --to "$to_web" $(inputs_of "$top") 2>>"$W/ref.log"
if [ $? = 0 ]; then ok "Nix pushes its closure by HTTP"; else not_ok "Nix pushes its closure by HTTP" "$W/ref.log"; fi
left_begin

# ---- the round trip ----
bare_build "$top" --from "$url" --to "$url" --secret-key-file "$share/bare.secret" >"$W/bare.out"
if [ $? = 0 ]; then ok "it builds from there and puts the outputs there"; else
  not_ok "it builds from there and puts the outputs there" "$W/bare.log" "$W/nginx/error.log"
fi
check_eq "it prints the paths of all outputs" "$(sort "$W/bare.out")" "$outputs"
nothing_left_bare "a build over HTTP"
check_eq "the cache has every output once" \
  "$(grep -c '"PUT /[0-9a-z]*\.narinfo .* 201 ' <(grep nix-oci-hook "$W/nginx/access.log"))" "$(wc -l <<<"$outputs")"

rm -rf "$W/hook" "$HOME/.cache" && mkdir "$W/hook"
nix_conf hook "substituters = $url" "trusted-public-keys = $ref_key $bare_key" "require-sigs = true"
# shellcheck disable=SC2086 # a list of paths
if on hook nix-store -r $outputs >"$W/subst.out" 2>"$W/hook.log"; then
  ok "Nix substitutes them, with their signatures checked"
else
  not_ok "Nix substitutes them, with their signatures checked" "$W/hook.log"
fi
for p in $outputs; do
  check_eq "$(sed 's/.*-top/top/' <<<"$p"): the hash is that of Nix's own build" \
    "$(on hook nix-store -q --hash "$p")" "$(on ref nix-store -q --hash "$p")"
done
check "the store with the substituted paths verifies" verify hook
rm -rf "$W/hook" "$HOME/.cache" && mkdir "$W/hook"
nix_conf hook "substituters = $url" "trusted-public-keys = $ref_key" "require-sigs = true"
# shellcheck disable=SC2086
on hook nix-store -r $outputs >"$W/subst.out" 2>"$W/hook.log"
check "without the key it does not" [ $? != 0 ]

# ---- what goes wrong ----
rm -rf "$bare_cache"
readonly_cache() { # readonly_cache NAME BUILT: how many are built before it is known
  bare_build "$top" --from "$url" --to "$url/readonly" >"$W/bare.out"
  check_eq "$1: the exit code" $? 1
  check_log "$1: it is told" "error: .*$url/readonly" "$W/bare.log"
  check_eq "$1: what is built" "$(grep -c "^building '" "$W/bare.log")" "$2"
  check_eq "$1: no path is printed" "$(cat "$W/bare.out")" ""
  nothing_left_bare "$1"
}
readonly_cache "a cache that cannot be made" 0
echo "StoreDir: /nix/store" >"$W/readonly/nix-cache-info"
readonly_cache "a cache that takes nothing" 1
bare_build "$top" --from "http://127.0.0.1:1" --to "file://$share/never" >"$W/bare.out"
check_eq "a server that is not there: the exit code" $? 1
check_log "a server that is not there: it is told" "127.0.0.1:1" "$W/bare.log"

# ---- stopped while it fetches ----
rm -rf "$bare_cache"
stop() { # stop NAME SIGNAL EXIT
  local pid
  bare_become nix-oci-hook build --trusted-public-keys "$ref_key" "$top" --from "$url/slow" \
    --to "file://$share/stopped" >"$W/bare.out" 2>"$W/bare.log" &
  pid=$!
  for _ in $(seq 200); do
    [ -n "$(find "$bare_cache/runs" -name tools -o -name busybox -size +20k 2>/dev/null)" ] && break
    sleep 0.05
  done
  check_log "$1: it is fetching" '^copying path ' "$W/bare.log"
  kill "-$2" $pid
  wait $pid
  check_eq "$1: the exit code" $? "$3"
  # Of a process that was killed the next one removes an empty lock.
  [ "$2" != KILL ] || { sleep 0.2 && bare_build "$top" --from "$url" --dry-run >"$W/bare.out"; }
  nothing_left_bare "$1"
  check_eq "$1: nothing half fetched is in the cache" "$(find "$bare_cache/entries" -name busybox | wc -l)" 0
}
stop "SIGINT while it fetches" INT 130
stop "SIGKILL while it fetches" KILL 137
kill "$(cat "$W/nginx/pid")"
finish

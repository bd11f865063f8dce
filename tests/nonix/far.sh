#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A build from a cache that is far away, of a long chain of derivations. The cache has the output of
# only the lowest one, which is fixed. As few requests as possible wait for the answer to another.
# NIH_FAR_MS: how long an answer takes. NIH_FAR_N: the length of the chain.
. "$(dirname "$0")/../lib.sh"
need python3
world "$@"
expr=$here/nonix/far.nix
. "$here/nonix/nonix.sh"
n=${NIH_FAR_N:-50}
chain=$(drv_of chain --arg n "$n")
nix_conf ref "sandbox-paths = /bin/sh=/bin/busybox"
push far --derivation "$chain" 2>"$W/ref.log" && fixed=$(ref_build fixed) &&
  push far "$fixed" 2>"$W/ref.log" || not_ok "Nix pushes it" "$W/ref.log"
drvs=$(on ref nix-store -qR "$chain" | grep '\.drv$')
python3 "$here/nonix/far.py" "$share/far" "$W/far.log" "${NIH_FAR_MS:-20}" >"$W/port" 2>"$W/far.err" &
left_known=$!
for _ in $(seq 100); do [ -s "$W/port" ] && break; sleep 0.1; done
[ -s "$W/port" ] || { sed 's/^/# /' "$W/far.err"; skip_all "the server does not start"; }
url=http://127.0.0.1:$(cat "$W/port")
left_begin

plan() { # plan [ARG...]: sets `ms`
  local start=$EPOCHREALTIME
  : >"$W/far.log"
  bare_build "$chain" --from "$url" --dry-run "$@" >"$W/bare.out"
  rc=$?
  ms=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print int((b - a) * 1000) }')
}
plan --recursive
check_eq "a plan for all of it" $rc 0
check_eq "a plan for all of it: what is built" "$(grep -c '\.drv$' "$W/bare.out")" "$n"
echo "# a chain of $n, ${NIH_FAR_MS:-20} ms away: planned in $ms ms by $(wc -l <"$W/far.log") requests"
check_eq "each file is asked for once" "$(sort "$W/far.log" | uniq -d)" ""
# Contents do not wait for each other, nor a narinfo for contents: what a derivation refers to stands
# in its narinfo. The first NAR is that of the one which was asked for.
hashes=$(sed 's,.*/\(.\{32\}\)-.*,\1,' <<<"$drvs")
last=$(grep -nF -e "$hashes" "$W/far.log" | tail -n 1 | cut -d: -f1)
check_eq "all narinfos of derivations are asked for before the second content" \
  "$(head -n "$last" "$W/far.log" | grep -c '^/nar/')" 1
nothing_left_bare "a plan"

# What is not needed may be missing.
unneeded=$(grep -e '-unneeded.drv' <<<"$drvs" | sed 's,.*/\(.\{32\}\)-.*,\1,')
nar=$(sed -n 's/^URL: //p' "$share/far/$unneeded.narinfo")
mv "$share/far/$nar" "$W/nar"
plan --recursive
check_eq "without the contents of what is not needed: the exit code" $rc 0
check_eq "without the contents of what is not needed: what is built" \
  "$(grep -c '\.drv$' "$W/bare.out")" "$n"
mv "$share/far/$unneeded.narinfo" "$W/narinfo"
plan --recursive
check_eq "without what is not needed: the exit code" $rc 0
mv "$W/nar" "$share/far/$nar" && mv "$W/narinfo" "$share/far/$unneeded.narinfo"

# What is needed may not.
needed=$(grep -e '-chain-3.drv' <<<"$drvs")
nar=$(sed 's,.*/\(.\{32\}\)-.*,\1,' <<<"$needed")
mv "$share/far/$nar.narinfo" "$W/narinfo"
plan --recursive
check_eq "without what is needed: the exit code" $rc 1
check_log "without what is needed: it is told" "^error: derivation '$needed' is in none of the caches" "$W/bare.log"
mv "$W/narinfo" "$share/far/$nar.narinfo"
plan
check_eq "a plan for the last alone: the exit code" $rc 1
check_log "a plan for the last alone: what is missing" "an output of '.*-chain-$((n - 2)).drv'" "$W/bare.log"
finish

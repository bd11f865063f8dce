#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds on a machine without Nix, from a cache of files and into one. Nix then substitutes the
# outputs, which equal those that it builds itself.
. "$(dirname "$0")/../lib.sh"
world "$@"
expr=$here/nonix/build.nix
. "$here/nonix/nonix.sh"
nix_conf ref "sandbox-paths = /bin/sh=/bin/busybox"

check "the root has no Nix" \
  bare sh -c '[ ! -e /nix ] && ! command -v nix && ! command -v nix-store && ! command -v nix-build'
top=$(drv_of top)
if ref_build top >/dev/null; then ok "Nix builds it"; else not_ok "Nix builds it" "$W/ref.log"; fi
outputs=$(on ref nix-store -q --outputs "$top" | sort)
push all --derivation "$top"
# shellcheck disable=SC2046 # a list of paths
push all $(inputs_of "$top")
left_begin

same_hashes() { # same_hashes DIR PATH...: the cache's NAR hashes are those of Nix's own builds
  local p dir=$1
  shift
  for p; do
    [ "$(narinfo "$dir" "$p" NarHash)" = "$(on ref nix-store -q --hash "$p")" ] || { echo "$p"; return 1; }
  done
}
ref_refs() { on ref nix-store -q --references "$1" | sed 's,.*/,,' | sort | xargs; }
ours() { find "$share/$1" -name '*.narinfo' | wc -l; }

# ---- what it would do ----
bare_build "$top" --from "file://$share/all" --dry-run >"$W/bare.out"
check_eq "--dry-run succeeds" $? 0
need=$(inputs_of "$top")
sum() { # sum FIELD: over all inputs, in MiB
  local p
  for p in $need; do narinfo all "$p" "$1"; done | awk '{ n += $1 } END { printf "%.2f MiB", n / 1048576 }'
}
check_eq "--dry-run tells what it would build and fetch, and how much" "$(cat "$W/bare.out")" \
  "this derivation will be built:
  $top
these $(wc -l <<<"$need") paths will be fetched ($(sum FileSize) download, $(sum NarSize) unpacked):
$(sort <<<"$need" | sed 's/^/  /')"
bare_build "$top" --from "file://$share/all" --dry-run --json >"$W/bare.out"
check_eq "--dry-run --json tells the same" \
  "$(python3 -c 'import json, sys; d = json.load(sys.stdin); print(len(d["build"]), len(d["fetch"]), d["narSize"])' <"$W/bare.out")" \
  "1 $(wc -l <<<"$need") $(for p in $need; do narinfo all "$p" NarSize; done | awk '{ n += $1 } END { print n }')"
check "--dry-run makes no directory" [ ! -e "$bare_cache" ]

# ---- the round trip ----
bare_build "$top" --from "file://$share/all" --to "file://$share/out" \
  --secret-key-file "$share/bare.secret" >"$W/bare.out"
if [ $? = 0 ]; then ok "it builds from a cache"; else not_ok "it builds from a cache" "$W/bare.log"; fi
check_eq "it prints the paths of all outputs" "$(sort "$W/bare.out")" "$outputs"
check_log "it tells what it builds" "^building '$top'\.\.\.$" "$W/bare.log"
check_log "the builder's log is shown" '^building the top$' "$W/bare.log"
check_eq "each copied path is told once" "$(grep -c '^copying path .* from ' "$W/bare.log")" "$(wc -l <<<"$need")"
# shellcheck disable=SC2086 # a list of paths
check "the hashes are those of Nix's own build" same_hashes out $outputs
for p in $outputs; do
  check_eq "$(sed 's/.*-top/top/' <<<"$p"): the references are Nix's" "$(narinfo out "$p" References)" "$(ref_refs "$p")"
  check_eq "$(sed 's/.*-top/top/' <<<"$p"): the deriver is told" "$(narinfo out "$p" Deriver)" "${top##*/}"
done
nothing_left_bare "a build without Nix"

subst() { # subst KEYS PATH...: into a fresh store
  local keys=$1
  shift
  rm -rf "$W/hook" "$HOME/.cache"
  mkdir "$W/hook"
  nix_conf hook "substituters = file://$share/out file://$share/all" "trusted-public-keys = $keys" \
    "require-sigs = true"
  on hook nix-store -r "$@" >"$W/subst.out" 2>"$W/hook.log"
}
# shellcheck disable=SC2086
if subst "$ref_key $bare_key" $outputs; then ok "Nix substitutes it"; else not_ok "Nix substitutes it" "$W/hook.log"; fi
for p in $outputs; do
  check_eq "$(sed 's/.*-top/top/' <<<"$p"): the substituted hash is that of Nix's own build" \
    "$(on hook nix-store -q --hash "$p")" "$(on ref nix-store -q --hash "$p")"
done
check "the store with the substituted paths verifies" verify hook
# shellcheck disable=SC2086
subst "$ref_key" $outputs
check "Nix does check the signature" [ $? != 0 ]

# ---- again ----
bare_build "$top" --from "file://$share/all" --to "file://$share/out" >"$W/bare.out"
check_eq "what is published already is not built again" "$(grep -c '^building' "$W/bare.log")" 0
check_eq "... and its paths are printed" "$(sort "$W/bare.out")" "$outputs"
cp -r "$share/out" "$W/before"
bare_build "$top" --from "file://$share/all" --to "file://$share/out" --rebuild --json >"$W/bare.out"
check_log "--rebuild builds it" "^building '$top'" "$W/bare.log"
check_eq "what was fetched is not fetched again" "$(grep -c '^copying path .* from ' "$W/bare.log")" 0
check_eq "--json prints the derivation and its outputs" \
  "$(python3 -c 'import json, sys; d = json.load(sys.stdin)[0]; print(d["drvPath"], *d["outputs"].values(), sep="\n")' <"$W/bare.out" | sort)" \
  "$(printf '%s\n' "$top" "$outputs" | sort)"
check "what is in the cache is left as it is" diff -r "$W/before" "$share/out"

# ---- what is in the cache was cut off ----
cut_off() { truncate -s "$(($(stat -c %s "$1") / 2))" "$1"; }
again() { # again NAME
  bare_build "$top" --from "file://$share/all" --to "file://$share/out" \
    --secret-key-file "$share/bare.secret" >"$W/bare.out"
  check_eq "$1: it is built again" $? 0
  check_log "$1: it is told" '^warning: .* is damaged and is written anew: ' "$W/bare.log"
  check "$1: it is whole again" diff -r "$W/before" "$share/out"
}
one=$(head -n 1 <<<"$outputs")
one=$(basename "$one" | cut -c-32).narinfo
cut_off "$share/out/$one"
again "a narinfo that was cut off"
cut_off "$share/out/$(sed -n 's/^URL: //p' "$share/out/$one")"
again "a NAR that was cut off"
rm "$share/out/$(sed -n 's/^URL: //p' "$share/out/$one")"
again "a NAR that is gone"
printf 'StoreDir: /nix/st' >"$share/out/nix-cache-info"
bare_build "$top" --from "file://$share/all" --to "file://$share/out" >"$W/bare.out"
check_eq "a nix-cache-info that was cut off: nothing is built again" "$?-$(grep -c '^building' "$W/bare.log")" 0-0
check "a nix-cache-info that was cut off: it is whole again" diff -r "$W/before" "$share/out"

# ---- without a key, other compressions, a local file ----
for c in none zstd bzip2; do
  cp "$W/ref/store/${top##*/}" "$share/local.drv"
  bare_build "$share/local.drv" --from "file://$share/all" --to "file://$share/$c" --compression $c >"$W/bare.out"
  check_eq "$c: a derivation that is a local file" "$(sort "$W/bare.out")" "$outputs"
  # shellcheck disable=SC2086
  check "$c: the hashes are those of Nix's own build" same_hashes $c $outputs
done
check_eq "without a key nothing is signed" "$(cat "$share"/none/*.narinfo | grep -c '^Sig:')" 0
rm -rf "$W/hook" "$HOME/.cache" && mkdir "$W/hook"
nix_conf hook "substituters = file://$share/zstd file://$share/bzip2" "require-sigs = false"
# shellcheck disable=SC2086
check "Nix reads them" on hook nix-store -r $outputs --option substituters "file://$share/zstd file://$share/all"

# ---- what no cache has ----
push drvs --derivation "$top"
bare_build "$top" --from "file://$share/drvs" --to "file://$share/rec" >"$W/bare.out"
check_eq "missing inputs: the exit code" $? 1
check_log "missing inputs: they are named" "'/nix/store/[^']*-middle', an output of '/nix/store/[^']*-middle.drv'" "$W/bare.log"
check_log "missing inputs: it says what helps" "--recursive builds what is an output" "$W/bare.log"
bare_build "$top" --from "file://$share/drvs" --dry-run --recursive >"$W/bare.out"
check_eq "--recursive --dry-run tells all that would be built, what is needed first" \
  "$(sed -n 's,^  .*-\(.*\)\.drv$,\1,p' "$W/bare.out" | tail -n 1) $(grep -c '\.drv$' "$W/bare.out")" "top 4"
bare_build "$top" --from "file://$share/drvs" --to "file://$share/rec" --recursive -j 2 \
  --secret-key-file "$share/bare.secret" >"$W/bare.out"
if [ $? = 0 ]; then ok "--recursive builds what no cache has"; else not_ok "--recursive builds what no cache has" "$W/bare.log"; fi
check_eq "--recursive: only the paths that were asked for are printed" "$(sort "$W/bare.out")" "$outputs"
check_eq "--recursive: everything that was built is published" "$(ours rec)" 6
check_log "with several builds at once each line has its build's name" '^lowest> building the lowest$' "$W/bare.log"
# shellcheck disable=SC2086,SC2046
check "--recursive: the hashes are those of Nix's own builds" same_hashes rec $outputs \
  $(on ref nix-store -q --references "$(head -n 1 <<<"$outputs")" | grep -- '-middle$')
nothing_left_bare "--recursive"
fixed=$(on ref nix-store -q --outputs "$(drv_of fixed)")
check_eq "a fixed output has its content address" "$(narinfo rec "$fixed" CA)" \
  "$(on ref nix path-info --json "$fixed" | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["ca"])')"
rm -rf "$W/hook" "$HOME/.cache" && mkdir "$W/hook"
nix_conf hook "substituters = file://$share/rec file://$share/drvs" "trusted-public-keys = $bare_key"
# shellcheck disable=SC2086
check "Nix substitutes all of it from there" on hook nix-store -r $outputs

# ---- a stored request ----
on ref "$NIX_OCI_HOOK" request "$top" >"$share/request.json" 2>"$W/ref.log" ||
  not_ok "a request is made of it" "$W/ref.log"
bare_build "$share/request.json" --from "file://$share/all" --to "file://$share/req" >"$W/bare.out"
if [ $? = 0 ]; then ok "a stored request is built"; else not_ok "a stored request is built" "$W/bare.log"; fi
check_eq "a stored request: the paths" "$(sort "$W/bare.out")" "$outputs"
# shellcheck disable=SC2086
check "a stored request: the hashes are those of Nix's own build" same_hashes req $outputs
for p in $outputs; do
  check_eq "$(sed 's/.*-top/top/' <<<"$p"): a stored request: the references are Nix's" \
    "$(narinfo req "$p" References)" "$(ref_refs "$p")"
done
check_eq "a stored request has no deriver" "$(cat "$share"/req/*.narinfo | grep -c '^Deriver:')" 0
nothing_left_bare "all of it"
finish

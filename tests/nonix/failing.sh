#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds without Nix that fail or are stopped: check messages and exit codes, and that nothing is
# left or published.
. "$(dirname "$0")/../lib.sh"
world "$@"
expr=$here/nonix/build.nix
. "$here/nonix/nonix.sh"
nix_conf ref "sandbox-paths = /bin/sh=/bin/busybox"
from="file://$share/drvs" to="file://$share/out"
mkdir -p "$share/out"
for attr in top failing both wrongHash disallowed foreign slow large; do
  push drvs --derivation "$(drv_of $attr)" 2>"$W/ref.log" || not_ok "Nix pushes $attr" "$W/ref.log"
done
left_begin
published() { find "$share/out" -name '*.narinfo' | wc -l; }
fails() { # fails NAME EXIT PATTERN ATTR ARG...: with that exit code and message
  local name=$1 want=$2 pattern=$3 drv
  drv=$(drv_of "$4")
  shift 4
  bare_build "$drv" --from "$from" --to "$to" --recursive "$@" >"$W/bare.out"
  check_eq "$name: the exit code" $? "$want"
  check_log "$name: it is told" "$pattern" "$W/bare.log"
  check_eq "$name: nothing is printed" "$(cat "$W/bare.out")" ""
  nothing_left_bare "$name"
}

# ---- builds that fail ----
fails "a failing builder" 100 "error: builder for '/nix/store/.*-failing.drv' failed with exit code 3" failing
check_log "a failing builder: its log is shown" '^this goes wrong$' "$W/bare.log"
check_eq "a failing builder: nothing is published" "$(published)" 0
fails "a wrong hash" 100 "hash mismatch in fixed-output derivation '/nix/store/.*-wrong-hash.drv'" wrongHash
check_eq "a wrong hash: nothing is published" "$(published)" 0
fails "a builder that takes too long" 101 "timed out after 1 seconds" slow --timeout 1
before=$(published) # what slow uses
fails "a forbidden reference" 100 "is not allowed to refer to" disallowed
check_eq "a forbidden reference: nothing is published" "$(published)" "$before"
fails "a foreign system" 1 "cannot be built here: this machine does not build for 'riscv64-linux'" foreign
fails "a failed dependency" 100 "failed with exit code 3" both
check_eq "a failed dependency: what needs it is not built" "$(grep -c "^building '.*-above.drv'" "$W/bare.log")" 0
fails "--keep-going" 100 "failed with exit code 3" both --keep-going
check_log "--keep-going: what does not need it is built" "^building '/nix/store/.*-beside.drv'" "$W/bare.log"
check_eq "--keep-going: what needs it is not built" "$(grep -cE "^building '.*-(above|both).drv'" "$W/bare.log")" 0
bare_build "$(drv_of failing)" --from "$from" --to "$to" --keep-failed >"$W/bare.out"
check_log "--keep-failed: it is told where" "note: keeping build directory '/tmp/nix-build-failing.drv-0" "$W/bare.log"
check "--keep-failed: it is there" [ -d "$bare/tmp/nix-build-failing.drv-0" ]
rm -rf "$bare/tmp"/nix-build-*

# ---- inputs that are not to be had ----
top=$(drv_of top)
ref_build top >/dev/null
# shellcheck disable=SC2046 # a list of paths
push all $(inputs_of "$top") && push all --derivation "$top"
variant() { # variant NAME: a copy of the cache to change
  rm -rf "${share:?}/$1" "$bare_cache"
  cp -r "$share/all" "$share/$1"
  from="file://$share/$1"
}
info_of() { # info_of DIR NAME: the narinfo of the path that is called so
  grep -l "^StorePath: .*-$2\$" "$share/$1"/*.narinfo
}
refused() { # refused NAME PATTERN ARG...: a build of top from $from
  local name=$1 pattern=$2
  shift 2
  bare_build "$top" --from "$from" --to "file://$share/never" "$@" >"$W/bare.out"
  check_eq "$name: the exit code" $? 1
  check_log "$name: it is told" "$pattern" "$W/bare.log"
  check_eq "$name: nothing is built" "$(grep -c '^building' "$W/bare.log")" 0
  nothing_left_bare "$name"
}
variant missing
rm "$(info_of missing source)"
refused "a missing source" "'/nix/store/[^']*-source', a source of '$top'"
variant nodrv
rm "$(info_of nodrv lowest.drv)"
refused "a missing derivation" "derivation '/nix/store/[^']*-lowest.drv' is in none of the caches"
variant unsigned
sed -i '/^Sig:/d' "$(info_of unsigned lowest)"
refused "an input without a signature" "signed.*|signature"
check_log "an input without a signature: it is named" "'/nix/store/[^']*-lowest', an output of" "$W/bare.log"
variant forged
sed -i 's,^Sig: .*,Sig: ref-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==,' "$(info_of forged lowest)"
refused "an input with a wrong signature" "signed.*|signature"
check_log "an input with a wrong signature: it is named" "'/nix/store/[^']*-lowest', an output of" "$W/bare.log"
bare_build "$top" --from "$from" --to "file://$share/nocheck" --no-check-sigs >"$W/bare.out"
check_eq "--no-check-sigs takes it" $? 0
variant damaged
nar=$share/damaged/$(sed -n 's/^URL: //p' "$(info_of damaged lowest)")
printf 'X' | dd of="$nar" bs=1 seek=150 conv=notrunc 2>/dev/null
refused "a damaged NAR" "lowest"
check_eq "a damaged NAR: it is not in the cache of inputs" \
  "$(ls "$bare_cache/entries" | grep -c "$(on ref nix-store -q --hash "$(on ref nix-store -q --outputs "$(drv_of lowest)")" | sed 's/sha256://')")" 0
variant otherdrv
cp "$(info_of otherdrv lowest.drv)" "$W/saved"
sed "s,^\(URL\|FileHash\|FileSize\|NarHash\|NarSize\): .*,," "$W/saved" | sed '/^$/d' >"$W/head"
sed -n '/^\(URL\|FileHash\|FileSize\|NarHash\|NarSize\): /p' "$(info_of otherdrv middle.drv)" >>"$W/head"
cp "$W/head" "$(info_of otherdrv lowest.drv)"
refused "a derivation with another's contents" "lowest.drv" --no-check-sigs
check "what was refused is not published" [ ! -e "$share/never/nar" -o -z "$(ls -A "$share/never/nar" 2>/dev/null)" ]

# ---- stopped in the middle ----
from="file://$share/drvs"
slow=$(drv_of slow)
stop() { # stop NAME SIGNAL EXIT DRV PATTERN: when the log has that line
  local pid
  bare_become nix-oci-hook build --trusted-public-keys "$ref_key" "$4" --from "$from" \
    --to "file://$share/stopped" --recursive >"$W/bare.out" 2>"$W/bare.log" &
  pid=$!
  for _ in $(seq 200); do grep -qE -e "$5" "$W/bare.log" && break; sleep 0.05; done
  check_log "$1: it has come so far" "$5" "$W/bare.log"
  kill "-$2" $pid
  wait $pid
  check_eq "$1: the exit code" $? "$3"
  if [ "$2" != KILL ]; then
    check_eq "$1: nothing is left when it has ended" "$(bare_left)" ""
  else
    nothing_left_bare "$1"
  fi
  check_eq "$1: nothing of it is published" "$(grep -lE -- '^StorePath: .*-(slow|large)$' "$share"/stopped/*.narinfo)" ""
  check_eq "$1: there are only whole files in the cache" "$(find "$share/stopped" -name '.*' -type f)" ""
}
large=$(drv_of large)
for s in "INT 130" "TERM 143" "KILL 137"; do
  # shellcheck disable=SC2086 # two words
  stop "SIG${s% *} while it builds" $s "$slow" '^slow has begun'
  # shellcheck disable=SC2086
  stop "SIG${s% *} while it publishes" $s "$large" "^copying path '.*-large' to 'file://"
done
finish

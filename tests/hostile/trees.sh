#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Trees that take long to remove, in the build directory and in an output, on a store that is a bind
# mount (as on NixOS and in containers): the slot and the build user are free again soon.
. "$(dirname "$0")/../lib.sh"
need crun perl
world "$@"

# In memory: a disk may take its time to discard blocks. Not its root, as to go up from there costs
# nothing on a bind mount either.
mount -t tmpfs -o size=3g,nr_inodes=2m,mode=755 none "$W/tmp" && mkdir "$W/tmp/"{ref,hook} || exit 1
for side in ref hook; do mount --bind "$W/tmp/$side" "$W/$side"; done
mkdir "$W/temporary"
TMPDIR=$W/temporary
left_mounts="$W/tmp
$W/ref
$W/hook"

cat >"$W/trees.nix" <<'END'
let
  perl = name: script: derivation {
    inherit name;
    system = builtins.currentSystem;
    builder = "/usr/bin/perl";
    args = [ "-e" script ];
  };
  deep = n: name: end: perl name ''
    for (1..${toString n}) { mkdir "d" and chdir "d" or die "$_: $!" }
    $| = 1; print "made\n"; ${end}'';
  output = "mkdir $ENV{out} or die $!;";
in
{
  deep = deep 100000 "deep" output;
  fails = deep 100000 "fails" "exit 3";
  waits = deep 100000 "waits" "sleep 1000";
  deep-output = perl "deep-output" ''
    mkdir $ENV{out}; chdir $ENV{out};
    for (1..100000) { mkdir "d" and chdir "d" or die "$_: $!" }'';
  # Each directory has others before and behind the one that leads on.
  bushy = perl "bushy" ''
    for (1..10000) { mkdir $_ and mkdir "$_/x" or die $! for "a", "b", "c"; chdir "b/x" or die $! }
    ${output}'';
  wide = perl "wide" ''
    for (1..10000) { mkdir $_ and open(my $f, ">", "$_/f") or die $! } ${output}'';
  files = perl "files" ''
    for (1..200000) { open(my $f, ">", $_) or die $! } ${output}'';
  quick = perl "quick" output;
}
END
# Outputs that are deep, with a file and a link on each level.
cat >"$W/depth.nix" <<'END'
{ depth, hash ? null, name ? "depth" }:
derivation ({
  inherit name;
  system = builtins.currentSystem;
  builder = "/usr/bin/perl";
  args = [ "-e" ''
    mkdir $ENV{out}; chdir $ENV{out};
    for (1..${toString depth}) {
      open(my $f, ">", "f") or die $!; print $f $_; symlink("f", "l");
      mkdir "d" and chdir "d" or die "$_: $!" }'' ];
} // (if hash == null then { } else {
  outputHash = hash; outputHashMode = "recursive"; outputHashAlgo = "sha256";
}))
END
on ref nix-instantiate "$W/trees.nix" >/dev/null 2>&1
on hook nix-instantiate "$W/trees.nix" >/dev/null 2>&1
left_begin
echo "max-jobs = 1" >>"$NIX_OCI_HOOK_CONFIG"

# Generous: where the cost is the square of the depth it is a matter of many minutes.
limit=100
since() { # since START: in seconds
  awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f\n", b - a }'
}
soon() { # soon NAME START: nothing is left
  local took
  while [ -n "$(left hook)" ] && [ "${EPOCHREALTIME%.*}" -lt $((${2%.*} + limit)) ]; do sleep 0.2; done
  took=$(since "$2")
  nothing_left "$1" hook
  check "$1: in $took s" [ "${took%.*}" -lt $limit ]
}
builds() { # builds ATTR CODE: nix-build ends with CODE, and all is gone soon
  local start=$EPOCHREALTIME rc
  nix_build hook "$W/trees.nix" -A "$1" >/dev/null
  rc=$?
  soon "$1" "$start"
  check_eq "$1: nix-build's exit code" $rc "$2"
}

builds deep 0
builds fails "$(failure_code 100)"
builds deep-output "$(failure_code 1)"
check_log "deep-output: why" "exceeds maximum NAR directory depth|File name too long" "$W/hook.log"
builds bushy 0
builds files 0

# The limit of Nix's, whichever it has: the same outputs, or none on both sides.
for depth in 62 63 64 300 3000; do
  path=$(nix_build ref "$W/depth.nix" --arg depth $depth)
  rc=$?
  check_eq "an output $depth deep: as in Nix's own sandbox" \
    "$(nix_build hook "$W/depth.nix" --arg depth $depth) $?" "$path $rc"
  [ $depth != 300 ] || [ $rc != 0 ] || hash=$(on ref nix-hash --type sha256 --base32 "$path")
done
# What is fixed is copied.
for optimise in ${hash:+false true}; do
  same=(--arg depth 300 --argstr hash "$hash" --argstr name "optimise-$optimise" --option
    auto-optimise-store $optimise)
  check_eq "an output 300 deep, fixed, auto-optimise-store = $optimise" \
    "$(nix_build hook "$W/depth.nix" "${same[@]}")" "$(nix_build ref "$W/depth.nix" "${same[@]}")"
  check "auto-optimise-store = $optimise: it is there" \
    [ -e "$W/hook/store/$(basename "$(nix_build hook "$W/depth.nix" "${same[@]}")")" ]
done
check "deep outputs: the store verifies" verify hook

# Against Nix's own removal.
start=$EPOCHREALTIME
nix_build ref "$W/trees.nix" -A wide >/dev/null || not_ok "wide builds in Nix's own sandbox" "$W/ref.log"
ref=$(since "$start")
start=$EPOCHREALTIME
builds wide 0
took=$(since "$start")
check "wide: $took s, of which Nix needs $ref" \
  awk -v a="$took" -v b="$ref" 'BEGIN { exit !(a < 3 * b + 5) }'

# The client goes while the build runs. The only slot and the build user are free again.
become hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$W/trees.nix" -A waits \
  >/dev/null 2>"$W/hook.log" &
nix=$!
for _ in $(seq 600); do
  grep -q '^made' "$W/hook.log" && break
  sleep 0.1
done
check_log "waits: the build started" '^made' "$W/hook.log"
start=$EPOCHREALTIME
{ kill -KILL $nix && wait $nix; } 2>/dev/null
builds quick 0
soon "waits: killed" "$start"
finish

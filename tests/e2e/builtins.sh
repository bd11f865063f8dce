#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# builtin:fetchurl, builtin:buildenv and builtin:unpack-channel run in the container, and have the
# results of Nix's own.
. "$(dirname "$0")/../lib.sh"
need python3 xz
world "$@"
expr=$here/e2e/builtins.nix

# ---- what the server has ----
mkdir -p "$W/www/mirror/sha256" "$W/tree"
echo fetched >"$W/www/file"
head -c 3000000 /dev/urandom >"$W/www/large"
echo fetched >"$W/tree/file"
ln -s file "$W/tree/link"
cp "$W/www/file" "$W/executable" && chmod 755 "$W/executable"
nix-store --dump "$W/tree" >"$W/www/tree.nar"
xz -k "$W/www/tree.nar"
printf 'root:x:0:0:Nix build user:/build:/noshell
nixbld:x:1000:100:Nix build user:/build:/noshell
nobody:x:65534:65534:Nobody:/:/noshell\n' >"$W/inside-passwd"
flat() { nix-hash --type "${2-sha256}" --flat --base32 "$1"; }
cp "$W/www/file" "$W/www/mirror/sha256/$(nix-hash --type sha256 --flat "$W/www/file")"
python3 -u "$here/e2e/builtins.py" "$W/www" "$W/requests" >"$W/port" 2>"$W/http.log" &
left_known=$!
for _ in $(seq 100); do [ -s "$W/port" ] && break; sleep 0.1; done
url=http://127.0.0.1:$(cat "$W/port")
echo "machine 127.0.0.1 login user password secret" >"$W/netrc"
chmod 600 "$W/netrc"
hashes="{ file = \"$(flat "$W/www/file")\"; large = \"$(flat "$W/www/large")\";
  sha512 = \"$(flat "$W/www/file" sha512)\"; passwd = \"$(flat "$W/inside-passwd")\";
  shadow = \"$(flat /etc/shadow)\"; netrc = \"$(flat "$W/netrc")\";
  tree = \"$(nix-hash --type sha256 --base32 "$W/tree")\";
  executable = \"$(nix-hash --type sha256 --base32 "$W/executable")\"; }"
mkdir "$W/archives"
python3 "$here/e2e/archives.py" "$W/archives"
args=(--arg archives "$W/archives" --argstr url "$url" --arg hashes "$hashes" "$expr")
for side in ref hook; do nix_conf $side "netrc-file = $W/netrc"; done
left_begin

# ---- fetchurl ----
build_both "fetchurl" "${args[@]}" -A good && compare "fetchurl"
build_both "nix/fetchurl.nix" "${args[@]}" -A official && compare "nix/fetchurl.nix"
check_log "fetchurl: the user agent" "^/file curl/[0-9.]+ nix-oci-hook/[0-9.]+ " "$W/requests"
check_eq "fetchurl: a server that fails twice is asked three times" \
  "$(grep -c '^/flaky.*nix-oci-hook' "$W/requests")" 3

# ---- buildenv ----
build_both "buildenv" "${args[@]}" -A envs && compare "buildenv"
for side in ref hook; do
  on $side nix-env --option build-hook "$NIX_OCI_HOOK" --profile "/nix/var/nix/profiles/test" \
    -f "$expr" --argstr url "$url" -iA a b >"$W/$side.log" 2>&1
  check_eq "nix-env -i: it ends well ($side)" $? 0
done
check_log "nix-env -i: it was the hook that built" "^building .*user-environment.* on 'oci:" "$W/hook.log"
compare "nix-env -i"

# ---- unpack-channel ----
build_both "unpack-channel" "${args[@]}" -A channels && compare "unpack-channel"
# Nix 2.26 takes its names as they are, and fails (below).
absolute_fails() { nix_at_least 2.9 && ! nix_at_least 2.34; }
absolute_fails || { build_both "unpack-channel: absolute names" "${args[@]}" -A absoluteChannel &&
  compare "unpack-channel: absolute names"; }
check_eq "unpack-channel: programs stay programs" \
  "$(find "$W/hook/store" -path '*/named/*' -perm -u+x -type f -printf '%P ' | sed 's/[^ ]*-channel.//g')" \
  "named/bin/program "
mkdir "$W/channel"
cp "$W/archives/good.tar.xz" "$W/channel/nixexprs.tar.xz"
for side in ref hook; do
  on $side nix-channel --add "file://$W/channel" of-the-test >"$W/$side.log" 2>&1 &&
    NIX_CONFIG="build-hook = $NIX_OCI_HOOK" on $side nix-channel --update >>"$W/$side.log" 2>&1
  check_eq "nix-channel --update: it ends well ($side)" $? 0 # without local jobs, so by the hook
done
compare "nix-channel --update"

# ---- what is not compared ----
# Without any path of the machine in the sandbox.
nix_conf hook "sandbox-paths =" "netrc-file = $W/netrc"
nix_build hook "${args[@]}" -A resumed >"$W/out"
check_eq "resumed: nix-build ends well" $? 0
check_log "resumed: it is said" 'retrying from offset [0-9]+ in [0-9]+ ms \(attempt 1/5\)' "$W/hook.log"
check_log "resumed: it goes on where it broke off" '^/resumed .* bytes=[1-9][0-9]*-$' "$W/requests"
nix_build hook "${args[@]}" -A restarted >"$W/out"
check_eq "restarted: nix-build ends well" $? 0
nix_build hook "${args[@]}" --option hashed-mirrors "$url/nowhere $url/mirror" -A mirrored >"$W/out"
check_eq "a hashed mirror: nix-build ends well" $? 0
nix_conf hook "netrc-file = $W/netrc"
before=$(valid_count hook)

fails() { # fails ATTR PATTERN...: it does, each pattern is in the log
  local attr=$1 p
  shift
  nix_build hook "${args[@]}" -A "$attr" >/dev/null
  check "$attr: nix-build fails" [ $? -ne 0 ]
  for p; do check_log "$attr: the log says: $p" "$p" "$W/hook.log"; done
}
fails bad.missing "unable to download '$url/missing': HTTP error 404" 'there is no such thing'
check_eq "bad.missing: it is asked for once" "$(grep -c ^/missing "$W/requests")" 1
fails bad.forbidden "unable to download '$url/forbidden': HTTP error 403"
check_eq "bad.forbidden: it is asked for once" "$(grep -c ^/forbidden "$W/requests")" 1
before500=$(date +%s%N)
nix_build hook "${args[@]}" --option download-attempts 2 -A bad.always500 >/dev/null
check "bad.always500: nix-build fails" [ $? -ne 0 ]
check_log "bad.always500: the log says so" 'HTTP error 500' "$W/hook.log"
check_eq "bad.always500: it is asked for twice" "$(grep -c ^/always500 "$W/requests")" 2
check "bad.always500: not at once" [ $(($(date +%s%N) - before500)) -gt 250000000 ]
fails bad.loop 'HTTP error 302 \(curl error: Number of redirects hit maximum amount\)'
fails bad.toFile 'unable to download'
fails bad.mismatch 'hash mismatch in fixed-output derivation'
fails bad.notXz 'failed to decompress'
fails bad.notNar "unpacking '$url/file'" 'bad archive|not a Nix archive|archive'
fails bad.shadow "unable to download 'file:///etc/shadow': Could.* read a file://.* \(37\)"
fails bad.netrc "unable to download 'file:///build/netrc'"
fails bad.params "unable to download 'file:///build/.builtin'"
fails bad.scheme "unable to download 'gopher://127.0.0.1/': Unsupported protocol \(1\)"
fails bad.notFixed "'builtin:fetchurl' must be a fixed-output or impure derivation"
check_eq "nothing of that became valid" "$(valid_count hook)" "$before"
nothing_left "after the fetches" hook

fails badChannels.empty "channel tarball '.*empty.tar' is empty"
fails badChannels.two "channel tarball '.*two.tar' contains more than one file"
fails badChannels.upwards "unpacking '.*upwards.tar': Path contains '\.\.'"
fails badChannels.through "unpacking '.*through.tar': Cannot extract through symlink"
fails badChannels.text "failed to open archive '.*text': Unrecognized archive format|cannot get a member of archive '.*text': Unrecognized archive format"
fails badChannels.separator "channelName is not allowed to contain filesystem separators, got 'a/b'"
fails badChannels.parent "channelName is not allowed to contain filesystem separators, got '\.\.'"
fails badChannels.nameless "attribute 'channelName' missing"
check_eq "no bad channel became valid" "$(valid_count hook)" "$before"
! absolute_fails || check "unpack-channel: absolute names" nix_build hook "${args[@]}" -A absoluteChannel
nix_build hook "${args[@]}" -A conflict >/dev/null
check "a conflict: nix-build fails" [ $? -ne 0 ]
check_log "a conflict: its files are named" '/nix/store/.*-a/bin/a' "$W/hook.log"
# Where nothing can be built, the hook leaves to Nix what Nix alone can do.
nix_build hook "${args[@]}" -A unknown >/dev/null
check "another builtin builder: nix-build fails" [ $? -ne 0 ]
check_eq "another builtin builder: not through the hook" "$(grep -c "on 'oci:" "$W/hook.log")" 0
check "the store is sound" verify hook
nothing_left "at the end" hook
finish

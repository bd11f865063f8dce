#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds whose inputs are unpacked into the cache see these as they would see them in the store, and
# see nothing of the store itself. A failure on the way leaves nothing behind.
. "$(dirname "$0")/../lib.sh"
world "$@"
expr=$here/e2e/inputs.nix
mkdir -m 700 "$W/private"
cache=$W/private/cache # only root can reach it

conf() { # conf LINE...: the whole configuration of the hook
  printf '%s\n' "$@" >"$NIX_OCI_HOOK_CONFIG"
}
hash_of() { on hook nix-store -q --hash "$1"; }
of_store() { # of_store FILE: its lines of mountinfo that show store paths (the scratch is none)
  awk '/^visible: /{ next } { print $4 }' "$1" | grep -E '/hook/store/[0-9a-z]{32}-' |
    grep -v '\.drv\.chroot/'
}
real() { echo "$W/hook${1#/nix}"; } # the file of a path of the hook's store
entries() { ls "$cache/entries" | wc -l; }
runs() { ls "$cache/runs" | wc -l; }
no_runs() { # within two seconds
  for _ in $(seq 20); do [ "$(runs)" = 0 ] && return; sleep 0.1; done
  ls -R "$cache/runs"
  return 1
}

# ---- the same as from the store ----
conf "inputs = bind" "cache-dir = $cache"
bind=$(nix_build hook "$expr" -A contents) || not_ok "it builds with inputs = bind" "$W/hook.log"
bind_hash=$(hash_of "$bind")
check "inputs = bind: there is no cache" [ ! -e "$cache" ]

conf "inputs = nar" "cache-dir = $cache"
on hook nix-store --delete "$bind" >/dev/null 2>&1
left_begin
build_both "inputs = nar" "$expr" -A contents && compare "inputs = nar"
check_eq "inputs = nar: the output has the hash that it has with inputs = bind" \
  "$(hash_of "$out")" "$bind_hash"
check_eq "inputs = nar: no input can be written to" "$(grep -c writable "$(real "$out")")" 0
check_eq "the cache has the four inputs" "$(entries)" 4
nothing_left "inputs = nar" hook
check "no run is left in the cache" no_runs

conf "inputs = bind" "cache-dir = $cache"
bind_mounts=$(real "$(nix_build hook "$expr" -A mounts --argstr salt bind)")
check "inputs = bind: mounts of store paths are seen by this test" [ -n "$(of_store "$bind_mounts")" ]
conf "inputs = nar" "cache-dir = $cache"
nar_mounts=$(real "$(nix_build hook "$expr" -A mounts --argstr salt nar)")
check "inputs = nar: the inputs are mounted" grep -q "/cache/entries/" "$nar_mounts"
check_eq "inputs = nar: nothing of the store is mounted" "$(of_store "$nar_mounts")" ""
check_eq "inputs = nar: the store has the closure and the output, and no more" \
  "$(sed -n 's/^visible: [^-]*-//p' "$nar_mounts" | sort | xargs)" "file link mounts tree"
check_eq "what was in the cache was not made again" "$(entries)" 4

# The whole of it again, the inputs too, on another file system and with each runtime.
mount -t tmpfs -o mode=755 tmpfs /mnt || exit 1
cache=/mnt/cache
for runtime in crun runc runsc; do
  command -v $runtime >/dev/null || continue
  conf "inputs = nar" "cache-dir = $cache" "runtime = $runtime"
  if p=$(nix_build hook "$expr" -A contents --argstr salt "$runtime"); then
    check "$runtime: inputs from another file system look the same" cmp "$(real "$p")" "$(real "$out")"
  else
    not_ok "$runtime: inputs from another file system look the same" "$W/hook.log"
  fi
done

# ---- what else would show the store ----
conf "inputs = nar" "cache-dir = $cache"
tool=$(nix_build hook "$expr" -A link)
file=$(nix_build hook "$expr" -A file)
nix_conf hook "sandbox-paths = $host_paths /tool=$file $tool"
p=$(nix_build hook "$expr" -A mounts --argstr salt tool) ||
  not_ok "sandbox-paths in the store: it builds" "$W/hook.log"
check "sandbox-paths in the store: it is there" grep -q '^a file$' "$(real "$p")"
check_eq "sandbox-paths in the store: nothing of the store is mounted" "$(of_store "$(real "$p")")" ""
for above in /nix /nix/store /; do
  nix_conf hook "sandbox-paths = $host_paths /tool=$above"
  nix_build hook "$expr" -A mounts --argstr salt "above" >/dev/null
  check_log "sandbox-paths above the store ($above) are refused" \
    "'$above' would show the store to the build" "$W/hook.log"
done
nix_conf hook

# ---- the shell of the configuration, where Nix (Debian's) has none ----
shell=$(command -v bash-static || command -v busybox)
plain='derivation { name = "plain"; system = builtins.currentSystem; builder = "/bin/sh";
  args = [ "-c" "echo \"$0\" >\"$out\"" ]; inherit salt; }'
nix_conf hook "sandbox-paths ="
for inputs in bind nar; do
  conf "inputs = $inputs" "cache-dir = $cache"
  nix_build hook -E "{ salt }: $plain" --argstr salt "none $inputs" >/dev/null
  check "inputs = $inputs: no /bin/sh without sandbox-shell" [ $? != 0 ]
  conf "inputs = $inputs" "cache-dir = $cache" "sandbox-shell = $shell"
  if p=$(nix_build hook -E "{ salt }: $plain" --argstr salt "one $inputs"); then
    check "inputs = $inputs: sandbox-shell is /bin/sh" grep -qE '^(/bin/)?sh$' "$(real "$p")"
  else
    not_ok "inputs = $inputs: sandbox-shell is /bin/sh" "$W/hook.log"
  fi
done
nix_conf hook

# ---- what goes wrong ----
conf "inputs = nar" "cache-dir = $cache"
rm -rf "$cache"
target=$(real "$file")
cp -p "$target" "$W/good"
chmod u+w "$target" && echo more >>"$target"
nix_build hook "$expr" -A contents --argstr salt damaged >/dev/null
check_log "a damaged path in the store is named" \
  "unpacking '$file': the contents of '$file' are not what they should be" "$W/hook.log"
cp -p "$W/good" "$target" && chmod 555 "$target" && touch -d @1 "$target"
check "a damaged path: no run is left in the cache" no_runs
check "a damaged path: the store is sound again" verify hook
nix_build hook "$expr" -A contents --argstr salt damaged >/dev/null
check_eq "a damaged path: once it is sound, the build succeeds" $? 0

nix_build hook "$expr" -A large --arg big 3000000 >/dev/null
large=$(nix_build hook "$expr" -A large --arg big 3000000)
mkdir /mnt/small && mount -t tmpfs -o mode=755,size=1m tmpfs /mnt/small || exit 1
cache=/mnt/small/cache
conf "inputs = nar" "cache-dir = $cache"
nix_build hook "$expr" -A wantsLarge --arg big 3000000 >/dev/null
check_log "a full file system is told, with the input" \
  "unpacking '$large': writing to .*No space left on device" "$W/hook.log"
check_eq "a full file system: no entry" "$(entries)" 0
check "a full file system: no run is left in the cache" no_runs
nothing_left "what goes wrong" hook

# ---- SIGKILL in the middle ----
cache=/mnt/cache
conf "inputs = nar" "cache-dir = $cache"
nix_build hook "$expr" -A large --arg big 600000000 >/dev/null
before=$(entries)
become hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$expr" -A wantsLarge \
  --arg big 600000000 >"$W/out" 2>"$W/hook.log" &
nix=$!
for _ in $(seq 200); do
  [ -n "$(find "$cache/runs" -size +500k 2>/dev/null)" ] && break
  sleep 0.01
done
check "SIGKILL: an input is being unpacked" [ -n "$(find "$cache/runs" -size +500k)" ]
# Without a fork on the way, or the unpacking is done before.
for p in /proc/[0-9]*; do
  [ "$p/exe" -ef "$NIX_OCI_HOOK" ] && read -r comm <"$p/comm" && [ "$comm" != oci-hook-watch ] &&
    kill -9 "${p#/proc/}" 2>/dev/null
done
wait $nix
check "SIGKILL: no run is left in the cache" no_runs
check_eq "SIGKILL: no entry" "$(entries)" "$before"
nix_build hook "$expr" -A wantsLarge --arg big 600000000 >/dev/null
check_eq "after a SIGKILL the next build succeeds" $? 0
check_eq "after a SIGKILL the next build has the entry" "$(entries)" $((before + 1))

# ---- the bound ----
conf "inputs = nar" "cache-dir = $cache" "cache-size = 100000"
nix_build hook "$expr" -A wantsLarge --arg big 3000000 --argstr salt bound >/dev/null
check_eq "an input larger than the bound can be used" $? 0
check_eq "what is in use alone is kept beyond the bound" "$(entries)" 1
rm -rf "$cache/entries"/*
nix_build hook "$expr" -A contents --argstr salt bound >/dev/null
check_eq "below the bound all is kept" "$(entries)" 4
nothing_left "all of it" hook
umount /mnt/small /mnt
finish

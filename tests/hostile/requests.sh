#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A request that is cut off or wrong, or a derivation that is damaged, missing or hostile, gives one
# message with the reason and exit code 1. Nothing is registered or left.
. "$(dirname "$0")/../lib.sh"
need python3 crun
world "$@"
expr=$here/e2e/small.nix

drv=$(on hook nix-instantiate "$expr" -A multi 2>/dev/null)
dep=$(nix_build hook "$expr" -A dep)
system=$(on hook nix-instantiate --eval -E builtins.currentSystem | tr -d '"')
on hook nix --extra-experimental-features nix-command show-config >"$W/settings" 2>/dev/null
[ -n "$dep" ] || not_ok "a dependency can be built" "$W/hook.log"
request() { # request DRV INPUT... -- OUTPUT...: make $W/request, set the offsets
  read -r after_settings after_question whole < <(python3 "$here/hostile/request.py" "$W/request" \
    "$1" "$system" "${@:2}" <"$W/settings")
}
call() { # call FILE: run the hook as Nix does; sets rc
  : >"$W/log"
  # As with Nix, the log is a pipe, and 3 and 5 are there without a use.
  { on hook "$NIX_OCI_HOOK" 3 <"$1" 4>&1 >"$W/err" 2>&1 3</dev/null 5</dev/null
    echo $? >"$W/rc"; } | cat >"$W/log"
  rc=$(cat "$W/rc")
}
# messages: a line for each that the hook said beside its replies, to Nix or, once it has accepted,
# in the log, where the lines of one message after the first are indented
messages() {
  cat "$W/err" "$W/log" | grep -avE '^(# |oci:| )'
}
refused() { # refused NAME [PATTERN]: exit code 1 and one message, that matches
  local n
  n=$(messages | wc -l)
  if [ "$rc" = 1 ] && [ "$n" = 1 ] && messages | grep -qE -e "${2-.}"; then ok "$1"; else
    { echo "status $rc, $n messages, wanted: ${2-any}"; cat "$W/err" "$W/log"; } >"$W/check.log"
    not_ok "$1" "$W/check.log"
  fi
}
left_begin
before=$(facts hook | sha256sum)

# The request is good as it is (or the rest proves nothing).
request "$drv" "$dep" -- out dev doc
cp "$W/request" "$W/good"
call "$W/good"
check_eq "the whole request: exit code" "$rc" 0
check_log "the whole request: accepted" '^# accept' "$W/err"
check_eq "the whole request: three outputs are valid" "$(valid_count hook)" 4
for _ in 1 2 3; do # they refer to each other
  for p in $(on hook nix-store -q --outputs "$drv"); do
    on hook nix-store --delete "$p" >/dev/null 2>&1
  done
done
check_eq "they can be deleted again" "$(valid_count hook)" 1

# Cut off at many places: in the settings, at each number and string of question and job.
bad=0 n=0
for at in $(seq 1 123 "$after_settings") $(seq $((after_settings - 16)) 8 $((whole - 8))) \
  $(seq $((after_settings + 3)) 24 $((whole - 1))) $((whole - 1)); do
  [ "$at" = "$after_settings" ] && continue
  head -c "$at" "$W/good" >"$W/request"
  call "$W/request"
  n=$((n + 1))
  if [ "$rc" != 1 ] || [ "$(messages | wc -l)" != 1 ] ||
    { [ "$at" -lt "$after_question" ] && grep -q '^# accept' "$W/err"; }; then
    bad=$((bad + 1))
    { echo "cut at $at of $whole: status $rc"; cat "$W/err"; } >"$W/first-bad"
  fi
done
if [ $bad = 0 ]; then ok "a request cut off at any of $n places is refused"; else
  not_ok "a request cut off at any of $n places is refused: $bad are not" "$W/first-bad"
fi
head -c "$after_settings" "$W/good" >"$W/request"
call "$W/request"
check_eq "an end instead of a question is a clean end" "$rc" 0

# Wrong numbers: lengths and counts that are not true.
patch() { # patch OFFSET HEX: the good request with other bytes there
  cp "$W/good" "$W/request"
  printf "$(sed 's/../\\x&/g' <<<"$2")" | dd of="$W/request" bs=1 seek="$1" conv=notrunc 2>/dev/null
}
patch 8 ffffffffffffff7f
call "$W/request"
refused "a string of 2^63 bytes"
patch 8 0000000100000000
call "$W/request"
refused "a string of 16 MiB that never comes"
patch $((after_settings - 8)) 0200000000000000
call "$W/request"
refused "a setting that is neither there nor not"
patch "$after_question" ffffffffffffffff
call "$W/request"
refused "2^64 inputs"
patch $((after_settings + 8)) 7878780000000000
call "$W/request"
refused "a question that is no 'try'" 'xxx'
head -c 4096 /dev/urandom >"$W/request"
call "$W/request"
refused "noise"

# Wrong words.
wrong() { # wrong NAME PATTERN DRV INPUT... -- OUTPUT...
  request "${@:3}"
  call "$W/request"
  refused "$1" "$2"
}
wrong "a derivation outside of the store" '/etc/passwd' /etc/passwd -- out
wrong "a derivation by a way around" "not in the Nix store|store path" /nix/store/../../etc/passwd -- out
wrong "a store path that is no derivation" "$dep" "$dep" -- out
wrong "an output that the derivation has not" "'?nonsense'?" "$drv" "$dep" -- nonsense
wrong "an input that is no store path" '/etc/shadow' "$drv" /etc/shadow -- out dev doc
wrong "an input that is not there" 'aaaaaaaa-gone' "$drv" \
  /nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-gone -- out dev doc
wrong "an input with a line break" '.' "$drv" $'/nix/store/a\nb' -- out dev doc

# Damaged derivations. What Nix's own check of hashes would refuse too late is refused here.
file=$W/hook/store/$(basename "$drv")
cp -p "$file" "$W/good.drv"
damaged() { # damaged NAME [PATTERN]: the file is damaged; ask with the good request
  call "$W/good"
  refused "$1" "${2-$(basename "$drv")}"
  chattr -i "$file" 2>/dev/null
  rm -rf "$file"
  cp -p "$W/good.drv" "$file"
}
size=$(stat -c %s "$file")
bad=0 n=0
for at in 0 1 6 7 8 9 20 50 100 $(seq 150 97 "$size") $((size - 1)); do
  head -c "$at" "$W/good.drv" >"$file"
  call "$W/good"
  n=$((n + 1))
  if [ "$rc" != 1 ] || [ "$(messages | wc -l)" != 1 ] || ! messages | grep -q "$(basename "$drv")"; then
    bad=$((bad + 1))
    { echo "cut at $at of $size: status $rc"; cat "$W/err"; } >"$W/first-bad"
  fi
done
if [ $bad = 0 ]; then ok "a .drv cut off at any of $n places is refused by name"; else
  not_ok "a .drv cut off at any of $n places is refused by name: $bad are not" "$W/first-bad"
fi
rm -f "$file"
# Of those that Nix has in another store, for --eval-store.
head -c "$after_question" "$W/good" >"$W/request"
call "$W/request"
check_eq "a missing .drv: exit code" "$rc" 0
check_log "a missing .drv: declined" '^# decline' "$W/err"
check_log "a missing .drv: with the reason" "'$drv': it is not in the store" "$W/err"
rm -f "$file" && ln -s /etc/passwd "$file"
damaged "a .drv that is a symbolic link"
rm -f "$file" && mkfifo "$file"
damaged "a .drv that is a fifo"
rm -f "$file" && mkdir "$file"
damaged "a .drv that is a directory"
rm -f "$file" && truncate -s 10G "$file"
damaged "a .drv of 10 GiB"
echo 'trailing' >>"$file"
damaged "a .drv with bytes after its end"
sed 's/multi/MULTI/' "$W/good.drv" >"$file"
damaged "a .drv whose output paths are not those of its contents"
sed "s|/nix/store/[a-z0-9]*-multi-dev|$dep|g" "$W/good.drv" >"$file"
damaged "a .drv that would overwrite a valid path"
sed 's|("dev","[^"]*"|("dev","/etc/passwd"|' "$W/good.drv" >"$file"
damaged "a .drv whose output lies outside of the store"
sed 's|("dev","|("../dev","|' "$W/good.drv" >"$file"
damaged "a .drv with a path as name of an output"
{ printf 'DrvWithVersion("xp-dyn-drv",[('; for _ in $(seq 100000); do printf '(['; done; } >"$file"
damaged "a .drv that is nested without end"

# Nothing of all that left a trace.
check_eq "the store is as before" "$(facts hook | sha256sum)" "$before"
check "the dependency is whole" verify hook
nothing_left "after all of them" hook
finish

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Compare NARs with those of the installed Nix: dumps are byte-equal, each program restores the
# other's, and Nix reads every seed of the fuzzer that this project accepts as the same tree. TAP.
# NIH_NAR_TREES: more trees to compare (default: /etc).
# shellcheck disable=SC2317 # functions are called by check
prog=${top_builddir:-.}/nix-oci-hook
src=${top_srcdir:-.}
shared=${NIH_SHARED:-$src/../shared}
nix=1
command -v nix-store >/dev/null || nix=
if [ -z "$nix" ] && [ "${TEST_STRICT-0}" != 1 ]; then
  echo "1..0 # SKIP nix-store is not installed"
  exit 77
fi
export NIX_REMOTE='' LC_ALL=C
W=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$W"; rm -rf "$W"' EXIT
n=0 bad=0
check() { # check NAME COMMAND...
  local name=$1
  shift
  n=$((n + 1))
  if "$@" >"$W/out" 2>&1; then echo "ok $n - $name"; else
    echo "not ok $n - $name"
    tail -n 20 "$W/out" | sed 's/^/# /'
    bad=1
  fi
}
same_hash() { # by hash only, as some trees are large
  [ "$("$prog" nar dump "$1" | sha256sum)" = "$(nix-store --dump "$1" | sha256sum)" ]
}
digest() { # one pass over the tree gives the hash of its dump
  [ "$("$prog" nar hash --base16 "$1")" = "$(nix-store --dump "$1" | sha256sum | cut -d' ' -f1)" ] &&
    [ "$("$prog" nar hash --base32 "$1")" = "$(nix-hash --type sha256 --base32 "$1")" ] &&
    [ "$("$prog" nar hash --type sha1 --base16 "$1")" = "$(nix-hash --type sha1 "$1")" ] &&
    [ "$("$prog" nar hash --type md5 --base16 "$1")" = "$(nix-hash "$1")" ] &&
    [ "$("$prog" nar hash --type sha512 --base16 "$1")" = "$(nix-hash --type sha512 "$1")" ]
}
# What the two make of a NAR, with modes.
listing() { (cd "$1" 2>/dev/null && find . -printf '%P %M %s %l\n' | sort) || stat -c '%A %s %N' "$1"; }
restored_alike() {
  rm -rf "$W/ours" "$W/nixs"
  "$prog" nar restore "$W/ours" <"$1" && nix-store --restore "$W/nixs" <"$1" || return 1
  listing "$W/ours" | sed "s|$W/ours|X|" >"$W/ours.ls"
  listing "$W/nixs" | sed "s|$W/nixs|X|" >"$W/nixs.ls"
  diff "$W/ours.ls" "$W/nixs.ls" && "$prog" nar dump "$W/ours" | cmp - "$1"
}
round_trip() {
  nix-store --dump "$1" >"$W/tree.nar" && restored_alike "$W/tree.nar"
}
ls_alike() { # our listing is the one of `nix nar ls`
  diff <(nix --extra-experimental-features nix-command nar ls -lR "$1" /) \
    <("$prog" nar ls -l -R "$1" /)
}

# ---- trees made by hand ----
T=$W/trees
mkdir -p "$T/names" "$T/modes" "$T/sizes" "$T/deep" "$T/empty" "$T/many"
(
  cd "$T/names" || exit 1
  touch ' ' '  x' '-n' '...' '..x' 'a b' "$(printf 'new\nline')" "$(printf 'tab\there')" '*' '?' '\' \
    "$(printf '\377\376')" "$(printf '\303\244')" A a aa a.b a-b 'a~nix~case~hack~1' '~' '!' '$HOME' \
    "$(printf 'esc\033[31m')" "$(head -c 255 /dev/zero | tr '\0' n)"
  ln -s 'anything at all' link
  ln -s "$(head -c 4095 /dev/zero | tr '\0' t)" long-link
  ln -s . dot
)
(
  cd "$T/modes" || exit 1
  for m in 0644 0755 0444 0555 0700 0600 0010 0001 0100 4755 2644 1777; do
    touch "$m" && chmod "$m" "$m"
  done
)
(
  cd "$T/sizes" || exit 1
  for s in 0 1 7 8 9 15 16 17 4095 4096 65535 65536 262143 262144 262145 1000000; do
    head -c $s /dev/urandom >$s
  done
)
d=$T/deep
for _ in $(seq 62); do d=$d/d && mkdir "$d"; done
echo leaf >"$d/leaf"
(cd "$T/many" && seq -f 'n%.0f' 5000 | xargs touch)
ln -s names "$T/link"
echo text >"$T/file"
for t in names modes sizes deep empty many link file; do
  check "$t: dumped as Nix does" cmp <("$prog" nar dump "$T/$t") <(nix-store --dump "$T/$t")
  check "$t: hashed as Nix does" digest "$T/$t"
  check "$t: restored as Nix does" round_trip "$T/$t"
done
slash() { [ "$("$prog" nar dump "$T/link/" | sha256sum)" = "$("$prog" nar dump "$T/link" | sha256sum)" ]; }
check "a trailing slash does not follow a link" slash
mkdir "$d/e" && touch "$d/e/too-deep"
too_deep() {
  ! "$prog" nar dump "$T/deep" >/dev/null 2>"$W/err" &&
    grep -q 'exceeds maximum NAR directory depth of 64' "$W/err" &&
    nix-store --dump "$T/deep" >"$W/deep.nar" && # Nix before 2.34.7 writes it
    ! "$prog" nar restore "$W/refused" <"$W/deep.nar" 2>"$W/err" &&
    grep -q 'nesting exceeds maximum depth of 64 (at byte ' "$W/err" && [ ! -e "$W/refused" ]
}
check "65 levels are refused both ways" too_deep
mkfifo "$T/empty/fifo"
no_fifo() { ! "$prog" nar hash "$T/empty" 2>"$W/err" && grep -q "fifo' has an unsupported type" "$W/err"; }
check "a fifo is refused" no_fifo
rm "$T/empty/fifo"

# ---- listing, printing, scanning ----
nix-store --dump "$T/sizes" >"$W/sizes.nar"
check "ls lists as Nix does" ls_alike "$W/sizes.nar"
check "cat prints a file" cmp <("$prog" nar cat "$W/sizes.nar" /65535) "$T/sizes/65535"
check "cat reads from a pipe" cmp <(nix-store --dump "$T/sizes" | "$prog" nar cat - 9) "$T/sizes/9"
offsets() { # the offsets of the listing are where the contents are
  local size offset
  "$prog" nar ls --json "$W/sizes.nar" | grep -o '"narOffset":[0-9]*,"size":[0-9]*' | tr -cs '0-9\n' ' ' |
    while read -r offset size; do
      tail -c +$((offset + 1)) "$W/sizes.nar" | head -c "$size" | cmp - "$T/sizes/$size" || exit 1
    done
}
check "ls --json says where contents lie" offsets
broken_ls() { ! "$prog" nar ls "$1" 2>"$W/err" && grep -q "reading '$1': bad archive: .* (at byte " "$W/err"; }
head -c 100000 "$W/sizes.nar" >"$W/cut.nar"
check "ls refuses a NAR that is cut" broken_ls "$W/cut.nar"
scan() {
  echo 'see 4q0pg5zpfmznxscq3avycvf9xdvx50n3-x' >"$T/empty/f"
  printf '%s\n' /nix/store/9zicq1m4wy4bv50xa4l1jk4kpyy41kih-y /nix/store/4q0pg5zpfmznxscq3avycvf9xdvx50n3-x \
    4q0pg5zpfmznxscq3avycvf9xdvx50n3 >"$W/needles"
  "$prog" nar hash --base16 --scan "$W/needles" "$T/empty" >"$W/found"
  diff - "$W/found" <<EOF
$(nix-hash --type sha256 "$T/empty")
/nix/store/4q0pg5zpfmznxscq3avycvf9xdvx50n3-x
4q0pg5zpfmznxscq3avycvf9xdvx50n3
EOF
}
check "hash --scan prints what it found" scan

# ---- seeds and vectors: what we accept, Nix accepts as the same ----
accepted=0 refused=0
for f in "$src"/tests/fuzz/corpus/nar/* "$shared"/vectors/nar/*.nar; do
  [ -f "$f" ] || continue
  rm -rf "$W/ours"
  if "$prog" nar restore "$W/ours" <"$f" 2>"$W/err"; then
    check "${f##*/}: accepted by both" restored_alike "$f"
    accepted=$((accepted + 1))
  else
    gone() { grep -q 'bad archive: .* (at byte ' "$W/err" && [ ! -e "$W/ours" ] && [ ! -h "$W/ours" ]; }
    check "${f##*/}: refused, nothing is left" gone
    refused=$((refused + 1))
  fi
done
check "seeds of both kinds were there" test $accepted -gt 5 -a $refused -gt 40

# ---- real trees ----
for t in ${NIH_NAR_TREES-/etc}; do
  [ -e "$t" ] && check "$t: dumped as Nix does" same_hash "$t"
done
echo "1..$n"
exit $bad

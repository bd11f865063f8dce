#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Floating content-addressed derivations have the same paths by Nix and through the hook, registered
# alike. Impure derivations and recursive Nix, which a hook cannot build, are left to Nix. TAP.
# shellcheck source=tests/lib.sh
source "$(dirname "$0")/../lib.sh"
world "$@"
expr=$here/e2e/kinds.nix
features="experimental-features = nix-command ca-derivations recursive-nix"
nix_at_least 2.9 && features+=" impure-derivations"
nix_at_least 2.26 && features+=" dynamic-derivations git-hashing"
nix_at_least 2.30 && features+=" blake3-hashes"
for side in ref hook; do nix_conf $side "$features"; done
attrs() {
  nix-instantiate --eval --strict --option experimental-features "nix-command ca-derivations" \
    --expr "toString (builtins.attrNames (import $expr).$1)" | tr -d '"'
}
realisations() { # realisations SIDE
  sqlite3 "$W/$1/var/nix/db/db.sqlite" "select drvPath, outputName, path, coalesce(signatures, '')
    from Realisations join ValidPaths on ValidPaths.id = outputPath order by 1, 2"
}

on ref nix-store --generate-binary-cache-key kinds-1 "$W/secret" "$W/public"
for side in ref hook; do nix_conf $side "$features" "secret-key-files = $W/secret"; done
left_begin
# max-jobs is 0 there, so it is the hook that builds; some are built for others before.
same() { # same NAME ATTR
  local ref hook
  ref=$(nix_build ref "$expr" -A "$2") || not_ok "$1: builds in Nix's own sandbox" "$W/ref.log"
  hook=$(nix_build hook "$expr" -A "$2") || not_ok "$1: builds through the hook" "$W/hook.log"
  check_eq "$1: the same paths" "$hook" "$ref"
}
for name in $(attrs floatingKinds); do
  [ $name = discarded ] && ! nix_at_least 2.14 && continue
  same "$name" "floatingKinds.$name"
done
compare "floating"
for side in ref hook; do realisations $side >"$W/$side.real"; done
diff "$W/ref.real" "$W/hook.real" >"$W/real.diff"
check_eq "the realisations are the same" "$(cat "$W/real.diff")" ""
check "there are at least ten" [ "$(wc -l <"$W/hook.real")" -ge 10 ]
on hook nix store verify --all --sigs-needed 0 >"$W/verify.log" 2>&1
check_eq "nix store verify finds nothing" "$?: $(grep -v '^checking ' "$W/verify.log")" "0: "
for name in twin several user; do
  out=$(nix_build hook "$expr" -A "floatingKinds.$name")
  check_eq "$name is not built again" "$?: $(grep -c '^building' "$W/hook.log")" "0: 0"
done
nothing_left "floating" hook

# One output of several: the others' realisations are known, or are made with it.
for side in ref hook; do
  rm -rf "${W:?}/$side" && mkdir "$W/$side"
done
same "one of several" floatingKinds.several.b
same "the others of several" floatingKinds.several
compare "one of several"

if nix_at_least 2.26; then
  for name in lone pair producer; do same "text.$name" "text.$name"; done
  # What has been built is a derivation, too. From 2.30 on Nix goes on with it by itself.
  drv=$(nix_build hook "$expr" -A text.producer)
  for side in ref hook; do nix_build $side "$drv" >"$W/$side.out"; done
  check_eq "text: what a build has made can be built" "$(cat "$W/hook.out")" "$(cat "$W/ref.out")"
  check "text: it is" grep -q inner "$W/hook.out"
  nix_at_least 2.30 && same text.user text.user
  compare "text"
  for side in ref hook; do realisations $side >"$W/$side.real"; done
  check_eq "text: the realisations are the same" "$(diff "$W/ref.real" "$W/hook.real")" ""
  nothing_left "text" hook
fi

# Hashed as git does it. Nix 2.26 itself hashes /build/tmp; but what a fixed one has to be is not
# Nix's to say.
if nix_at_least 2.26 && ! nix_at_least 2.34; then
  for name in $(attrs gitKinds.sha1); do
    check "git $name: builds through the hook" nix_build hook "$expr" -A "gitKinds.sha1.$name"
  done
  check "git: the store verifies" verify hook
fi
same_addresses() { # same_addresses NAME ATTR CA N: of the N outputs the content addresses begin so
  local side name
  for side in ref hook; do rm -rf "${W:?}/$side" && mkdir "$W/$side"; done
  for name in $(attrs "$2"); do same "$1 $name" "$2.$name"; done
  compare "$1"
  for side in ref hook; do
    realisations $side >"$W/$side.real"
    sqlite3 "$W/$side/var/nix/db/db.sqlite" "select path, ca from ValidPaths order by 1" >"$W/$side.ca"
  done
  check_eq "$1: the realisations are the same" "$(diff "$W/ref.real" "$W/hook.real")" ""
  check_eq "$1: content addresses are the same" "$(diff "$W/ref.ca" "$W/hook.ca")" ""
  check_eq "$1: there are $4" "$(grep -cE "\|$3" "$W/hook.ca")" "$4"
  nothing_left "$1" hook
}
same_mismatch() { # same_mismatch NAME ATTR ALGO: a fixed output with the wrong hash
  local side
  for side in ref hook; do
    nix_build $side "$expr" -A "$2" >"$W/$side.out"
    grep -A 2 'hash mismatch in fixed-output' "$W/$side.log" | sed 's/^error: //' >"$W/$side.said"
    sqlite3 "$W/$side/var/nix/db/db.sqlite" \
      "select path, ca from ValidPaths where path like '%-wrong' order by 1" >"$W/$side.ca"
  done
  check_eq "$1: of a wrong hash there is no path" "$(cat "$W/hook.out")" ""
  check_eq "$1: of a wrong hash is said what Nix says" "$(cat "$W/hook.said")" "$(cat "$W/ref.said")"
  check_log "$1: that is" "^ +got: +$3-" "$W/hook.said"
  check_eq "$1: what has a wrong hash is valid as what it is" "$(cat "$W/hook.ca")" "$(cat "$W/ref.ca")"
}
if nix_at_least 2.34; then
  for algo in sha1 sha256; do
    same_addresses "git $algo" "gitKinds.$algo" "fixed:git:$algo:" 10
  done
  same_mismatch git gitWrong sha1
fi
blake3=
nix_at_least 2.30 && "$NIX_OCI_HOOK" nar hash --type blake3 --flat "$expr" >/dev/null 2>&1 && blake3=yes
if [ -n "$blake3" ]; then
  same_addresses blake3 blake3Kinds "fixed:(r:)?blake3:" 4
  same_mismatch blake3 blake3Wrong blake3
fi

# What is made must be a derivation, as its name says so.
nix_at_least 2.26 && for name in $(attrs madeBad); do
  nix_build ref "$expr" -A "madeBad.$name" >"$W/ref.out"
  ref_rc=$?
  nix_build hook "$expr" -A "madeBad.$name" >"$W/hook.out"
  check_eq "made $name: neither Nix's own nor the hook takes it" "$((ref_rc != 0)) $(($? != 0))" "1 1"
  check_eq "made $name: no path" "$(cat "$W/hook.out")" ""
  check_log "made $name: the reason is told" "made-$name.drv" "$W/hook.log"
  check_eq "made $name: it is not valid" "$(sqlite3 "$W/hook/var/nix/db/db.sqlite" \
    "select path from ValidPaths where path like '%-made-$name.drv'")" ""
done
bad_ones=$(attrs floatingBad | sed 's/[^ ]*/floatingBad.&/g')
nix_at_least 2.26 && bad_ones+=" $(attrs textBad | sed 's/[^ ]*/textBad.&/g')"
nix_at_least 2.34 && bad_ones+=" $(attrs gitBad | sed 's/[^ ]*/gitBad.&/g')"
[ -z "$blake3" ] || bad_ones+=" $(attrs blake3Bad | sed 's/[^ ]*/blake3Bad.&/g')"
for name in $bad_ones; do
  for side in ref hook; do nix_build $side "$expr" -A "$name" >"$W/$side.out"; done
  rm -rf "$TMPDIR"/nix-build-* # Nix 2.8 ends itself at some of these, and leaves it
  check_eq "$name: no path" "$(cat "$W/hook.out")" ""
  said=$(grep -E '^error: |^ +error: ' "$W/ref.log" | grep -vE 'Cannot build|builder for .* failed with' | tail -n 1)
  said=${said#*error: }
  said=${said%%[\'\"]*}
  check "$name: the hook says what Nix says" grep -qF -- "$said" "$W/hook.log"
done
check_eq "no bad output is valid" "$(sqlite3 "$W/hook/var/nix/db/db.sqlite" \
  "select path from ValidPaths where path not like '%.drv' and (path like '%flat-%' or
   path like '%cycle%' or path like '%missing%' or path like '%not-allowed' or
   path like '%text-%' or path like '%-git-%' or
   path like '%blake3-%')")" ""
nothing_left "bad ones" hook

# Only by load-db there is no place for realisations, so Nix builds these itself.
echo "registration = load-db" >"$NIX_OCI_HOOK_CONFIG"
nix_conf hook "$features" "max-jobs = 1"
out=$(nix_build hook "$expr" -A floatingKinds.file)
check_eq "without the database: Nix builds it" "$?: $(grep -c "on 'oci:" "$W/hook.log")" "0: 0"
: >"$NIX_OCI_HOOK_CONFIG"

# Of impure ones nix-build 2.26 does not know what to print, and ends itself.
names=recursive
nix_at_least 2.9 && names+=" impure"
nix_at_least 2.30 && [ -z "$blake3" ] && names+=" blake3"
for name in $names; do
  nix_build ref "$expr" -A $name >"$W/ref.out"
  rc=$?
  nix_build hook "$expr" -A $name >"$W/hook.out"
  check_eq "$name: ends as without a hook" $? $rc
  check_log "$name: Nix builds it itself" "^building '/nix/store/.*-$name.drv'\.\.\." "$W/hook.log"
done
# Where Nix may not build it, the reason is told.
nix_conf hook "$features"
rm -rf "${W:?}/hook" && mkdir "$W/hook"
for name in $names; do
  case $name in
  recursive) why=".*'recursive-nix'" ;;
  impure) why="it is impure, and Nix takes those from no hook" ;;
  *) why="output 'out' is hashed by 'blake3', and nix-oci-hook was built without it" ;;
  esac
  nix_build hook "$expr" -A $name >"$W/hook.out"
  check "$name: nix-build fails where Nix may not build it" [ $? != 0 ]
  check_log "$name: the reason is told" "^nix-oci-hook does not build '/nix/store/.*': $why" "$W/hook.log"
done

# ---- as another program may write them ----
# Nix reads the lists of a derivation in any order, and builds any file of that format that was added.
# Every file is of another derivation.
for how in "--add" "--add-fixed sha256"; do
  for side in ref hook; do
    drv=$(on $side nix-instantiate --argstr how "$how" --expr '{ how }: derivation { name = "added";
      system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo ${how} >$out" ]; }' 2>"$W/$side.log")
    sed 's/("builder",\("[^"]*"\)),("name","added")/("name","added"),("builder",\1)/' \
      "$W/$side/store/${drv##*/}" >"$W/added.drv"
    cmp -s "$W/$side/store/${drv##*/}" "$W/added.drv" && not_ok "$how: the order is another"
    # shellcheck disable=SC2086
    added=$(on $side nix-store $how "$W/added.drv") || not_ok "$how: Nix takes the file" "$W/$side.log"
    nix_build $side "$added" >"$W/$side.out"
    check_eq "$how: $side builds it" $? 0
  done
  check_eq "$how: the same paths" "$(cat "$W/hook.out")" "$(cat "$W/ref.out")"
done
finish

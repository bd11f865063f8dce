#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Compare the end of builds by Nix's own sandbox and through the hook: exit codes and messages of
# builds that fail, the registered outputs of the others, logs, links, signatures, kept build
# directories. TAP.
# shellcheck source=tests/lib.sh
source "$(dirname "$0")/../lib.sh"
need busybox python3
world "$@"
echo "report = off" >>"$NIX_OCI_HOOK_CONFIG" # the one line that Nix does not have

busybox=$(readlink -f "$(command -v busybox)")
ldd "$busybox" >/dev/null 2>&1 && skip_all "busybox is not static"
# shellcheck disable=SC2034 # for nix_conf
host_paths="/bin/sh=$busybox /bin/busybox=$busybox"
expr=$here/parity/outputs.nix
build_users yes
configured() { # configured [LINE...]
  local side
  for side in ref hook; do nix_conf "$side" "$@"; done
}
configured

nix_at_least 2.8 # sets nix_version

# Words in one form: where a build's root is, what number its directory has, and who builds, is no
# difference; Nix says for each hook that fails that the builder did. The log and messages come by
# two ways, so no order is kept.
normal() { # normal SIDE
  sed -E -e "s# on 'oci:[^']*'##; s#$W/tmp-[a-z]*/#TMP/#g" \
    -e 's#/nix/var/nix/builds/nix-[0-9]+-[0-9]+/#BUILDS/#' \
    -e "s#/nix/store/[^/']*\.drv\.chroot(/root|/scratch)?/nix[/-]store/#/nix/store/#g" \
    -e "s#^ *error: +#error: #" "$W/$1.log" | tr -cd '\n\40-\176' | grep -v '^ *$' | sort
}
compared() { # compared NAME: $W/ref.said and $W/hook.said differ only as docs/parity.md says
  check "$1" python3 "$here/parity/compare.py" "$top_srcdir/docs/parity.md" outputs "$nix_version" \
    "${1%%:*}" "$W/ref.said" "$W/hook.said" "$W/seen"
}
fail_both() { # fail_both NAME ARG...: it fails, with the same words and exit code
  local name=$1 side rc
  shift
  for side in ref hook; do
    mkdir -p "$W/tmp-$side"
    TMPDIR=$W/tmp-$side nix_build $side "$@" >"$W/$side.out"
    rc=$?
    echo "exit code = $rc" >"$W/$side.said"
    [ $rc != 0 ] || not_ok "$name: fails ($side)"
    normal $side >"$W/$side.words"
  done
  # What Nix adds to what the hook has said.
  comm -13 "$W/ref.words" "$W/hook.words" |
    sed -E -e "/^error: builder for '.*' failed with exit code 1(|00|01)\$/d" \
      -e "/^error: Cannot build '.*'\.\$/d; /^ +Reason: builder failed with exit code 1(|01)\.\$/d" \
      -e "/^ +Output paths:\$/d; \\#^ +/nix/store/[^ ]*\$#d" >"$W/hook.more"
  comm -23 "$W/ref.words" "$W/hook.words" >"$W/ref.more"
  for side in ref hook; do echo "words = $(paste -sd'~' "$W/$side.more")" >>"$W/$side.said"; done
  compared "$name: the words and the exit code"
}
attrs() { nix-instantiate --eval --strict --expr "toString (builtins.attrNames (import $expr).$1)" | tr -d '"'; }
# What is registered. First, as Nix leaves unregistered files behind where a check fails.
on ref nix-store --generate-binary-cache-key parity-1 "$W/secret" "$W/public"
cat >"$W/post-build-hook" <<END
#!/bin/sh
echo "\$DRV_PATH" >>"$W/posted"
END
chmod 755 "$W/post-build-hook"
configured "secret-key-files = $W/secret" "post-build-hook = $W/post-build-hook"
for name in $(attrs good); do build_both "$name" "$expr" -A "good.$name"; done
compare "good builds"
check_eq "the rows are signed" "$(sqlite3 "$W/hook/var/nix/db/db.sqlite" \
  "select count(*) from ValidPaths where deriver is not null and sigs like 'parity-1:%'")" "$(valid_count hook)"
check_eq "post-build-hook has run as often" "$(sort "$W/posted" | uniq -c | awk '$1 != 2')" ""
on hook nix store verify --all --sigs-needed 0 >"$W/verify.log" 2>&1
check_eq "nix store verify finds nothing" "$?: $(grep -v '^checking ' "$W/verify.log")" "0: "
for name in lines tree; do
  for side in ref hook; do
    drv=$(on $side nix-instantiate --quiet "$expr" -A "good.$name" 2>/dev/null)
    on $side nix-store --read-log "${drv%%!*}" >"$W/$side.read"
  done
  check "$name: the log that is kept" cmp "$W/ref.read" "$W/hook.read"
done
configured

# pre-build-hook: called with the same, and what it says is there.
mkdir "$W/extra" && echo extra >"$W/extra/file"
cat >"$W/pre-build-hook" <<END
#!/bin/sh
{
  echo "\$# \${1#/nix/store/*-}" "\$(cd "\$2" && ls -d etc nix/store tmp | tr '\\n' ' ')"
  umask
} >>"$W/prebuild.\$(cat /nix/side)"
case \$1 in
*-fails.drv) echo "this is why" >&2; exit 3 ;;
*-unknown.drv) echo nonsense ;;
*-nowhere.drv) printf 'extra-sandbox-paths\n/nowhere\n\n' ;;
*) printf 'extra-sandbox-paths\n/extra=%s\n\nextra-chroot-dirs\n%s\n/file=%s\n\nno end of line' \\
  "$W/extra" "$W/extra/file" "$W/extra/file" ;;
esac
END
chmod 755 "$W/pre-build-hook"
configured "pre-build-hook = $W/pre-build-hook"
for side in ref hook; do echo $side >"$W/$side/side"; done
build_both prebuild "$expr" -A prebuild.good && compare prebuild
configured

# Builds that fail.
for name in $(attrs bad); do fail_both "$name" "$expr" -A "bad.$name"; done
for side in ref hook; do
  sqlite3 "$W/$side/var/nix/db/db.sqlite" "select path, hash, narSize, deriver, ultimate, ca from
    ValidPaths where path glob '*-hash' or path glob '*-hash-recursive' order by 1" >"$W/$side.real"
  for path in $(cut -d'|' -f1 "$W/$side.real"); do # Nix also leaves invalid ones behind
    find "$W/$side/store/${path##*/}" -printf '%P %M %U:%G %n %Ts\n' | sort
  done >"$W/$side.files" && cat "$W/$side.files" >>"$W/$side.real"
done
check_eq "a wrong hash: what was built is valid under its own" "$(cat "$W/hook.real")" "$(cat "$W/ref.real")"
check_eq "a wrong hash: there are two" "$(grep -c 'fixed:' "$W/hook.real")" 2
fail_both timeout --timeout 2 "$expr" -A slow
fail_both silence --max-silent-time 2 "$expr" -A slow

configured "pre-build-hook = $W/pre-build-hook"
for name in fails unknown nowhere; do
  fail_both "prebuild-$name" "$expr" -A "prebuild.$name"
done
check_eq "pre-build-hook is called with the same" "$(cat "$W/prebuild.hook")" "$(cat "$W/prebuild.ref")"
configured

# keep-failed: the same files with the same modes, of the build's user.
rm -rf "$W"/tmp-*
fail_both kept --keep-failed "$expr" -A kept
kept_name=/nix-build-kept.drv-0
for side in ref hook; do
  dir=$W/tmp-$side
  nix_at_least 2.32 && dir=$W/$side/var/nix/builds kept_name='/nix/var/nix/builds/nix-[0-9]+-[0-9]+/build'
  find "$dir" -mindepth 1 -printf '%P %M %l\n' | sed -E 's/^nix-[0-9]+-[0-9]+/NAME/' | sort >"$W/$side.kept"
  find "$dir" -name file -printf '%u\n' >>"$W/$side.kept"
done
check_log "kept: the path is told" "note: keeping build directory .*$kept_name" "$W/hook.log"
check_eq "kept: what is kept" "$(cat "$W/hook.kept")" "$(cat "$W/ref.kept")"
rm -rf "$W"/tmp-* "$W"/*/var/nix/builds/*
nix_build hook "$expr" -A kept >/dev/null
check_eq "nothing is kept unless told" \
  "$(find "$TMPDIR" "$W/hook/var/nix" -name 'nix-build-*' -o -name 'nix-[0-9]*')" ""

# auto-optimise-store: the same files are one, in stores that hold nothing else.
for side in ref hook; do rm -rf "${W:?}/$side" && mkdir "$W/$side"; done
configured "auto-optimise-store = true"
for name in $(attrs same); do build_both "same.$name" "$expr" -A "same.$name"; done
compare "an optimised store"
one_file() { # one_file SIDE: which names of the store are one file, a line each
  (cd "$W/$1/store" && find . \( -type f -o -type l \) ! -name '*.lock' -printf '%i %P\n' | sort |
    awk '{ if ($1 == last) printf " %s", $2; else printf "%s%s", n++ ? "\n" : "", $2; last = $1 }' | sort)
}
for side in ref hook; do one_file $side >"$W/$side.files"; done
check_eq "an optimised store: the same names are one file" "$(cat "$W/hook.files")" "$(cat "$W/ref.files")"
check_eq "an optimised store: equal files of three builds are one" \
  "$(grep -E 'same-tree/a .*same-tree/d/d/c' "$W/hook.files" | grep same-file | grep -c same-tree-dev/e)" 1
configured

check "every difference that docs/parity.md lists is there" \
  python3 "$here/parity/compare.py" --unused "$top_srcdir/docs/parity.md" outputs "$nix_version" "$W/seen"
finish

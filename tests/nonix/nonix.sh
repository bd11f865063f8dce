# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Shared by the tests of builds without Nix, which source it after lib.sh's world(). `bare
# COMMAND...` runs a command in a root that contains this project's programs, a runtime, a busybox
# and their libraries, and neither Nix nor /nix. Of $W it sees $W/share, at the same path.
#
# `ref` is Nix's own side, which pushes to the caches and builds the same derivations in its
# sandbox.
share=$W/share
bare=$W/bare
bare_cache=$bare/var/cache/nix-oci-hook
builder=$(dirname "$NIX_OCI_HOOK")/nix-oci-hook-build
[ -x "$builder" ] || skip_all "no $builder"
need crun busybox ldd
mkdir -p "$share" "$W/tools"
cp "$(realpath "$(command -v busybox)")" "$W/tools/busybox"

copy_program() { # copy_program FILE [TARGET]: with all that it is linked with
  local lib target=${2-$1}
  install -D "$1" "$bare$target" || return
  ldd "$1" 2>/dev/null | grep -oE '/[^ ]+' | while read -r lib; do
    [ -e "$bare$lib" ] || install -D "$(realpath "$lib")" "$bare$lib" || return
  done
}
bare_root() {
  mkdir -p "$bare"/{bin,dev,etc,proc,root,run,sys,tmp,var/cache,old} "$bare$share"
  chmod 1777 "$bare/tmp"
  copy_program "$NIX_OCI_HOOK" /usr/bin/nix-oci-hook &&
    copy_program "$builder" /usr/bin/nix-oci-hook-build &&
    copy_program "$(dirname "$builder")/nix-oci-hook-builtin" /usr/bin/nix-oci-hook-builtin &&
    copy_program "$(command -v crun)" /usr/bin/crun &&
    copy_program "$(realpath "$(command -v busybox)")" || return
  [ -e "$bare/bin/busybox" ] || cp "$W/tools/busybox" "$bare/bin/busybox" || return
  ln -s busybox "$bare/bin/sh"
  echo 'root:x:0:0:root:/root:/bin/sh' >"$bare/etc/passwd"
  echo 'root:x:0:' >"$bare/etc/group"
  echo '127.0.0.1 localhost' >"$bare/etc/hosts"
}
bare() { (bare_become "$@"); }
bare_become() { # in a subshell: turn into it, so that it has the subshell's pid
  exec env -i --default-signal=INT,QUIT PATH=/usr/bin:/bin HOME=/root TMPDIR=/tmp TERM=dumb \
    unshare --mount --propagation private -- busybox sh -c '
    mount --bind "$0" "$0" && cd "$0" && mount --rbind /dev dev && mount --rbind /sys sys &&
      mount --rbind /proc proc && mount --bind "$1" ".$1" &&
      pivot_root . old && umount -l /old && shift && exec "$@"' \
    "$bare" "$share" "$@"
}
bare_build() { # bare_build ARG...: its paths on stdout, the rest in $W/bare.log
  bare nix-oci-hook build --trusted-public-keys "$ref_key" "$@" 2>"$W/bare.log"
}

# ---- keys ----
on ref nix-store --generate-binary-cache-key ref-1 "$share/ref.secret" "$share/ref.public"
on ref nix-store --generate-binary-cache-key bare-1 "$share/bare.secret" "$share/bare.public"
ref_key=$(cat "$share/ref.public") bare_key=$(cat "$share/bare.public")

# ---- caches ----
push() { # push DIR ARG...: what Nix pushes, signed; DIR is below $share
  local dir=$1
  shift
  on ref nix copy --to "file://$share/$dir?secret-key=$share/ref.secret&compression=none" "$@"
}
drv_of() { on ref nix-instantiate "$expr" --arg tools "$W/tools" -A "$@" 2>/dev/null | sed 's/!.*//'; }
ref_build() { on ref nix-build --no-out-link "$expr" --arg tools "$W/tools" -A "$@" 2>"$W/ref.log"; }
inputs_of() { # inputs_of DRV: what is fetched for its build, for each its outputs and sources
  on ref nix-store -q --references "$1" | while read -r p; do
    case $p in
    *.drv) on ref nix-store -q --outputs "$p" ;;
    *) echo "$p" ;;
    esac
  done
}
narinfo() { # narinfo DIR PATH FIELD
  local base=${2##*/}
  sed -n "s/^$3: //p" "$share/$1/${base%%-*}.narinfo"
}

# ---- what must not be left ----
bare_left() { # like left(), of the bare root
  left ref >"$W/left.all"
  sed '/^temporary: /d' "$W/left.all"
  find "$bare_cache/runs" "$bare_cache/making" "$bare/run/nix-oci-hook/run" \
    "$bare/tmp" -mindepth 1 -printf 'left: %p\n' 2>/dev/null
}
nothing_left_bare() { # nothing_left_bare NAME: within two seconds
  local i rest
  for i in $(seq 20); do
    rest=$(bare_left)
    [ -z "$rest" ] && { ok "$1: nothing is left"; return; }
    sleep 0.1
  done
  echo "$rest" >"$W/left.log"
  not_ok "$1: nothing is left" "$W/left.log"
}
bare_root || skip_all "a root without Nix cannot be made"

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `nix-oci-hook request` prints what Nix's own sandbox gives a builder: environment, arguments,
# files and inputs. TAP. Runs in a mount namespace of its own, with a /nix of its own; no network.
prog=$(cd "${top_builddir:-.}" && pwd)/nix-oci-hook
dir=$(cd "$(dirname "$0")" && pwd)
skip() {
  if [ "${TEST_STRICT-0}" = 1 ]; then
    echo "1..1"
    echo "not ok 1 - cannot run here: $1"
    exit 1
  fi
  echo "1..0 # SKIP $1"
  exit 0
}
[ "$(id -u)" = 0 ] || skip "needs root"
for c in unshare nix-build nix-store python3 busybox; do
  command -v $c >/dev/null || skip "$c is not installed"
done
busybox=$(readlink -f "$(command -v busybox)")
ldd "$busybox" >/dev/null 2>&1 && skip "busybox is not static"

if [ -z "${NIH_PARITY-}" ]; then
  w=$(mktemp -d "${TMPDIR:-/var/tmp}/nih-parity.XXXXXX") || exit 1
  trap 'rm -rf "$w"' EXIT
  mkdir -p /nix "$w/nix"
  NIH_PARITY=$w unshare --mount --propagation private -- "$0"
  exit
fi
w=$NIH_PARITY
mount --bind "$w/nix" /nix || exit 1
unset NIX_PATH NIX_REMOTE NIX_STORE_DIR NIX_STATE_DIR XDG_CONFIG_HOME XDG_CACHE_HOME XDG_CONFIG_DIRS
export HOME="$w/home" TMPDIR="$w/tmp" LC_ALL=C.UTF-8 NIX_CONF_DIR="$w/etc"
export PARITY_SET="from outside"
unset PARITY_UNSET
mkdir -p "$HOME" "$TMPDIR" "$w/etc" "$w/dir"
printf a >"$w/a" && printf b >"$w/b"
settings="sandbox = true
sandbox-fallback = false
build-users-group =
substituters =
experimental-features = nix-command ca-derivations
cores = 3"
shell="/bin/sh=$busybox /bin/busybox=$busybox"

export NIX_CONFIG="$settings
sandbox-paths = $shell"
cat >"$w/probe.nix" <<'END'
derivation {
  name = "probe";
  system = "x86_64-linux";
  builder = "/bin/sh";
  args = [ "-c" "echo ${builtins.toFile "marked" "refers to ${builtins.toFile "referred" "x"}"} >$out" ];
}
END
nix-build --no-out-link "$w/probe.nix" >"$w/probe.log" 2>&1 ||
  skip "Nix has no sandbox here: $(tail -n 1 "$w/probe.log")"

# Paths that are there, missing, twice, a directory, in the store with references, /build itself.
marked=$(echo /nix/store/*-marked)
export NIX_CONFIG="$settings
sandbox-paths = $shell /mark-a=$w/a /mark-b=$w/b? /mark-c=/nowhere? /mark-d=$w/a /mark-d=$w/b\
 /mark-dir=$w/dir /mark-store=$marked /build=$w/dir"
python3 "$dir/request.py" "$prog" "$dir"

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The hook reads the messages that the installed Nix sends to a build hook. TAP.
# Runs in a mount namespace of its own, with a /nix of its own; no network.
decode=$(cd "${top_builddir:-.}" && pwd)/tests/tools/decode_protocol
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
for c in unshare nix-build nix-store nix-instantiate nix; do
  command -v $c >/dev/null || skip "$c is not installed"
done
if [ -z "${NIH_PARITY-}" ]; then
  w=$(mktemp -d "${TMPDIR:-/var/tmp}/nih-protocol.XXXXXX") || exit 1
  trap 'rm -rf "$w"' EXIT
  mkdir -p /nix "$w/nix"
  NIH_PARITY=$w unshare --mount --propagation private -- "$0"
  exit
fi
w=$NIH_PARITY
mount --bind "$w/nix" /nix || exit 1
unset NIX_PATH NIX_REMOTE NIX_STORE_DIR NIX_STATE_DIR XDG_CONFIG_HOME XDG_CACHE_HOME XDG_CONFIG_DIRS
export HOME="$w/home" TMPDIR="$w/tmp" LC_ALL=C.UTF-8 NIX_CONF_DIR="$w/etc"
mkdir -p "$HOME" "$TMPDIR" "$w/etc"

# All answers at once: Nix reads a line for each question, and the name after "accept".
cat >"$w/hook" <<END
#!/bin/sh
printf '# decline\n# accept\nrecorder\n' >&2
cat >"$w/sent"
exit 1
END
chmod +x "$w/hook"
export NIX_CONFIG="build-hook = $w/hook
sandbox = false
build-users-group =
substituters =
experimental-features = nix-command
system-features = kvm big-parallel
max-jobs = 1
cores = 3
timeout = 77"

# "first" is declined, so that Nix builds it; then the hook is asked about "second".
cat >"$w/t.nix" <<'END'
let
  first = derivation {
    name = "first";
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" "echo ${builtins.toFile "source" "x"} >$out" ];
  };
in
derivation {
  name = "second";
  system = "riscv64-linux";
  builder = "/bin/sh";
  outputs = [ "out" "dev" "lib" ];
  requiredSystemFeatures = [ "zz" "kvm" "big-parallel" ];
  inherit first;
  source = builtins.toFile "other" "y";
}
END
nix-build --no-out-link "$w/t.nix" >"$w/log" 2>&1
if [ ! -s "$w/sent" ]; then
  echo "1..1"
  echo "not ok 1 - Nix has not asked the hook"
  sed 's/^/# /' "$w/log"
  exit 1
fi
second=$(nix-instantiate "$w/t.nix" 2>"$w/log")
first=$(echo /nix/store/*-first.drv)
system=$(nix-instantiate --eval --strict -E builtins.currentSystem | tr -d '"')
"$decode" 2 <"$w/sent" >"$w/read" 2>"$w/read.err"
decoded=$?

n=0 bad=0
result() { # result OK TEXT FILE...: a line of TAP, and the files where it is not ok
  n=$((n + 1))
  if [ "$1" = 0 ]; then
    echo "ok $n - $2"
    return
  fi
  echo "not ok $n - $2"
  shift 2
  sed 's/^/# /' "$@"
  bad=1
}
echo 1..5
[ $decoded = 0 ] && [ ! -s "$w/read.err" ]
result $? "$(nix --version) is read to its end" "$w/read.err" "$w/log"

# amWilling only tells that a job is free, not that Nix could build it.
printf 'try 1 %s %s\ntry 1 riscv64-linux %s big-parallel kvm zz\n' "$system" "$first" "$second" >"$w/want"
sed -n '/^try /p' "$w/read" >"$w/got"
cmp -s "$w/want" "$w/got"
result $? "both requests are what was asked for" "$w/want" "$w/got"

for p in /nix/store/*-first /nix/store/*-source /nix/store/*-other; do echo "input $p"; done |
  sort >"$w/want"
sed -n '/^input /p' "$w/read" >"$w/got"
cmp -s "$w/want" "$w/got"
result $? "inputs are the whole closure" "$w/want" "$w/got"

printf 'output dev\noutput lib\noutput out\n' >"$w/want"
sed -n '/^output /p' "$w/read" >"$w/got"
cmp -s "$w/want" "$w/got"
result $? "outputs are those wanted" "$w/want" "$w/got"

# The program nix evaluates purely by its own default, nix-build does not.
{ nix config show || nix show-config; } 2>/dev/null | sed -n 's/^\([a-z0-9-]*\) = \{0,1\}/set \1=/p' |
  LC_ALL=C sort | sed 's/^set pure-eval=true$/set pure-eval=false/' >"$w/want"
sed -n '/^set /p' "$w/read" | LC_ALL=C sort >"$w/got"
grep -q '^set timeout=77$' "$w/got" && grep -q '^set cores=3$' "$w/got" &&
  diff "$w/want" "$w/got" >"$w/diff"
result $? "settings are those that Nix shows" "$w/diff"
exit $bad

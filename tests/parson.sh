#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# parson.sh DIR: build all with parson itself, as nixpkgs does, and run all unit tests and seeds.
# TAP.
#
# DIR is a checkout of https://github.com/kgabis/parson. Debian has no parson, so configure uses
# jansson through compat/parson.h there. Needs no root.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cannot() {
  if [ "${TEST_STRICT-0}" = 1 ]; then
    echo "1..1"
    echo "not ok 1 - cannot run here: $1"
    exit 1
  fi
  echo "1..0 # SKIP $1"
  exit 77
}
[ $# = 1 ] || { echo "usage: $0 DIR, a checkout of https://github.com/kgabis/parson" >&2; exit 2; }
for f in parson.c parson.h; do
  [ -f "$1/$f" ] || cannot "there is no '$1/$f': fetch https://github.com/kgabis/parson"
done
for c in "${CC:-gcc}" make pkg-config; do command -v "${c##* }" >/dev/null || cannot "$c is not installed"; done
pkg-config --exists cmocka || cannot "cmocka is not installed (Debian: libcmocka-dev)"
parson=$(cd "$1" && pwd)
version=$(sed -n 's/^#define PARSON_VERSION_STRING "\(.*\)"/\1/p' "$parson/parson.h")
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
n=0 bad=0
result() { # result OK TEXT LOG: a line of TAP, and the end of LOG where it is not ok
  n=$((n + 1))
  if [ "$1" = 0 ]; then echo "ok $n - $2"; else
    echo "not ok $n - $2"
    tail -n 40 "$3" | sed 's/^/# /'
    bad=1
  fi
  return "$1"
}
end() {
  echo "1..$n"
  exit $bad
}

# Installed as parson's own build installs it: a header, a library, and a file for pkg-config.
mkdir -p "$W/parson" "$W/build"
cp "$parson/parson.h" "$W/parson/"
cat >"$W/parson/parson.pc" <<EOF
Name: parson
Description: JSON
Version: $version
Cflags: -I$W/parson
Libs: -L$W/parson -lparson
EOF
(cd "$W/parson" && ${CC:-gcc} -O2 -g -c "$parson/parson.c" -o parson.o && ar rcs libparson.a parson.o) \
  >"$W/log" 2>&1
result $? "parson $version is built" "$W/log" || end

source=$("$top/scripts/source-dir.sh" "$W/source" 2>"$W/log") || { result 1 "the source is ready" "$W/log"; end; }
(cd "$W/build" && PKG_CONFIG_PATH=$W/parson "$source/configure" --with-parson=yes --enable-werror \
  CFLAGS="-O1 -g" && make --silent -j"$(nproc)") >"$W/log" 2>&1
result $? "nix-oci-hook is built with it" "$W/log" || end
nm "$W/build/nix-oci-hook" | grep -q ' T json_parse_string$' && ! ldd "$W/build/nix-oci-hook" | grep jansson
result $? "its JSON is parson's" "$W/log"

# The scripts of `make check` do not depend on the library, except those of requests.
tests=$(cd "$W/build" && make --silent --no-print-directory -f Makefile -f - print <<'EOF'
print:
	@echo $(UNIT_TESTS) $(FUZZ_TARGETS) tests/parity/request.sh
EOF
)
make -C "$W/build" -k -j"$(nproc)" check TESTS="$tests" >"$W/log" 2>&1
rc=$?
sed -nE 's/^PASS: ([^ ]*) [0-9]+ - (.*)/\1: \2/p' "$W/log" >"$W/passed"
{ grep -E '^(FAIL|ERROR|XPASS|SKIP):' "$W/log"; tail -n 15 "$W/log"; } >"$W/failed"
result $rc "$(wc -l <"$W/passed") cases of $(cut -d: -f1 "$W/passed" | sort -u | wc -l) programs pass" \
  "$W/failed"
end

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The hook is linked with no library that is slow to load, because each build starts it. TAP.
cd "${top_builddir:-.}" || exit 1
echo 1..1
needed=$(readelf -d nix-oci-hook | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
slow=$(echo "$needed" | grep -vE '^(lib(jansson|parson|sqlite3|crypto|blake3|c|pthread|dl|m|atomic|gcc_s)|lib(a|ub|t)san|ld-linux[-a-z0-9_]*)\.so')
if [ -n "$needed" ] && [ -z "$slow" ]; then echo "ok 1 - the hook needs few libraries"; else
  echo "not ok 1 - the hook needs few libraries"
  echo "${slow:-readelf tells of none}" | sed 's/^/# /'
fi

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each configuration that can be asked for is valid by OCI's JSON schema: by Debian's version of it
# and by a newer one beside the project. Asked for again, the configuration has the same bytes. TAP.
prog=${top_builddir:-.}/nix-oci-hook
here=$(cd "$(dirname "$0")" && pwd)
shared=${NIH_SHARED:-$here/../../../shared}
debian=/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema
n=0 bad=0
result() { # result STATUS TEXT FILE: print a line of TAP
  n=$((n + 1))
  if [ "$1" = 0 ]; then
    echo "ok $n - $2"
  else
    echo "not ok $n - $2"
    sed 's/^/# /' "$3"
    bad=1
  fi
}
skip() { # skip TEXT REASON: one test that cannot run here
  n=$((n + 1))
  if [ "${TEST_STRICT-0}" = 1 ]; then
    echo "not ok $n - $1: cannot run here: $2"
    bad=1
  else
    echo "ok $n - $1 # SKIP $2"
  fi
}
w=$(mktemp -d) || exit 1
trap 'rm -rf "$w"' EXIT

command -v python3 >/dev/null || {
  echo 1..1
  skip "schemas" "python3 is not installed"
  exit $bad
}
python3 "$here/request.py" >"$w/plain.request"
python3 "$here/request.py" network_access=true provide_bin_sh=true kvm=true shm_size=30% \
  host=/a:/b ro=/c:/d input=i:/nix/store/i env=A:1 file=build/x:y /bin/sh -c : >"$w/all.request"
python3 "$here/request.py" uid_range=true >"$w/range.request"
for request in plain all range; do
  for profile in nix tvix; do
    for how in "" --rootless --runtime=crun --runtime=runc --runtime=runsc; do
      out="$w/$request-$profile$how.json"
      "$prog" spec --profile $profile $how "$w/$request.request" >"$out" 2>>"$w/log" && [ -s "$out" ] ||
        echo "no $out" >>"$w/log"
      "$prog" spec --profile $profile $how "$w/$request.request" 2>>"$w/log" | cmp - "$out" >>"$w/log" 2>&1
    done
  done
done
[ ! -s "$w/log" ]
result $? "30 configurations are printed, twice the same" "$w/log"

printf '{"version": 2}' >"$w/bad.request"
"$prog" spec "$w/bad.request" >"$w/out" 2>"$w/err"
[ $? = 1 ] && [ ! -s "$w/out" ] && grep -q "bad.request': request: version" "$w/err"
result $? "a wrong request is refused by name" "$w/err"
"$prog" spec --profile x "$w/plain.request" >"$w/out" 2>"$w/err"
[ $? = 1 ] && [ ! -s "$w/out" ] && grep -q "no profile 'x'; there are nix and tvix" "$w/err"
result $? "a wrong profile is refused" "$w/err"

for schema in "Debian's:$debian" "a newer:$shared/oci-schema"; do
  dir=${schema#*:} name="valid by ${schema%%:*} schema"
  if ! [ -f "$dir/config-schema.json" ]; then
    skip "$name" "$dir is not there (Debian: golang-github-opencontainers-specs-dev)"
  elif ! python3 -c 'import jsonschema' 2>/dev/null; then
    skip "$name" "python3-jsonschema is not installed"
  else
    python3 -W ignore "$here/validate.py" "$dir" "$w"/*.json >"$w/err" 2>&1
    result $? "$name" "$w/err"
    # A schema whose references lead nowhere would hold nothing against a wrong document.
    sed 's/"containerID": 0/"containerID": "0"/' "$w/plain-nix.json" >"$w/broken"
    ! python3 -W ignore "$here/validate.py" "$dir" "$w/broken" >"$w/err" 2>&1 &&
      grep -q uidMappings "$w/err"
    result $? "$name: a wrong one is not" "$w/err"
  fi
done
echo "1..$n"
exit $bad

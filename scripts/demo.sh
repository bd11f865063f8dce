#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# demo.sh: on a fresh Debian 12, as root: install the packages that are needed (apt), build
# nix-oci-hook, and let nix-build build GNU hello from Debian's source in an OCI container. The last
# line is hello's output.
#
# The script changes nothing in the machine's configuration. It leaves the packages, the directory
# build-demo/ and hello in /nix/store.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

say "Installing what is needed"
scripts/install-deps.sh build run
command -v dpkg-source >/dev/null || apt-get -q install -y --no-install-recommends dpkg-dev

say "Building nix-oci-hook"
mkdir -p build-demo
source=$(scripts/source-dir.sh "$PWD/build-demo/source")
(cd build-demo && "$source/configure" --quiet && make --silent -j"$(nproc)")
build-demo/nix-oci-hook --version

say "Fetching the source of hello"
scripts/debian-source.sh "$PWD/build-demo/sources" hello

say "Building GNU hello through the hook"
# No local builds: what comes out came through the hook. Debian's tools are visible in the
# sandbox, as there is no nixpkgs here.
options=(
  --option build-hook "$PWD/build-demo/nix-oci-hook"
  --option max-jobs 0
  --option substituters ""
  --option sandbox true
  --option sandbox-paths "/bin /usr /lib /lib64 /etc/alternatives"
)
# Debian's nix-bin alone makes no users for builds.
getent group nixbld >/dev/null || options+=(--option build-users-group "")
hello=$(nix-build --no-out-link "${options[@]}" tests/e2e/software.nix -A hello \
  --arg sources "$PWD/build-demo/sources")

say "$hello"
"$hello/bin/hello"

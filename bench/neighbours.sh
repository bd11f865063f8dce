#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# neighbours.sh [ROUNDS]: how long a build takes beside builds that take all that they can get, one
# after the other, against alone, and against beside others of its own kind. All with limits.
. "$(dirname "$0")/lib.sh"
need busybox crun mkfs.ext4
world "$@"
rounds=${1:-3}
export NIX_OCI_HOOK_RUNTIME=${NIX_OCI_HOOK_RUNTIME:-crun}
expr=$here/e2e/neighbours.nix
printf '%s\n' "journal = off" "max-jobs = 2" "memory-max = 128M" "pids-max = 100" "disk-max = 64M" \
  "log-max = 1M" "cpu-weight = 100" >"$NIX_OCI_HOOK_CONFIG"
nix_conf hook
build() { # build SEED ATTR
  on hook nix-build --no-out-link --option build-hook "$NIX_OCI_HOOK" "$expr" --argstr seed "$1" -A "$2"
}
beside() { # beside ATTR: build that again and again, until the file is there
  local n=0
  while [ ! -e "$W/stop" ]; do build "beside-$RANDOM-$((n++))" "$1" >"$W/beside.out" 2>"$W/beside.log"; done
}
side() { # side NAME SEED: the neighbour alone (ref), or beside builds of NAME
  rm -f "$W/stop"
  if [ "$1" != ref ]; then
    beside "$1" &
    sleep 1
  fi
  time_of "$1" build "$2-$1" neighbour
  touch "$W/stop"
  wait
}
sides="ref neighbour forkBomb memoryHog diskFiller inodeFiller logFlood descriptorHog"
build first neighbour >"$W/out" 2>"$W/log" || { cat "$W/log"; exit 1; }
for ((i = 0; i < rounds; i++)); do
  for name in $sides; do side "$name" "$i" || exit 1; done
done
echo "a build on $(nproc) processors beside others, median of $rounds rounds:"
report ref alone
for name in ${sides#ref }; do report "$name" "$name"; done

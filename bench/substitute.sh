#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# substitute.sh [ROUNDS]: time how long a closure of about 250 MB takes from a binary cache that
# nginx serves on loopback, with xz and with zstd. nar/cache and Nix take turns. Nix fetches into a
# new store: by `nix-store --realise` with substituters, as for a build (with its default max-jobs,
# one path at a time, and with one job for each processor), and by `nix copy`. nar/cache unpacks and
# checks the same paths in a directory, but registers them in no database. NIH_BENCH_SIZE: bytes of
# the closure. TMPDIR: where all files are (/dev/shm: not on a disk).
. "$(dirname "$0")/../tests/cache/lib.bash"
. "$(dirname "$0")/lib.sh"
world "$@"
need nginx python3
rounds=${1:-5}
size=${NIH_BENCH_SIZE:-250000000}

# Real files, which compress as those of packages do: each path holds a part of /usr/lib and
# /usr/share, as many bytes as their share.
mkdir "$W/parts"
find /usr/lib /usr/share /usr/bin -xdev -type f -size -8000k -printf '%s %p\n' 2>/dev/null | sort -k 2 |
  awk -v size="$size" '
    { n += $1; if (n > size) exit; part = int(n / (size / 60)); print $2 >"'"$W"'/parts/" part }'
export NIX_CONF_DIR=$W/etc-ref
on ref sh -c 'for list in "$1"/*; do
    d=$1.d/part-$(basename "$list"); mkdir -p "$d" && xargs -a "$list" cp --parents -t "$d" && echo "$d"
  done | xargs nix-store --add >"$1.paths"' sh "$W/parts" || exit 1
paths=$(cat "$W/parts.paths")
on ref nix-store --generate-binary-cache-key test-1 "$W/secret" "$W/public"
key=$(cat "$W/public")
for c in xz zstd; do
  # shellcheck disable=SC2086 # a list of words
  on ref nix copy --to "file://$W/$c?secret-key=$W/secret&compression=$c" $paths 2>"$W/copy.log" ||
    { cat "$W/copy.log"; exit 1; }
done
serve_nginx "$W"

# shellcheck disable=SC2086
ours() { "$NIH_FETCH" --from "$nginx/$1" --key "$key" restore "$W/new/store" $paths; }
# shellcheck disable=SC2086
nix_copy() { nix --extra-experimental-features nix-command copy --no-check-sigs --from "$nginx/$1" --to "$W/new" $paths; }
# shellcheck disable=SC2086
realise() {
  nix-store --store "$W/new" --realise $paths --option substituters "$nginx/$1" \
    --option trusted-public-keys "$key" --option max-jobs "$2"
}
nix_realise() { realise "$1" 1; }
nix_parallel() { realise "$1" "$(nproc)"; }
sum=$(du -sb "$W/parts.d" | cut -f1)
echo "$(wc -w <<<"$paths") paths, $((sum / 1000000)) MB; medians of $rounds rounds, $(nproc) cores"
for c in xz zstd; do
  for i in $(seq "$rounds"); do
    for side in nix_realise nix_parallel nix_copy ours; do
      chmod -R u+w "$W/new" 2>/dev/null
      rm -rf "$W/new" "$HOME/.cache"
      time_of "$side" "$side" "$c" || exit 1
    done
  done
  base=$(median <"$W/nix_realise.ms")
  echo "$c, $(du -sb "$W/$c" | awk '{ print int($1 / 1000000) }') MB compressed"
  for side in nix_realise nix_parallel nix_copy ours; do
    ms=$(median <"$W/$side.ms")
    printf '  %-12s %8.0f ms  %sx  %8.0f ms of the processor\n' "$side" "$ms" "$(ratio "$ms" "$base")" \
      "$(median <"$W/$side.cpu")"
    rm "$W/$side.ms" "$W/$side.cpu"
  done
done
kill "$nginx_pid"

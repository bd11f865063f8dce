#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# If the schema of Nix's database is unknown, outputs are registered by nix-store, and the hook
# tells why. Both ways of registering are also tried on a full disk.
. "$(dirname "$0")/../lib.sh"
need crun
world "$@"
expr=$here/e2e/small.nix

# Another column, which this Nix does not mind; another number it would refuse itself.
for side in ref hook; do
  on $side nix-instantiate "$expr" -A multi >/dev/null 2>&1
  sqlite3 "$W/$side/var/nix/db/db.sqlite" "alter table ValidPaths add column later text" ||
    not_ok "the database can be changed"
done
registered=load-db
build_both "another schema" "$expr" -A multi -v && compare "another schema"
check_log "another schema: it is told" \
  "^outputs are registered by nix-store --load-db: .*other columns than this program knows" "$W/hook.log"
build_both "another schema: a chain" "$expr" -A chain && compare "another schema: a chain"
check_eq "without -v it is not told" "$(grep -c 'load-db' "$W/hook.log")" 0
echo "registration = sqlite" >"$NIX_OCI_HOOK_CONFIG"
nix_build hook "$expr" -A link >/dev/null
check_eq "registration = sqlite: nix-build's exit code" $? 1
check_log "registration = sqlite: the reason" "set 'registration' to 'auto' or 'load-db'" "$W/hook.log"

# The disk is full from when the output is there; the build writes it elsewhere.
real_hook=$NIX_OCI_HOOK
mount -t tmpfs -o size=64m none "$W/hook" || not_ok "a small disk"
mkdir "$W/bundles"
for how in sqlite load-db; do
  printf 'registration = %s\n' $how >"$NIX_OCI_HOOK_CONFIG"
  cat >"$W/filler" <<END
#!/bin/sh
dd if=/dev/zero of=/nix/filler bs=4k >/dev/null 2>&1
dd if=/dev/zero of=/nix/filler bs=1 oflag=append conv=notrunc >/dev/null 2>&1
exec crun "\$@"
END
  chmod +x "$W/filler"
  left_begin
  left_mounts=$(cut -d' ' -f5 /proc/self/mountinfo | grep -F "$W")
  NIX_OCI_HOOK_RUNTIME=$W/filler NIX_OCI_HOOK_BUNDLE_DIR=$W/bundles \
    nix_build hook "$expr" -A multi >/dev/null
  check_eq "$how, a full disk: nix-build's exit code" $? 1
  check_log "$how, a full disk: the reason is told" 'No space left on device|database or disk is full' "$W/hook.log"
  rm -f "$W/hook/filler"
  check_eq "$how, a full disk: no output is valid" "$(valid_count hook)" 0
  check_eq "$how, a full disk: no output is left" "$(find "$W/hook/store" -maxdepth 1 -name '*-multi*' ! -name '*.drv' ! -name '*.lock')" ""
  nothing_left "$how, a full disk" hook
  check "$how: with space again it builds" nix_build hook "$expr" -A multi
  check "$how: the store is sound" verify hook
  umount "$W/hook"
  mount -t tmpfs -o size=64m none "$W/hook"
done
NIX_OCI_HOOK=$real_hook
umount "$W/hook"
finish

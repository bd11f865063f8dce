#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A power cut leaves no valid path whose files are empty or missing. The test traces the system
# calls of the hook: contents are on the disk before the outputs get their names, and the names
# before anything is written to Nix's database, for each way of registering. It also checks in which
# cases the hook does nothing of this.
. "$(dirname "$0")/../lib.sh"
need crun strace
world "$@"
expr=$here/e2e/small.nix
real_hook=$NIX_OCI_HOOK

# The hook itself, not what it starts: -ff has a file for each process, in one clock.
cat >"$W/traced" <<END
#!/bin/sh
exec strace -ff -ttt -y -s 200 -e trace=fsync,syncfs,sync,rename,renameat,renameat2,pwrite64,execve \
  \${NIH_INJECT:+-e "inject=\$NIH_INJECT"} -o "$W/trace/t" "$real_hook" "\$@"
END
chmod +x "$W/traced"
NIX_OCI_HOOK=$W/traced
conf() { printf '%s\n' "runtime = crun" "$@" >"$NIX_OCI_HOOK_CONFIG"; }
# traced NAME ARG...: build, and have in $W/events what was done, in order, a word a line
traced() {
  rm -rf "$W/trace" && mkdir "$W/trace"
  nix_build hook "${@:2}" >"$W/built" || { not_ok "$1: it builds" "$W/hook.log"; return 1; }
  sort -n "$W/trace"/t.* | sed -nE \
    -e 's/^[0-9.]+ fsync\([0-9]+<[^>]*\.chroot\/.*= 0$/contents/p' \
    -e 's/^[0-9.]+ syncfs\(.*= 0$/syncfs/p' \
    -e 's/^[0-9.]+ renameat2?\([0-9]+<[^>]*\.chroot\/.*= 0$/move/p' \
    -e 's/^[0-9.]+ fsync\([0-9]+<[^>]*\/store>\) *= 0$/names/p' \
    -e 's/^[0-9.]+ sync\(\).*/sync/p' \
    -e 's/^[0-9.]+ pwrite64\([0-9]+<[^>]*\/db\/db\.sqlite(-wal)?>.*/row/p' \
    -e 's/^[0-9.]+ execve\(.*"--load-db".*= 0$/row/p' | uniq >"$W/events"
}
events() { xargs <"$W/events"; }
# check_events NAME PATTERN: of all events as one line
check_events() {
  if events | grep -qxE "$2"; then ok "$1"; else not_ok "$1" "$W/events"; fi
}
in_memory() { case $(stat -f -c %T "$W/hook") in tmpfs | ramfs) return 0 ;; *) return 1 ;; esac; }

in_memory && skip_all "'$W' is in memory, where nothing is written to a disk (see TMPDIR)"
for how in sqlite load-db; do
  conf "registration = $how"
  traced "$how" "$expr" -A dep &&
    check_events "$how: a file's contents, its name, then the database" '(contents|syncfs) move names row'
  traced "$how, three outputs" "$expr" -A multi &&
    check_events "$how: the contents of all outputs, all names, then the database" \
      '(contents|syncfs) move names row'
  check "$how: the store is sound" verify hook
  # shellcheck disable=SC2046 # paths of a store have no blanks
  on hook nix-store --delete $(cat "$W/built") >/dev/null 2>&1
  on hook nix-store --gc >/dev/null 2>&1
done

# ---- when ----
n=0
# when NAME yes|no [SETTING...]: whether anything is written to the disk, of a new derivation
when() {
  local name=$1 wanted=$2 is=no
  shift 2
  n=$((n + 1))
  traced "$name" --expr "derivation { name = \"when-$n\"; system = builtins.currentSystem;
    builder = \"/bin/sh\"; args = [ \"-c\" \"echo $n >\$out\" ]; }" "$@" || return
  grep -qE '^(contents|syncfs|names|sync)$' "$W/events" && is=yes
  check_eq "$name: is it written to the disk before?" $is "$wanted"
}
conf "sync = auto"
when "sync = auto" yes
when "sync = auto, fsync-metadata = false" no --option fsync-metadata false
conf "sync = on"
when "sync = on, fsync-metadata = false" yes --option fsync-metadata false
conf "sync = off"
when "sync = off" no
when "sync = off, sync-before-registering = true" yes --option sync-before-registering true
check_events "sync-before-registering: everything, too, as Nix does it" '(contents|syncfs) move names sync row'
! nix_at_least 2.25 || when "sync = off, fsync-store-paths = true" yes --option fsync-store-paths true
mkdir -p "$W/memory" && mount -t tmpfs -o mode=755 tmpfs "$W/memory" && cp -a "$W/hook/." "$W/memory" &&
  mount --move "$W/memory" "$W/hook" || not_ok "a store in memory"
conf "sync = on"
when "a store in memory" no
umount "$W/hook"

# ---- a disk that says no ----
conf
# fails NAME INJECT MESSAGE SCRIPT
fails() {
  n=$((n + 1))
  left_begin
  rm -rf "$W/trace" && mkdir "$W/trace"
  NIH_INJECT=$2 nix_build hook --expr "derivation { name = \"fails-$n\"; system = builtins.currentSystem;
    builder = \"/bin/sh\"; PATH = \"/usr/bin:/bin\"; args = [ \"-c\" \"$4\" ]; }" >/dev/null
  check_eq "$1: nix-build's exit code" $? 1
  check_log "$1: it is told, with the path" "writing '.*$3' to the disk: Input/output error" "$W/hook.log"
  check_eq "$1: nothing is valid" \
    "$(sqlite3 "$W/hook/var/nix/db/db.sqlite" "select path from ValidPaths where path like '%-fails-$n'")" ""
  check_eq "$1: nothing is in the store" "$(find "$W/hook/store" -maxdepth 1 -name "*-fails-$n")" ""
  nothing_left "$1" hook
}
fails "a file cannot be written" fsync:error=EIO:when=1 '-fails-[0-9]*' "echo >\$out"
fails "the store directory cannot be written" fsync:error=EIO:when=2 /store "echo >\$out"
fails "a tree cannot be written" fsync,syncfs:error=EIO '-fails-[0-9]*' \
  "mkdir \$out; echo 1 >\$out/1; echo 2 >\$out/2"
finish

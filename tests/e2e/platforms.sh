#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds for other platforms, by `extra-platforms` and qemu's emulation of single programs, which the
# kernel starts for files of their kind (binfmt_misc). A kernel that can run 32-bit programs of x86
# itself does so.
. "$(dirname "$0")/../lib.sh"
need clang ld.lld qemu-aarch64-static qemu-i386-static
[ "$(uname -m)" = x86_64 ] || skip_all "aarch64 and i686 are foreign to x86_64 only"
world "$@"

mkdir "$W/programs" "$W/binfmt"
flags="-O1 -nostdlib -static -ffreestanding -fno-stack-protector -fno-pic -fuse-ld=lld"
# shellcheck disable=SC2086 # a list of words
for target in aarch64-linux i686-linux; do
  clang --target="${target%-linux}-linux-gnu" $flags -o "$W/programs/$target" "$here/e2e/platforms.c" \
    2>"$W/cc.log" || { cat "$W/cc.log"; exit 1; }
done
mount -t binfmt_misc none "$W/binfmt" || skip_all "the kernel has no binfmt_misc"
# They are the machine's, whichever mount they are made by.
forget() {
  for name in "$W"/binfmt/nih-"$uid_base"-*; do [ ! -e "$name" ] || echo -1 >"$name"; done
}
trap forget EXIT
# handler NAME CLASS MACHINE QEMU: F: opened now, so that it need not be in the sandbox
handler() {
  printf '%s' ":nih-$uid_base-$1:M::\\x7fELF\\x0$2\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x$3\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$(command -v "$4"):F" \
    >"$W/binfmt/register"
}
# built SYSTEM SIDE-NAME WANTED
built() {
  for side in ref hook; do nix_conf $side "extra-platforms = aarch64-linux i686-linux"; done
  build_both "$1, $2" "$here/e2e/platforms.nix" --arg dir "$W/programs" --argstr system "$1" --argstr seed "$2" &&
    compare "$1, $2" || return
  check_eq "$1, $2: which machine the build sees" "$(on hook cat "$out")" "$3"
  check_log "$1, $2: its log" "built on ${3% *}" "$W/hook.log"
}

# Nobody runs such programs yet, if the machine itself has no handler.
if ! "$W/programs/aarch64-linux" "$W/aarch64" >/dev/null 2>&1; then
  for side in ref hook; do
    nix_conf $side "extra-platforms = aarch64-linux"
    nix_build $side "$here/e2e/platforms.nix" --arg dir "$W/programs" --argstr system aarch64-linux >/dev/null
    check_log "$side: without a handler Nix's words" "executing '.*/aarch64-linux': Exec format error" "$W/$side.log"
  done
fi
handler aarch64 2 b7 qemu-aarch64-static
built aarch64-linux qemu "aarch64 8"
by=kernel
if ! "$W/programs/i686-linux" "$W/i686" >/dev/null 2>&1; then
  handler i386 1 03 qemu-i386-static
  by=qemu
fi
built i686-linux $by "i686 4"

# What is not in extra-platforms is left to Nix.
for side in ref hook; do nix_conf $side "extra-platforms ="; done
nix_build hook "$here/e2e/platforms.nix" --arg dir "$W/programs" --argstr system aarch64-linux --argstr seed no >/dev/null
check_log "a platform that is not in extra-platforms" \
  "does not build '.*': this machine does not build for 'aarch64-linux'" "$W/hook.log"
finish

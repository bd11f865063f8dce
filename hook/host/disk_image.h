/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/host/disk_image.h: a file system of its own and of a bounded size, for what a build writes.
 *
 * It lies in a file without a name, on the disk on which it is mounted, and is mounted where only
 * this process and its children see it. So nothing of it outlives them, however they end: with the
 * last of them goes the mount, with the mount the loop device, with that the file. The file has all
 * its blocks from the beginning. A disk without room for them is told before the build, not by a
 * write of the build that seemed to succeed.
 *
 * Needs root, loop devices, and mkfs.ext4 (e2fsprogs).
 */
#ifndef HOOK_HOST_DISK_IMAGE_H
#define HOOK_HOST_DISK_IMAGE_H

#include <stdint.h>

#include "nar/base/err.h"

/* The smallest one, in bytes: below it ext4 has hardly any room beside its own tables. */
#define DISK_IMAGE_MIN (UINT64_C(8) << 20)

/*
 * Keep what this process mounts from now on to itself and its children. Once per process, before
 * it starts the children that are to see it.
 */
int disk_image_isolate(struct err *e) MUST_CHECK;
/*
 * Mount an empty file system of BYTES at the directory AT. Its root has mode 0700. What the file
 * system needs for itself is part of BYTES. Errors name no configuration key: the caller does.
 */
int disk_image_mount(const char *at, uint64_t bytes, struct err *e) MUST_CHECK;

#endif

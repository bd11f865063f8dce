/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/job/disk.h: how much disk a build may use (the key disk-max), and what is said of a disk
 * that is full.
 *
 * A build with disk-max has its bundle, with the build directory and the outputs in it, on a file
 * system of its own (hook/host/disk_image.h). Its outputs are copied into the store, not renamed.
 */
#ifndef HOOK_JOB_DISK_H
#define HOOK_JOB_DISK_H

#include <stdbool.h>

#include "hook/bundle/bundle.h"
#include "hook/conf/conf.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "specgen/request.h"

/* What Nix says where a disk is full. */
#define DISK_NOTE "\nnote: build failure may have been caused by lack of free disk space"

/*
 * Get ready for disk_mount(), before the job opens files and starts its supervisor. Does nothing
 * without disk-max.
 */
int disk_isolate(const struct conf *c, struct err *e) MUST_CHECK;
/*
 * Give the bundle that is going to be made in the new directory PATH a disk of its own. FD is that
 * directory. Returns it, or, with disk-max, the directory that is at PATH from now on; the caller
 * owns either. -1: *E, and FD is closed.
 */
int disk_mount(const struct conf *c, int fd, const char *path, struct err *e) MUST_CHECK;

/* Take away the disk that disk_mount() has put at PATH, if there is one. */
void disk_unmount(const struct conf *c, const char *path);

/* Tell whether almost nothing can be created at PATH any more. */
bool disk_has_no_room(const char *path);
/*
 * Append what is to be said to a build that failed and whose bundle B, or the store STORE_DIR, is
 * on a disk that is as good as full: which disk, how large, and which directory of the build R has
 * most. Nothing is appended where there is room.
 */
int disk_note(const struct conf *c, const char *store_dir, const struct bundle *b,
	      const struct request *r, struct buf *note, struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/dirstack.h: the directories from the root of a tree to the one at hand, as deep as it
 * is, in few descriptors.
 *
 *	scoped_dirstack struct dirstack d = {.name_of = name_of, .ctx = ctx};
 *	dirstack_push(&d, fd, e)           the root, then each directory in the one before
 *	openat(dirstack_fd(&d), ...)       in the one that was pushed last
 *	dirstack_pop(&d)
 *
 * The nearest are open, and some of the others; what is not is opened again by name from the
 * nearest above it that is, and compared. ".." is never opened: where the tree is on a bind mount
 * the kernel walks up to the root of the mount for it, which makes the cost the square of the
 * depth. Each directory is opened again a few times at most (the logarithm of the depth to the base
 * 16), and there are 16 descriptors for each of these times.
 */
#ifndef NAR_BASE_DIRSTACK_H
#define NAR_BASE_DIRSTACK_H

#include <stddef.h>
#include <sys/types.h>

#include "nar/base/err.h"

struct dirstack_level {
	int fd; /* -1: it is not open */
	dev_t dev;
	ino_t ino;
};

struct dirstack {
	/* The name by which the directory on LEVEL is found in the one before; 0 is the root. */
	const char *(*name_of)(void *ctx, size_t level);
	void *ctx;
	struct dirstack_level *levels;
	size_t n, cap;
};

/* FD becomes the stack's, also where it fails. */
int dirstack_push(struct dirstack *d, int fd, struct err *e) MUST_CHECK;
/*
 * The descriptor of the last, until the next call. -1: errno; ESTALE where another directory has
 * its name.
 */
int dirstack_fd(struct dirstack *d) MUST_CHECK;
void dirstack_pop(struct dirstack *d);
void dirstack_done(struct dirstack *d); /* errno stays */
#define scoped_dirstack __attribute__((cleanup(dirstack_done)))

#endif

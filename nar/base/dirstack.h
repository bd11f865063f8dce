/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/dirstack.h: the directories from a tree's root down to the current one, at any depth,
 * with few open descriptors.
 *
 *	scoped_dirstack struct dirstack d = {.name_of = name_of, .ctx = ctx};
 *	dirstack_push(&d, fd, e)           the root, then each directory inside the one before
 *	openat(dirstack_fd(&d), ...)       in the directory that was pushed last
 *	dirstack_pop(&d)
 *
 * The stack keeps the last directories open, and some of those above. A closed directory is opened
 * again by name, from the nearest open directory above it, and must be the directory that it was.
 * The stack never opens "..": on a bind mount the kernel walks up to the mount's root for it, so
 * that the cost would grow with the square of the depth. Each directory is opened again at most
 * log16(depth) times; for each of these times, up to 16 descriptors are open.
 */
#ifndef NAR_BASE_DIRSTACK_H
#define NAR_BASE_DIRSTACK_H

#include <stddef.h>
#include <sys/types.h>

#include "nar/base/err.h"

struct dirstack_level {
	int fd; /* -1: closed; dev and ino then say which directory it was */
	dev_t dev;
	ino_t ino;
};

struct dirstack {
	/* Return the name of LEVEL's directory in the one above it. Never asked for the root, 0. */
	const char *(*name_of)(void *ctx, size_t level);
	void *ctx;
	struct dirstack_level *levels;
	size_t n, cap;
};

/* Push the directory FD. The stack owns FD, which it closes on failure as well. */
int dirstack_push(struct dirstack *d, int fd, struct err *e) MUST_CHECK;
/*
 * Return the descriptor of the last directory, valid until the next call; the stack closes it.
 * Returns -1 with errno on failure; ESTALE: another directory has taken the name of one on the way.
 */
int dirstack_fd(struct dirstack *d) MUST_CHECK;
void dirstack_pop(struct dirstack *d);
void dirstack_done(struct dirstack *d); /* keeps errno */
#define scoped_dirstack __attribute__((cleanup(dirstack_done)))

#endif

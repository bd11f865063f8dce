/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/restore_internal.h: the files and directories that a NAR becomes, and threads that write the
 * small ones.
 *
 * Most of the time of small files is the kernel's, for making them, so it is spent on all
 * processors: the one who reads the NAR hands files that are whole to threads, and writes himself
 * what is large and what comes while all of them are busy. A directory counts who uses it, and is
 * ended by the last one, whoever that is.
 */
#ifndef NAR_RESTORE_INTERNAL_H
#define NAR_RESTORE_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "nar/base/err.h"
#include "nar/nar.h"

/*
 * ---- restore_file.c ----
 *
 * What is made is made with O_EXCL, by the descriptor of its directory, without following links;
 * what cannot be made as it should be is removed again.
 */

struct restore_dir {
	struct restore_dir *parent; /* NULL: this is where the root is made, and not of the tree */
	atomic_uint users;          /* who has it open, files to be written, directories in it */
	int fd;
	bool deep;        /* the descriptor is a dirstack's, and there is one user at a time */
	bool canonical;   /* modes and times as in a store */
	const char *what; /* path of the root for messages; whoever restores has it */
	char name[NAR_NAME_MAX + 1];
};

/*
 * A directory of one user; FD is taken over (without a PARENT it is only used), NAME copied. NULL:
 * *E, and FD is the caller's.
 */
struct restore_dir *restore_dir_new(struct restore_dir *parent, int fd, const char *name,
				    struct err *e) MUST_CHECK;
/* Make directory NAME in PARENT, and open it. NULL: *E. */
struct restore_dir *restore_dir_make(struct restore_dir *parent, const char *name,
				     struct err *e) MUST_CHECK;
struct restore_dir *restore_dir_ref(struct restore_dir *d);
/* One user less. The last one sets mode and times, and closes; so for the directories above. */
int restore_dir_end(struct restore_dir *d, struct err *e) MUST_CHECK;
/* The same, but only closes: nothing of the tree will be left. NULL is fine. */
void restore_dir_drop(struct restore_dir *d);

/* NAME in D is a new file. Its descriptor, or -1: *E. */
int restore_file_make(const struct restore_dir *d, const char *name, bool executable,
		      struct err *e) MUST_CHECK;
/*
 * Bytes of its contents at OFFSET, in order; LAST: with them it is complete. Blocks of zeroes
 * become holes. NAME is for messages. Returns how many bytes were written; -1: *E.
 */
int64_t restore_file_write(const struct restore_dir *d, const char *name, int fd, uint64_t offset,
			   const void *data, size_t n, bool last, struct err *e) MUST_CHECK;
/* All is written. Closes FD, also where it fails. */
int restore_file_end(const struct restore_dir *d, const char *name, int fd,
		     struct err *e) MUST_CHECK;
int restore_link(const struct restore_dir *d, const char *name, const char *target,
		 struct err *e) MUST_CHECK;

/* ---- restore_pool.c ---- */

#define RESTORE_SMALL_BYTES 65536

/* A file that is put together to be written later. */
struct restore_small {
	struct restore_dir *dir; /* counted as its user once it is handed over */
	char name[NAR_NAME_MAX + 1];
	bool executable;
	size_t len;
	char *data; /* RESTORE_SMALL_BYTES of room */
};

struct restore_pool;

struct restore_pool *restore_pool_new(struct err *e) MUST_CHECK;
/*
 * An empty one to be filled and handed over. NULL: all of them wait to be written already, or the
 * tree is too small for threads; write it yourself.
 */
struct restore_small *restore_pool_small(struct restore_pool *p);
void restore_pool_put(struct restore_pool *p, struct restore_small *s);
/* Did a thread fail? Then restore_pool_finish() says why. */
bool restore_pool_failed(struct restore_pool *p);
/* Wait until all is written. */
int restore_pool_finish(struct restore_pool *p, struct err *e) MUST_CHECK;
/* What waits to be written is forgotten. NULL is fine. */
void restore_pool_free(struct restore_pool *p);

#endif

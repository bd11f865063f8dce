/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/restore_internal.h: create the files and directories of a NAR; small files by threads.
 *
 * Small files take most of their time in the kernel, which creates them, so this is spread over all
 * processors. The thread that reads the NAR (the reader) hands small files that are complete to
 * other threads. It writes a file itself if the file is large or all other threads are busy. A
 * directory counts its users; whichever thread drops the last one ends the directory.
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
 * Everything is created with O_EXCL, by the descriptor of its directory, without following links.
 * An entry whose mode or times cannot be set is removed again.
 */

struct restore_dir {
	struct restore_dir *parent; /* NULL: the directory in which the root is created */
	atomic_uint users;          /* the reader in it, files to be written, directories in it */
	int fd;
	bool deep;        /* a dirstack owns fd, and only the reader uses the directory */
	bool canonical;   /* modes and times as in a store */
	const char *what; /* path of the root, for messages; the restorer owns it */
	char name[NAR_NAME_MAX + 1];
};

/*
 * Make the object of a directory, with one user. It owns FD from then on, unless PARENT is NULL.
 * NULL: *E, and FD stays the caller's.
 */
struct restore_dir *restore_dir_new(struct restore_dir *parent, int fd, const char *name,
				    struct err *e) MUST_CHECK;
/* Create directory NAME in PARENT, and open it. NULL: *E. */
struct restore_dir *restore_dir_make(struct restore_dir *parent, const char *name,
				     struct err *e) MUST_CHECK;
/* Add a user. Returns D. */
struct restore_dir *restore_dir_ref(struct restore_dir *d);
/*
 * Drop a user. The last one sets the directory's mode and times, closes it, and drops a user of its
 * parent.
 */
int restore_dir_end(struct restore_dir *d, struct err *e) MUST_CHECK;
/* Like restore_dir_end(), for a tree that will be removed: sets no mode and times. NULL is fine. */
void restore_dir_drop(struct restore_dir *d);

/* A file that is being written. */
struct restore_file {
	const struct restore_dir *dir;
	const char *name;            /* in dir */
	int fd;                      /* -1: not open */
	uint64_t size_bytes, offset; /* in all; where the next bytes go */
};

/* Create F, with dir, name and size_bytes set, and open it. */
int restore_file_make(struct restore_file *f, bool executable, struct err *e) MUST_CHECK;
/*
 * Write the next N bytes of F. Blocks of zeroes become holes.
 * Returns how many bytes were written; -1: *E.
 */
int64_t restore_file_write(struct restore_file *f, const void *data, size_t n,
			   struct err *e) MUST_CHECK;
/* End F, all of which is written: set its times and close it. It is closed on failure as well. */
int restore_file_end(struct restore_file *f, struct err *e) MUST_CHECK;
int restore_link(const struct restore_dir *d, const char *name, const char *target,
		 struct err *e) MUST_CHECK;

/* ---- restore_pool.c ---- */

#define RESTORE_SMALL_BYTES 65536

/* A small file whose contents are collected, for a thread to write it. */
struct restore_small {
	struct restore_dir *dir; /* restore_pool_put() makes the file a user of it */
	char name[NAR_NAME_MAX + 1];
	bool executable;
	size_t len;
	char *data; /* RESTORE_SMALL_BYTES of room */
};

struct restore_pool;

struct restore_pool *restore_pool_new(struct err *e) MUST_CHECK;
/*
 * Return an empty small file, to be filled and passed to restore_pool_put(). NULL: the caller must
 * write its file itself, because the threads are busy, there are none, or the tree is too small.
 */
struct restore_small *restore_pool_small(struct restore_pool *p);
/* Hand S, which is complete, to a thread. */
void restore_pool_put(struct restore_pool *p, struct restore_small *s);
/* Tell whether a thread failed. restore_pool_finish() then says why. */
bool restore_pool_failed(struct restore_pool *p);
/* Wait until all files are written. */
int restore_pool_finish(struct restore_pool *p, struct err *e) MUST_CHECK;
/* Stop the threads without writing the files that wait. NULL is fine. */
void restore_pool_free(struct restore_pool *p);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/io.h: system calls with the loops, checks and messages that all callers need.
 *
 * A path is a directory descriptor and a name. A symbolic link at the name is not followed unless
 * the function's comment says so. The parameter `what` is for messages only: the path as a person
 * knows it.
 */
#ifndef NAR_BASE_IO_H
#define NAR_BASE_IO_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/base/sink.h"

/* Write all N bytes; go on after a short write and after EINTR. -1: errno. */
int io_write_all(int fd, const void *data, size_t n) MUST_CHECK;
/* Like io_write_all(), with the error in *E. */
int io_write(int fd, const void *data, size_t n, const char *what, struct err *e) MUST_CHECK;
/* A file that is open for writing, and its name in messages. */
struct io_file {
	int fd;
	const char *what;
};
/* Returns a sink that writes to F, which must outlive the sink. */
struct nar_sink io_sink(const struct io_file *f);
/*
 * Read N bytes, or fewer if FD ends before.
 * Returns how many were read; -1: *E.
 */
ssize_t io_read(int fd, void *data, size_t n, const char *what, struct err *e) MUST_CHECK;
/* Close *FD, a file that was written, and report a delayed write error. Sets *FD to -1. */
int io_close(int *fd, const char *what, struct err *e) MUST_CHECK;

/*
 * Open PATH, which a person has named, for reading. It may be a file, a pipe, or a symbolic link to
 * one. A FIFO without a writer is at its end instead of blocking. Refuses devices except /dev/null.
 * Returns the descriptor; -1: *E.
 */
int io_open_input(const char *path, struct err *e) MUST_CHECK;
/* Create directory DIRFD/NAME with exactly MODE, whatever the umask, and open it. -1: *E. */
int io_mkdir(int dirfd, const char *name, mode_t mode, struct err *e) MUST_CHECK;
/*
 * Create the directory PATH, and those above it that do not exist, with MODE less the umask, and
 * open it. Follows symbolic links. A directory that exists keeps its mode.
 * Returns the descriptor; -1: *E.
 */
int io_mkdir_p(const char *path, mode_t mode, struct err *e) MUST_CHECK;
/* Open directory DIRFD/NAME; a symbolic link is an error. -1: *E. */
int io_opendir(int dirfd, const char *name, struct err *e) MUST_CHECK;
/*
 * Open a stream of the entries of directory DIRFD, which starts at the first one wherever another
 * stream of DIRFD is. DIRFD stays the caller's. NULL: errno.
 */
DIR *io_list(int dirfd) MUST_CHECK;
/* Create DIRFD/NAME, which must not exist, with the N bytes at DATA and exactly MODE. */
int io_write_file(int dirfd, const char *name, mode_t mode, const void *data, size_t n,
		  struct err *e) MUST_CHECK;
/* Append the contents of the regular file DIRFD/NAME to B. More than B's maximum is ERR_LIMIT. */
int io_read_file(int dirfd, const char *name, struct buf *b, struct err *e) MUST_CHECK;

/*
 * Make DIRFD/NAME a null device, as /dev/null is. Its mode is 0666 less the umask. Fails with EPERM
 * for a process that may make no devices.
 * Returns -1: errno.
 */
int io_make_null(int dirfd, const char *name) MUST_CHECK;

/*
 * Lock FD by flock(2) with the operation HOW, again after each EINTR.
 * Returns 1: it is locked; 0: HOW has LOCK_NB, and another process holds the lock; -1: errno.
 */
int io_lock(int fd, int how) MUST_CHECK;

/*
 * Remove DIRFD/NAME, if it exists, and all below it, at any depth and width. Time is linear in the
 * number of entries; memory and descriptors are bounded (nar/base/rmtree.c). Follows no symbolic
 * link and enters nothing that is mounted in the tree. Directories that lack permissions get them.
 * Goes on after a failure; the message is that of the first one and names WHAT and the entry.
 */
int io_rmtree(int dirfd, const char *name, const char *what, struct err *e) MUST_CHECK;

/*
 * Remove each of these absolute paths like io_rmtree(), from the last to the first. Goes on after a
 * failure; *E is the first one.
 */
int io_rmtrees(const struct strv *paths, struct err *e) MUST_CHECK;

/*
 * Tell whether a call that failed with errno is worth another try: after EINTR, EAGAIN, ENOMEM,
 * ENOBUFS, EMFILE, ENFILE and EIO, for about a second. For calls that must not fail because memory
 * or descriptors are short for a moment. Sleeps before each further try except the first. *TRIES, 0
 * at first, counts the tries.
 */
bool io_again(unsigned *tries);
void io_pause_ms(int64_t ms);

#endif

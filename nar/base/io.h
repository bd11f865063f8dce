/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/io.h: system calls with the loops, checks and messages that all callers need.
 *
 * Paths are a directory descriptor and a name; symbolic links at the name are never followed
 * unless a function says so. `what` in a parameter list is only for messages: the path as a person
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

/* Write all N bytes; short writes and EINTR are gone on with. -1: errno. */
int io_write_all(int fd, const void *data, size_t n) MUST_CHECK;
/* The same with a message. */
int io_write(int fd, const void *data, size_t n, const char *what, struct err *e) MUST_CHECK;
/* A file that is open for writing, and its name in messages. */
struct io_file {
	int fd;
	const char *what;
};
/* Returns a sink that writes to F, which must outlive the sink. */
struct nar_sink io_sink(const struct io_file *f);
/* Read up to N bytes until they are there or the end comes; the count, or -1. */
ssize_t io_read(int fd, void *data, size_t n, const char *what, struct err *e) MUST_CHECK;
/* Close a descriptor whose data counts: a delayed write error is reported. *FD is -1 after. */
int io_close(int *fd, const char *what, struct err *e) MUST_CHECK;

/*
 * Open PATH, which a person has named and may be a link, to be read: a file, or a pipe. A FIFO that
 * nobody writes to is at its end, instead of blocking; a device is refused, but for /dev/null.
 */
int io_open_input(const char *path, struct err *e) MUST_CHECK;
/* Create directory DIRFD/NAME with exactly MODE (umask does not count) and open it. -1: *E. */
int io_mkdir(int dirfd, const char *name, mode_t mode, struct err *e) MUST_CHECK;
/* The same for all of PATH; what is there already keeps its mode. An open descriptor, or -1. */
int io_mkdir_p(const char *path, mode_t mode, struct err *e) MUST_CHECK;
/* Open directory DIRFD/NAME, O_NOFOLLOW. */
int io_opendir(int dirfd, const char *name, struct err *e) MUST_CHECK;
/*
 * Open a stream of the entries of directory DIRFD, which starts at the first one wherever another
 * stream of DIRFD is. DIRFD stays the caller's. NULL: errno.
 */
DIR *io_list(int dirfd) MUST_CHECK;
/* Create DIRFD/NAME, which must not exist, with these bytes and exactly MODE. */
int io_write_file(int dirfd, const char *name, mode_t mode, const void *data, size_t n,
		  struct err *e) MUST_CHECK;
/* The contents of DIRFD/NAME (a regular file) of at most B's maximum, appended to B. */
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
 * Remove DIRFD/NAME and all below it, in time that is linear in the number of entries, in bounded
 * memory and descriptors, as deep and wide as it is (nar/base/rmtree.c). No link is followed,
 * nothing that is mounted in the tree is entered. Directories without permissions are opened up
 * first. Not there is fine. The message of the first failure names WHAT and the entry; the rest is
 * removed all the same.
 */
int io_rmtree(int dirfd, const char *name, const char *what, struct err *e) MUST_CHECK;

/* The same for each of these absolute paths, from the last to the first, all of them. */
int io_rmtrees(const struct strv *paths, struct err *e) MUST_CHECK;

/*
 * For a call that must not be lost for want of a moment's memory or descriptors: tell whether it is
 * worth another try after errno (EINTR, EAGAIN, ENOMEM, ENOBUFS, EMFILE, ENFILE or EIO). Sleeps
 * before all but the first. *TRIES counts them, from 0 on; after about a second it is enough.
 */
bool io_again(unsigned *tries);
void io_pause_ms(int64_t ms);

#endif

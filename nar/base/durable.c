/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * There are two ways. fsync(2) flushes the disk for each file: on an ext4 whose disk flushes in 0.5
 * ms, 50 files take 30 ms and 20,000 take 25 s. syncfs(2) flushes once or twice for any number of
 * files (3 ms and 0.4 s), but also writes what all other processes have written. A neighbour that
 * is unpacking 20 GB can have a fifth of the machine's memory waiting to be written.
 *
 * So the two are compared in bytes. The kernel says how much it has yet to write. The caller's own
 * bytes have to be written either way; the rest is the price of syncfs(2). A flush takes about as
 * long as writing FLUSH_BYTES. A single file is never worth a syncfs(2).
 *
 * Measured in whole builds, two at a time on a busy machine with two processors: builds of 20,000
 * files of 4 kB waited for the disk for 5 to 6 % of their time; trivial builds, which flush twice
 * each, for 4 to 5 %.
 *
 * Calling sync_file_range(2) as each file is made, so that less is left at the end, does not help.
 * It has the file system allocate the blocks of each file separately, which took longer for 20,000
 * files than everything else.
 */
#include "nar/base/durable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/durable_internal.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define FLUSH_BYTES (1u << 20)
#define MEMINFO_MAX_BYTES (64u << 10)
/* A tree deeper than this is written by syncfs(2). */
#define DEPTH_MAX 16

static int is_in_memory(int fd, const char *what, bool *ret, struct err *e)
{
	struct statfs fs;

	while (fstatfs(fd, &fs) < 0)
		if (errno != EINTR)
			return err_sys(e, "looking at the file system of '%s'", what);
	*ret = fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
	return 0;
}

static int failed(const char *what, struct err *e)
{
	return err_sys(e, "writing '%s' to the disk", what);
}

static int flush_fd(int fd, const char *what, struct err *e)
{
	while (fsync(fd) < 0)
		if (errno != EINTR)
			return failed(what, e);
	return 0;
}

int durable_fd(int fd, const char *what, struct err *e)
{
	bool in_memory;

	if (is_in_memory(fd, what, &in_memory, e) < 0)
		return -1;
	return in_memory ? 0 : flush_fd(fd, what, e);
}

/* ---- fsync or syncfs ---- */

/* Return the bytes that the line NAME of TEXT gives in kB; 0 if there is no such line. */
static uint64_t line_bytes(const char *text, const char *name)
{
	const size_t len = strlen(name);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		uint64_t n;

		p += *p == '\n';
		if (strncmp(p, name, len) != 0)
			continue;
		p += len;
		p += strspn(p, " ");
		if (num_parse_u64(p, strspn(p, "0123456789"), UINT64_MAX / 1024 / 2, &n))
			return n * 1024;
	}
	return 0;
}

uint64_t durable_unwritten(const char *meminfo)
{
	return line_bytes(meminfo, "Dirty:") + line_bytes(meminfo, "Writeback:");
}

uint64_t durable_files_max(uint64_t unwritten, uint64_t own)
{
	return 1 + (unwritten > own ? (unwritten - own) / FLUSH_BYTES : 0);
}

static uint64_t files_max(uint64_t own)
{
	scoped_buf struct buf b = BUF_INIT(MEMINFO_MAX_BYTES);
	struct err ignored = ERR_INIT;
	scoped_fd int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || buf_read_fd(&b, fd, "/proc/meminfo", &ignored) < 0 || !b.len)
		return durable_files_max(0, own);
	return durable_files_max(durable_unwritten(b.data), own);
}

/* ---- one by one ---- */

struct sweep {
	const char *what; /* path of the tree, for messages */
	uint64_t left;    /* how many more files and directories may be visited */
	bool flush;       /* write each to the disk */
};

static int sweep_entry(struct sweep *s, int dirfd, const char *name, unsigned depth, struct err *e);

/* Like sweep_entry() for the contents of the directory FD, then FD itself. Closes FD. */
static int sweep_dir(struct sweep *s, int fd, unsigned depth, struct err *e)
{
	scoped_dir DIR *d = fdopendir(fd);

	if (!d) {
		close(fd);
		return err_sys(e, "reading a directory in '%s'", s->what);
	}
	for (;;) {
		errno = 0;
		const struct dirent *de = readdir(d);
		int rc;

		if (!de && errno)
			return err_sys(e, "reading a directory in '%s'", s->what);
		if (!de)
			break;
		if (str_eq(de->d_name, ".") || str_eq(de->d_name, "..") || de->d_type == DT_LNK)
			continue;
		rc = sweep_entry(s, dirfd(d), de->d_name, depth + 1, e);
		if (rc <= 0)
			return rc;
	}
	return s->flush && flush_fd(dirfd(d), s->what, e) < 0 ? -1 : 1;
}

/*
 * Visit DIRFD/NAME and all below it. A symbolic link is not counted: its directory contains it.
 * Returns like durable_each().
 */
static int sweep_entry(struct sweep *s, int dirfd, const char *name, unsigned depth, struct err *e)
{
	scoped_fd int fd =
		openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return 1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "opening '%s' in '%s'", name, s->what);
	if (s->left == 0)
		return 0;
	s->left--;
	if (S_ISDIR(st.st_mode))
		return depth < DEPTH_MAX ? sweep_dir(s, TAKE(fd, -1), depth, e) : 0;
	return s->flush && flush_fd(fd, s->what, e) < 0 ? -1 : 1;
}

int durable_each(const struct durable_tree *trees, size_t n, uint64_t max, bool flush,
		 struct err *e)
{
	struct sweep s = {.left = max, .flush = flush};

	for (size_t i = 0; i < n; i++) {
		int rc;

		s.what = trees[i].what;
		rc = sweep_entry(&s, trees[i].dirfd, trees[i].name, 0, e);
		if (rc <= 0)
			return rc;
	}
	return 1;
}

int durable_trees(const struct durable_tree *trees, size_t n, uint64_t bytes, struct err *e)
{
	uint64_t max;
	bool in_memory;
	int rc;

	if (n == 0)
		return 0;
	if (is_in_memory(trees[0].dirfd, trees[0].what, &in_memory, e) < 0)
		return -1;
	if (in_memory)
		return 0;
	max = files_max(bytes);
	rc = durable_each(trees, n, max, false, e);
	if (rc > 0)
		rc = durable_each(trees, n, max, true, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	while (syncfs(trees[0].dirfd) < 0)
		if (errno != EINTR)
			return failed(trees[0].what, e);
	return 0;
}

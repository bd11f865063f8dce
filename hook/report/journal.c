/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/report/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define READ_BYTES (64u << 10)

const char *journal_path(const struct conf *c)
{
	return c->journal && c->journal[0] == '/' ? c->journal : NULL;
}

/* ---- writing ---- */

static mode_t file_mode(const struct conf *c)
{
	switch (c->journal_readable) {
	case READABLE_OWNER:
		break;
	case READABLE_GROUP:
		return 0640;
	case READABLE_ALL:
		return 0644;
	}
	return 0600;
}

/* O_NONBLOCK: what lies there may be a FIFO that nobody reads. */
static int open_file(const char *path, mode_t mode)
{
	return open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
}

static int make_parent(const char *path, mode_t mode, struct err *e)
{
	const char *slash = strrchr(path, '/');
	scoped_free char *parent = str_ndup(path, (size_t)(slash - path), e);

	if (!parent)
		return -1;
	/* Who may read the file may also come to it. */
	scoped_fd int fd =
		io_mkdir_p(parent[0] ? parent : "/",
			   0700 | (mode & 0040 ? 0050 : 0) | (mode & 0004 ? 0005 : 0), e);
	return fd < 0 ? -1 : 0;
}

/* A journal that can be written to, of the mode that is wanted; *RET_ST is its status. */
static int open_journal(const char *path, mode_t mode, struct stat *ret_st, struct err *e)
{
	scoped_fd int fd = open_file(path, mode);

	if (fd < 0 && errno == ENOENT) {
		if (make_parent(path, mode, e) < 0)
			return -1;
		fd = open_file(path, mode);
	}
	if (fd < 0)
		return err_sys(e, "opening the journal '%s'", path);
	if (fstat(fd, ret_st) < 0)
		return err_sys(e, "getting status of '%s'", path);
	if (!S_ISREG(ret_st->st_mode))
		return err_set(e, ERR_SYSTEM, "the journal '%s' is not a regular file", path);
	/* The key may have changed; of a file of somebody else's the mode is theirs. */
	if ((ret_st->st_mode & 0777) != mode && ret_st->st_uid == geteuid() && fchmod(fd, mode) < 0)
		return err_sys(e, "setting the mode of '%s'", path);
	return TAKE(fd, -1);
}

/*
 * FD at PATH is full: make it PATH.1. Others may want the same at this time, so it is done under a
 * lock, and only if PATH still is this file. Nobody waits for the lock: who does not get it appends
 * to what it has open, wherever that is by then.
 */
static void rotate(int fd, const char *path, const struct stat *st, struct err *e)
{
	scoped_free char *old = str_fmt(e, "%s" JOURNAL_OLD_SUFFIX, path);
	struct stat now;

	if (!old || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (lstat(path, &now) == 0 && now.st_dev == st->st_dev && now.st_ino == st->st_ino &&
	    rename(path, old) < 0)
		err_sys(e, "renaming '%s'", path);
	flock(fd, LOCK_UN);
}

/* A torn line at the end of FD, which has SIZE bytes, must not take the next one with it. */
static bool is_torn(int fd, off_t size)
{
	char last = '\n';

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static int write_line(int fd, const char *path, const char *line, size_t n, struct err *e)
{
	ssize_t w;

	while ((w = write(fd, line, n)) < 0 && errno == EINTR)
		continue;
	if (w < 0)
		return err_sys(e, "writing to the journal '%s'", path);
	if ((size_t)w < n)
		return err_set(e, ERR_SYSTEM, "the disk of the journal '%s' is full", path);
	return 0;
}

int journal_append(const struct conf *c, const struct report *r, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(REPORT_JSON_MAX + 1);
	const char *path = journal_path(c);
	struct stat st;

	if (!path)
		return 0;
	if (buf_addc(&b, '\n', e) < 0 || report_print(r, &b, e) < 0)
		return -1;
	scoped_fd int fd = open_journal(path, file_mode(c), &st, e);
	if (fd < 0)
		return -1;
	if ((uint64_t)st.st_size + b.len > c->journal_size / 2 && st.st_size > 0) {
		rotate(fd, path, &st, e);
		if (err_is_set(e))
			return -1;
		close(fd);
		fd = open_journal(path, file_mode(c), &st, e);
		if (fd < 0)
			return -1;
	}
	const size_t skip = is_torn(fd, st.st_size) ? 0 : 1;
	return write_line(fd, path, b.data + skip, b.len - skip, e);
}

int journal_forget(const struct conf *c, const char *group, struct err *e)
{
	scoped_report struct report r = REPORT_INIT;

	report_init(&r);
	r.n[REPORT_START_US] = clock_real_us();
	if (report_set_text(&r, REPORT_FORGET, group, e) < 0)
		return -1;
	if (!r.text[REPORT_FORGET])
		return err_set(e, ERR_INPUT, "'%s' is no name of a package", group);
	if (!journal_path(c))
		return err_set(e, ERR_INPUT, "there is no journal (see 'journal')");
	return journal_append(c, &r, e);
}

/* ---- reading ---- */

/* A whole line; what it is not is no error. */
static int take_line(struct journal_reader *j, const char *line, size_t n, struct err *e)
{
	scoped_report struct report r = REPORT_INIT;
	struct err why = ERR_INIT;

	report_init(&r);
	if (n == 0)
		return 0; /* what a writer puts after a torn line */
	if (report_parse(line, n, &r, &why) == 0)
		return j->fn(j->ctx, &r, e);
	if (why.kind == ERR_MEMORY)
		return err_memory(e);
	j->skipped++;
	return 0;
}

/* N bytes of a line whose end is still to come. */
static int keep(struct journal_reader *j, const char *data, size_t n, struct err *e)
{
	if (j->too_long || n > REPORT_JSON_MAX - j->line.len) {
		j->too_long = true;
		buf_reset(&j->line);
		return 0;
	}
	return buf_add(&j->line, data, n, e);
}

static int end_line(struct journal_reader *j, struct err *e)
{
	int rc = 0;

	if (j->too_long)
		j->skipped++;
	else
		rc = take_line(j, j->line.data ? j->line.data : "", j->line.len, e);
	j->too_long = false;
	buf_reset(&j->line);
	return rc;
}

int journal_reader_feed(struct journal_reader *j, const char *data, size_t n, struct err *e)
{
	const char *end = data + n;

	while (data < end) {
		const char *lf = memchr(data, '\n', (size_t)(end - data));
		const size_t len = (size_t)((lf ? lf : end) - data);
		const bool whole = lf && !j->line.len && !j->too_long && len <= REPORT_JSON_MAX;

		if (whole ? take_line(j, data, len, e) < 0 : keep(j, data, len, e) < 0)
			return -1;
		if (lf && !whole && end_line(j, e) < 0)
			return -1;
		data += len + (lf != NULL);
	}
	return 0;
}

void journal_reader_end(struct journal_reader *j)
{
	if (j->too_long || j->line.len)
		j->skipped++;
	j->too_long = false;
	buf_reset(&j->line);
}

void journal_reader_done(struct journal_reader *j)
{
	buf_done(&j->line);
}

/* -1 without *E: it is not there. */
static int open_to_read(const char *path, struct stat *ret, struct err *e)
{
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return -1;
	if (fd < 0)
		return err_sys(e, "opening the journal '%s'", path);
	if (fstat(fd, ret) < 0)
		return err_sys(e, "getting status of '%s'", path);
	if (!S_ISREG(ret->st_mode))
		return err_set(e, ERR_SYSTEM, "the journal '%s' is not a regular file", path);
	return TAKE(fd, -1);
}

/*
 * Both files. The newer is opened first: if it becomes the older one in between, it is opened twice
 * and known by its number, where the other order would lose it.
 */
static int open_both(const char *path, int ret[static 2], struct stat st[static 2], struct err *e)
{
	scoped_free char *old = str_fmt(e, "%s" JOURNAL_OLD_SUFFIX, path);

	if (!old)
		return -1;
	scoped_fd int newer = open_to_read(path, &st[1], e);
	if (err_is_set(e))
		return -1;
	scoped_fd int older = open_to_read(old, &st[0], e);
	if (err_is_set(e))
		return -1;
	if (newer >= 0 && older >= 0 && st[0].st_dev == st[1].st_dev &&
	    st[0].st_ino == st[1].st_ino)
		close(TAKE(older, -1));
	ret[0] = TAKE(older, -1);
	ret[1] = TAKE(newer, -1);
	return 0;
}

/* Feed J with FD from AT on. */
static int read_from(int fd, off_t at, const char *path, struct journal_reader *j, struct err *e)
{
	scoped_free char *data = mem_bytes(READ_BYTES, e);
	ssize_t n = 1;

	if (!data)
		return -1;
	if (at > 0 && lseek(fd, at, SEEK_SET) < 0)
		return err_sys(e, "reading '%s'", path);
	while (n > 0) {
		n = io_read(fd, data, READ_BYTES, path, e);
		if (n < 0 || (n > 0 && journal_reader_feed(j, data, (size_t)n, e) < 0))
			return -1;
	}
	journal_reader_end(j);
	return 0;
}

int journal_read(const char *path, journal_fn *fn, void *ctx, uint64_t *ret_skipped, struct err *e)
{
	scoped_journal_reader struct journal_reader j = JOURNAL_READER_INIT(fn, ctx);
	struct stat st[2];
	int fds[2];

	if (open_both(path, fds, st, e) < 0)
		return -1;
	scoped_fd int older = fds[0], newer = fds[1];
	if ((older >= 0 && read_from(older, 0, path, &j, e) < 0) ||
	    (newer >= 0 && read_from(newer, 0, path, &j, e) < 0))
		return -1;
	if (ret_skipped)
		*ret_skipped = j.skipped;
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/walk.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "nar/buf.h"
#include "nar/scope.h"

#include "nar/banned.h"

#define NAMES_MAX_BYTES (256 << 20)
#define LISTING_BYTES 32768

/* A directory that is open. An entry is its d_type as a byte, its name and a NUL. */
struct level {
	int fd;
	struct buf names;
	uint32_t *at; /* n entries in names, sorted */
	size_t n, cap, next;
};

struct nar_walk {
	char *what;
	const char *root_name;
	int root_dirfd;
	struct level levels[NAR_DEPTH_MAX];
	unsigned depth; /* levels in use */
	unsigned used;  /* levels that were ever in use, whose memory is kept for the next */
	bool started;
	int file_fd; /* the current file, or -1 */
	struct stat file_st;
	uint64_t left_bytes;
	char target[NAR_TARGET_MAX + 1];
	_Alignas(struct dirent64) char listing[LISTING_BYTES];
};

struct nar_walk *nar_walk_new(int dirfd, const char *name, const char *what, struct err *e)
{
	struct nar_walk *w = malloc(sizeof *w);

	if (!w) {
		err_memory(e);
		return NULL;
	}
	/* Not calloc: most of it is buffers that a small tree never touches. */
	w->depth = w->used = 0;
	w->started = false;
	w->file_fd = -1;
	w->left_bytes = 0;
	w->root_dirfd = dirfd;
	w->root_name = name;
	w->what = str_dup(what, e);
	if (!w->what) {
		free(w);
		return NULL;
	}
	return w;
}

static void close_file(struct nar_walk *w)
{
	if (w->file_fd >= 0)
		close(TAKE(w->file_fd, -1));
}

void nar_walk_free(struct nar_walk *w)
{
	if (!w)
		return;
	int saved = errno;
	close_file(w);
	for (unsigned i = 0; i < w->depth; i++)
		close(w->levels[i].fd);
	for (unsigned i = 0; i < w->used; i++) {
		buf_done(&w->levels[i].names);
		free(w->levels[i].at);
	}
	free(w->what);
	free(w);
	errno = saved;
}

static const char *entry_name(const struct level *l, size_t i)
{
	return l->names.data + l->at[i] + 1;
}

/* The path of the entry that is being looked at, for messages. "" where memory is short. */
static const char *path_of(const struct nar_walk *w, struct buf *b)
{
	struct err ignored = ERR_INIT;

	if (buf_adds(b, w->what, &ignored) < 0)
		return "";
	for (unsigned i = 0; i < w->depth; i++)
		if (buf_addf(b, &ignored, "/%s", entry_name(&w->levels[i], w->levels[i].next - 1)) <
		    0)
			break;
	return b->data;
}

/* An error about the current entry: errno's, with VERB before its path. */
static int failed(const struct nar_walk *w, const char *verb, struct err *e)
{
	int saved = errno;
	scoped_buf struct buf b = BUF_INIT(1 << 16);
	const char *path = path_of(w, &b);

	errno = saved;
	return err_sys(e, "%s '%s'", verb, path);
}

static int refused(const struct nar_walk *w, enum err_kind kind, const char *before,
		   const char *after, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(1 << 16);

	return err_set(e, kind, "%s '%s' %s", before, path_of(w, &b), after);
}

/* ---- directories ---- */

static int compare(const void *a, const void *b, void *names)
{
	const char *base = names;

	/* strcmp compares bytes as unsigned, shorter first, as the format wants it. */
	return strcmp(base + *(const uint32_t *)a + 1, base + *(const uint32_t *)b + 1);
}

static int add_entry(struct level *l, const struct dirent64 *de, struct err *e)
{
	if (str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
		return 0;
	if (mem_grow(&l->at, &l->cap, l->n + 1, sizeof *l->at, e) < 0)
		return -1;
	l->at[l->n++] = (uint32_t)l->names.len;
	if (buf_addc(&l->names, (char)de->d_type, e) < 0)
		return -1;
	return buf_add(&l->names, de->d_name, strlen(de->d_name) + 1, e);
}

static int list_dir(struct nar_walk *w, struct level *l, int fd, struct err *e)
{
	for (;;) {
		ssize_t n = getdents64(fd, w->listing, sizeof w->listing);

		if (n < 0)
			return failed(w, "reading directory", e);
		if (n == 0)
			break;
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *de = (const struct dirent64 *)(w->listing + at);

			if (add_entry(l, de, e) < 0)
				return -1;
			at += de->d_reclen;
		}
	}
	if (l->n > 1)
		qsort_r(l->at, l->n, sizeof *l->at, compare, l->names.data);
	return 0;
}

static int enter_dir(struct nar_walk *w, int dirfd, const char *name, struct err *e)
{
	scoped_fd int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return failed(w, "opening directory", e);
	struct level *l = &w->levels[w->depth];
	if (w->depth == w->used) {
		*l = (struct level){.names = BUF_INIT(NAMES_MAX_BYTES)};
		w->used++;
	}
	buf_reset(&l->names);
	l->n = l->next = 0;
	if (list_dir(w, l, fd, e) < 0)
		return -1;
	l->fd = TAKE(fd, -1);
	w->depth++;
	return 1;
}

/* ---- entries ---- */

/* O_NONBLOCK: what was a file when it was listed may have become a FIFO. */
static int enter_file(struct nar_walk *w, int dirfd, const char *name, struct nar_event *ev,
		      struct err *e)
{
	struct stat st;

	w->file_fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (w->file_fd < 0)
		return failed(w, "opening file", e);
	if (fstat(w->file_fd, &st) < 0)
		return failed(w, "getting attributes of", e);
	if (!S_ISREG(st.st_mode))
		return refused(w, ERR_INPUT, "file", "has an unsupported type", e);
	ev->type = NAR_FILE;
	ev->size_bytes = w->left_bytes = (uint64_t)st.st_size;
	ev->executable = st.st_mode & S_IXUSR;
	w->file_st = st;
	return 1;
}

static int read_link(struct nar_walk *w, int dirfd, const char *name, struct nar_event *ev,
		     struct err *e)
{
	ssize_t n = readlinkat(dirfd, name, w->target, sizeof w->target);

	if (n < 0)
		return failed(w, "reading symbolic link", e);
	if ((size_t)n == sizeof w->target)
		return refused(w, ERR_LIMIT, "the target of symbolic link", "is too long", e);
	ev->type = NAR_LINK;
	ev->data = w->target;
	ev->size_bytes = (uint64_t)n;
	return 1;
}

static int enter(struct nar_walk *w, int dirfd, const char *name, unsigned char d_type,
		 struct nar_event *ev, struct err *e)
{
	if (w->depth >= NAR_DEPTH_MAX)
		return refused(w, ERR_LIMIT, "path", "exceeds maximum NAR directory depth of 64",
			       e);
	if (d_type == DT_UNKNOWN) {
		struct stat st;

		if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return failed(w, "getting attributes of", e);
		d_type = IFTODT(st.st_mode);
	}
	switch (d_type) {
	case DT_REG:
		return enter_file(w, dirfd, name, ev, e);
	case DT_LNK:
		return read_link(w, dirfd, name, ev, e);
	case DT_DIR:
		ev->type = NAR_DIR;
		return enter_dir(w, dirfd, name, e);
	default:
		return refused(w, ERR_INPUT, "file", "has an unsupported type", e);
	}
}
static_assert(NAR_DEPTH_MAX == 64, "the text above says so");

int nar_walk_next(struct nar_walk *w, struct nar_event *ev, struct err *e)
{
	assert(w->left_bytes == 0);
	close_file(w);
	*ev = (struct nar_event){.name = ""};
	if (!w->started) {
		w->started = true;
		return enter(w, w->root_dirfd, w->root_name, DT_UNKNOWN, ev, e);
	}
	if (w->depth == 0)
		return 0;
	struct level *l = &w->levels[w->depth - 1];
	if (l->next == l->n) {
		close(TAKE(l->fd, -1));
		w->depth--;
		ev->type = NAR_DIR_END;
		return 1;
	}
	size_t i = l->next++;
	ev->name = entry_name(l, i);
	if (i > 0 && str_eq(entry_name(l, i - 1), ev->name))
		return refused(w, ERR_INPUT, "entry", "is listed twice in its directory", e);
	return enter(w, l->fd, ev->name, (unsigned char)ev->name[-1], ev, e);
}

const struct stat *nar_walk_stat(const struct nar_walk *w)
{
	return &w->file_st;
}

void nar_walk_skip(struct nar_walk *w)
{
	w->left_bytes = 0;
}

ssize_t nar_walk_read(struct nar_walk *w, void *data, size_t n, struct err *e)
{
	bool last = n >= w->left_bytes;
	char more;

	if (last)
		n = (size_t)w->left_bytes;
	if (n == 0)
		return 0;
	/* One byte more than there should be shows, at no cost, that nothing was appended. */
	struct iovec parts[] = {{data, n}, {&more, 1}};
	ssize_t got;
	do {
		got = readv(w->file_fd, parts, last ? 2 : 1);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return failed(w, "reading", e);
	if (got == 0)
		return refused(w, ERR_INPUT, "file", "became shorter while it was read", e);
	if ((size_t)got > n)
		return refused(w, ERR_INPUT, "file", "became longer while it was read", e);
	w->left_bytes -= (uint64_t)got;
	return got;
}

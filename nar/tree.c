/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/tree.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nar/base/dirstack.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define NAMES_MAX_BYTES (256 << 20)
#define LISTING_BYTES 32768

/* A directory that was entered. */
struct level {
	struct buf names; /* for each entry: a byte of d_type, the name, a NUL */
	uint32_t *at;     /* where in `names` each of the n entries begins, sorted by name */
	size_t n, cap;
	size_t next; /* index of the entry that tree_next() returns next */
};

struct tree {
	char *what;
	struct level *levels;
	size_t cap;
	size_t depth; /* levels in use */
	size_t used;  /* levels that were ever in use, whose memory is kept for reuse */
	struct dirstack dirs;
	_Alignas(struct dirent64) char listing[LISTING_BYTES];
};

static const char *entry_name(const struct level *l, size_t i)
{
	return l->names.data + l->at[i] + 1;
}

static const char *level_name(void *ctx, size_t i)
{
	const struct tree *t = ctx;
	const struct level *parent = &t->levels[i - 1];

	return entry_name(parent, parent->next - 1);
}

struct tree *tree_new(const char *what, struct err *e)
{
	struct tree *t = malloc(sizeof *t);

	if (!t) {
		err_memory(e);
		return NULL;
	}
	/* malloc, not calloc: most of *T is a buffer that needs no zeroes. */
	t->levels = NULL;
	t->cap = t->depth = t->used = 0;
	t->dirs = (struct dirstack){.name_of = level_name, .ctx = t};
	t->what = str_dup(what, e);
	if (!t->what) {
		free(t);
		return NULL;
	}
	return t;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	int saved = errno;
	dirstack_done(&t->dirs);
	for (size_t i = 0; i < t->used; i++) {
		buf_done(&t->levels[i].names);
		free(t->levels[i].at);
	}
	free(t->levels);
	free(t->what);
	free(t);
	errno = saved;
}

size_t tree_depth(const struct tree *t)
{
	return t->depth;
}

int tree_path(const struct tree *t, struct buf *b, struct err *e)
{
	if (buf_adds(b, t->what, e) < 0)
		return -1;
	for (size_t i = 0; i < t->depth; i++) {
		const struct level *l = &t->levels[i];

		if (buf_addc(b, '/', e) < 0 || buf_adds(b, entry_name(l, l->next - 1), e) < 0)
			return -1;
	}
	return 0;
}

/* Set *E from errno, with VERB and the path of the last entry. */
static int failed(const struct tree *t, const char *verb, struct err *e)
{
	int saved = errno;
	scoped_buf struct buf b = BUF_INIT(1 << 16);
	struct err ignored = ERR_INIT;
	bool whole = tree_path(t, &b, &ignored) == 0;

	errno = saved;
	return err_sys(e, "%s '%s'", verb, whole || b.data ? b.data : t->what);
}

/* ---- listing ---- */

static int compare(const void *a, const void *b, void *names)
{
	const char *base = names;

	/* strcmp compares bytes as unsigned, shorter first: the order of a NAR. */
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

static int list_dir(struct tree *t, struct level *l, int fd, struct err *e)
{
	for (;;) {
		ssize_t n = getdents64(fd, t->listing, sizeof t->listing);

		if (n < 0)
			return failed(t, "reading directory", e);
		if (n == 0)
			break;
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *de = (const struct dirent64 *)(t->listing + at);

			if (add_entry(l, de, e) < 0)
				return -1;
			at += de->d_reclen;
		}
	}
	if (l->n > 1)
		qsort_r(l->at, l->n, sizeof *l->at, compare, l->names.data);
	return 0;
}

/* ---- the walk ---- */

int tree_enter(struct tree *t, int fd, struct err *e)
{
	scoped_fd int mine = fd;

	if (mem_grow(&t->levels, &t->cap, t->depth + 1, sizeof *t->levels, e) < 0)
		return -1;
	struct level *l = &t->levels[t->depth];
	if (t->depth == t->used) {
		*l = (struct level){.names = BUF_INIT(NAMES_MAX_BYTES)};
		t->used++;
	}
	buf_reset(&l->names);
	l->n = l->next = 0;
	if (list_dir(t, l, fd, e) < 0 || dirstack_push(&t->dirs, TAKE(mine, -1), e) < 0)
		return -1;
	t->depth++;
	return 0;
}

bool tree_at_end(const struct tree *t)
{
	const struct level *l = &t->levels[t->depth - 1];

	return l->next == l->n;
}

int tree_fd(struct tree *t, struct err *e)
{
	int fd = dirstack_fd(&t->dirs);

	return fd < 0 ? failed(t, "opening again the directory of", e) : fd;
}

int tree_next(struct tree *t, struct tree_entry *ret, struct err *e)
{
	assert(t->depth > 0);
	struct level *l = &t->levels[t->depth - 1];

	if (tree_at_end(t)) {
		dirstack_pop(&t->dirs);
		t->depth--;
		return 0;
	}
	size_t i = l->next++;
	ret->dirfd = tree_fd(t, e);
	if (ret->dirfd < 0)
		return -1;
	ret->name = entry_name(l, i);
	ret->d_type = (unsigned char)ret->name[-1];
	ret->twice = i > 0 && str_eq(entry_name(l, i - 1), ret->name);
	return 1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A tree object begins with its size, and its hash is part of an entry of the parent. So the
 * entries of each open directory are collected as the bytes to be hashed: mode and name when an
 * entry begins, its hash when it ends. Between the two nothing is added to the directory, because
 * all events there belong to directories below.
 */
#include "nar/githash.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"
#include "nar/walk.h"

#include "nar/base/banned.h"

#define READ_BYTES (256 << 10)

#define MODE_DIR "40000"
#define MODE_FILE "100644"
#define MODE_EXECUTABLE "100755"
#define MODE_LINK "120000"

struct level {
	struct buf entries;
	uint32_t *at; /* where in `entries` each of the n entries begins */
	size_t n, cap;
};

struct githash {
	enum hash_algo algo;
	struct level levels[NAR_DEPTH_ANY];
	unsigned depth; /* levels in use */
	unsigned used;  /* levels that were ever in use, whose memory is kept for reuse */
	struct hash_ctx ctx;
	bool in_file, done;
	uint64_t left_bytes; /* of the current file */
	struct hash root;
};

struct githash *githash_new(enum hash_algo a, struct err *e)
{
	struct githash *g = mem_new(1, sizeof *g, e);

	if (g)
		g->algo = a;
	return g;
}

void githash_free(struct githash *g)
{
	if (!g)
		return;
	for (unsigned i = 0; i < g->used; i++) {
		buf_done(&g->levels[i].entries);
		free(g->levels[i].at);
	}
	hash_ctx_done(&g->ctx);
	free(g);
}

/* ---- entries ---- */

static int begin_entry(struct githash *g, const char *mode, const char *name, struct err *e)
{
	assert(!g->in_file && !g->done);
	if (g->depth == 0)
		return 0;
	struct level *l = &g->levels[g->depth - 1];
	if (mem_grow(&l->at, &l->cap, l->n + 1, sizeof *l->at, e) < 0)
		return -1;
	l->at[l->n++] = (uint32_t)l->entries.len;
	if (buf_adds(&l->entries, mode, e) < 0 || buf_addc(&l->entries, ' ', e) < 0)
		return -1;
	return buf_add(&l->entries, name, strlen(name) + 1, e);
}

/* Finish the object of the current entry, and add its hash to the entry. */
static int end_entry(struct githash *g, struct err *e)
{
	struct hash h;

	if (hash_finish(&g->ctx, &h, e) < 0)
		return -1;
	if (g->depth)
		return buf_add(&g->levels[g->depth - 1].entries, h.bytes, hash_size_bytes(g->algo),
			       e);
	g->root = h;
	g->done = true;
	return 0;
}
static_assert(GITHASH_TREE_MAX <= UINT32_MAX, "an entry's place does not fit");

static int begin_object(struct githash *g, const char *type, uint64_t size, struct err *e)
{
	char head[32];
	int n = snprintf(head, sizeof head, "%s %" PRIu64, type, size);

	if (hash_start(&g->ctx, g->algo, e) < 0)
		return -1;
	return hash_update(&g->ctx, head, (size_t)n + 1, e); /* with its NUL */
}

/* ---- trees ---- */

static int begin_tree(struct githash *g, const char *name, struct err *e)
{
	if (begin_entry(g, MODE_DIR, name, e) < 0)
		return -1;
	assert(g->depth < NAR_DEPTH_ANY);
	struct level *l = &g->levels[g->depth];
	if (g->depth == g->used) {
		*l = (struct level){.entries = BUF_INIT(GITHASH_TREE_MAX)};
		g->used++;
	}
	buf_reset(&l->entries);
	l->n = 0;
	g->depth++;
	return 0;
}

static int compare(const void *a, const void *b, void *entries)
{
	const char *left = (char *)entries + *(const uint32_t *)a;
	const char *right = (char *)entries + *(const uint32_t *)b;
	const unsigned char *p = (const unsigned char *)strchr(left, ' ') + 1;
	const unsigned char *q = (const unsigned char *)strchr(right, ' ') + 1;

	while (*p && *p == *q) {
		p++;
		q++;
	}
	/*
	 * A '/' follows the name of a directory, whose mode has a first digit of its own. No name
	 * contains a '/', so that nothing after it decides.
	 */
	int c = *p || *left != *MODE_DIR ? *p : '/';
	int d = *q || *right != *MODE_DIR ? *q : '/';
	return c - d;
}

/*
 * Hash the entries in sorted order. Entries that lie in memory in this order, most often all, are
 * hashed in one piece, because hashing small pieces is slow.
 */
static int hash_entries(struct githash *g, const struct level *l, struct err *e)
{
	for (size_t i = 0; i < l->n;) {
		size_t from = l->at[i], to = from;

		do {
			const char *entry = l->entries.data + to;

			to += strlen(entry) + 1 + hash_size_bytes(g->algo);
		} while (++i < l->n && l->at[i] == to);
		if (hash_update(&g->ctx, l->entries.data + from, to - from, e) < 0)
			return -1;
	}
	return 0;
}

static int end_tree(struct githash *g, struct err *e)
{
	assert(g->depth > 0 && !g->in_file);
	struct level *l = &g->levels[g->depth - 1];
	if (l->n)
		qsort_r(l->at, l->n, sizeof *l->at, compare, l->entries.data);
	if (begin_object(g, "tree", l->entries.len, e) < 0 || hash_entries(g, l, e) < 0)
		return -1;
	g->depth--;
	return end_entry(g, e);
}

/* ---- blobs ---- */

static int begin_file(struct githash *g, const struct nar_event *ev, struct err *e)
{
	if (begin_entry(g, ev->executable ? MODE_EXECUTABLE : MODE_FILE, ev->name, e) < 0 ||
	    begin_object(g, "blob", ev->size_bytes, e) < 0)
		return -1;
	g->left_bytes = ev->size_bytes;
	g->in_file = g->left_bytes > 0;
	return g->in_file ? 0 : end_entry(g, e);
}

int githash_data(struct githash *g, const void *data, size_t n, struct err *e)
{
	assert(n <= g->left_bytes);
	if (n == 0)
		return 0;
	if (hash_update(&g->ctx, data, n, e) < 0)
		return -1;
	g->left_bytes -= n;
	g->in_file = g->left_bytes > 0;
	return g->in_file ? 0 : end_entry(g, e);
}

static int hash_link(struct githash *g, const struct nar_event *ev, struct err *e)
{
	if (begin_entry(g, MODE_LINK, ev->name, e) < 0 ||
	    begin_object(g, "blob", ev->size_bytes, e) < 0 ||
	    hash_update(&g->ctx, ev->data, (size_t)ev->size_bytes, e) < 0)
		return -1;
	return end_entry(g, e);
}

int githash_event(struct githash *g, const struct nar_event *ev, struct err *e)
{
	switch (ev->type) {
	case NAR_DIR:
		return begin_tree(g, ev->name, e);
	case NAR_DIR_END:
		return end_tree(g, e);
	case NAR_FILE:
		return begin_file(g, ev, e);
	case NAR_DATA:
		return githash_data(g, ev->data, (size_t)ev->size_bytes, e);
	case NAR_LINK:
		return hash_link(g, ev, e);
	}
	return 0;
}

const struct hash *githash_root(const struct githash *g)
{
	assert(g->done);
	return &g->root;
}

/* ---- events of a tree, of a NAR ---- */

static int hash_contents(struct githash *g, struct nar_walk *w, char *buf, struct err *e)
{
	ssize_t n;

	while ((n = nar_walk_read(w, buf, READ_BYTES, e)) > 0)
		if (githash_data(g, buf, (size_t)n, e) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

int githash_tree(const struct nar_tree *t, enum hash_algo a, struct hash *ret, struct err *e)
{
	scoped_nar_walk struct nar_walk *w = nar_walk_new(t, e);
	scoped_githash struct githash *g = w ? githash_new(a, e) : NULL;
	scoped_free char *buf = g ? mem_bytes(READ_BYTES, e) : NULL;
	struct nar_event ev;
	int rc;

	if (!buf)
		return -1;
	while ((rc = nar_walk_next(w, &ev, e)) > 0)
		if (githash_event(g, &ev, e) < 0 ||
		    (ev.type == NAR_FILE && hash_contents(g, w, buf, e) < 0))
			return -1;
	if (rc == 0)
		*ret = *githash_root(g);
	return rc;
}

int githash_nar(struct nar_reader *r, enum hash_algo a, struct hash *ret, struct err *e)
{
	scoped_githash struct githash *g = githash_new(a, e);
	struct nar_event ev;
	int rc;

	if (!g)
		return -1;
	while ((rc = nar_next(r, &ev, e)) > 0)
		if (githash_event(g, &ev, e) < 0)
			return -1;
	if (rc == 0)
		*ret = *githash_root(g);
	return rc;
}

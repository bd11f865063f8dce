/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/dump.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/dump_internal.h"
#include "nar/walk.h"

#include "nar/base/banned.h"

#define DUMP_BUF_BYTES (256 << 10)

/* Read the contents of the current file straight into the writer's buffer. */
static int write_contents(struct nar_walk *walk, struct nar_writer *w, struct err *e)
{
	for (;;) {
		size_t room;
		char *p = nar_writer_room(w, &room, e);

		if (!p)
			return -1;
		if (room == 0)
			return 0;
		ssize_t got = nar_walk_read(walk, p, room, e);
		if (got < 0)
			return -1;
		nar_writer_commit(w, (size_t)got);
	}
}

static int write_tree(struct nar_walk *walk, struct nar_writer *w, struct err *e)
{
	struct nar_event ev;
	int rc;

	while ((rc = nar_walk_next(walk, &ev, e)) > 0) {
		if (nar_writer_event(w, &ev, e) < 0)
			return -1;
		if (ev.type == NAR_FILE && write_contents(walk, w, e) < 0)
			return -1;
	}
	return rc;
}

static int flush_to_sink(void *ctx, char **buf, size_t n, struct err *e)
{
	const struct nar_sink *sink = ctx;

	return sink->write(sink->ctx, *buf, n, e);
}

int nar_dump(const struct nar_tree *t, const struct nar_sink *sink, struct err *e)
{
	scoped_free char *buf = malloc(DUMP_BUF_BYTES);
	struct nar_sink s = *sink;
	struct nar_writer w;

	if (!buf)
		return err_memory(e);
	scoped_nar_walk struct nar_walk *walk = nar_walk_new(t, e);
	if (!walk)
		return -1;
	nar_writer_init(&w, buf, DUMP_BUF_BYTES, flush_to_sink, &s);
	if (write_tree(walk, &w, e) < 0)
		return -1;
	nar_writer_finish(&w);
	return s.write(s.ctx, buf, w.len, e);
}

/*
 * Hand a full buffer to the hasher and scan it. The hasher's thread may hash it at the same time:
 * both only read it.
 */
static int flush_to_hasher(void *ctx, char **buf, size_t n, struct err *e)
{
	struct nar_hashing *d = ctx;
	const char *old = *buf;

	if (hasher_swap(d->hasher, buf, n, e) < 0)
		return -1;
	if (d->scan)
		refscan_feed(d->scan, old, n);
	return 0;
}

int nar_hashing_init(struct nar_hashing *d, enum hash_algo a, struct refscan *scan, struct err *e)
{
	d->scan = scan;
	d->hasher = hasher_new(a, e);
	if (!d->hasher)
		return -1;
	nar_writer_init(&d->w, hasher_first(d->hasher), HASHER_BUF_BYTES, flush_to_hasher, d);
	return 0;
}

int nar_hashing_finish(struct nar_hashing *d, struct hash *ret, uint64_t *ret_size_bytes,
		       struct err *e)
{
	uint64_t size_bytes = nar_writer_finish(&d->w);

	if (d->scan)
		refscan_feed(d->scan, d->w.buf, d->w.len);
	if (hasher_finish(d->hasher, d->w.buf, d->w.len, ret, e) < 0)
		return -1;
	if (ret_size_bytes)
		*ret_size_bytes = size_bytes;
	return 0;
}

void nar_hashing_done(struct nar_hashing *d)
{
	hasher_free(d->hasher);
	d->hasher = NULL;
}

int nar_hash(const struct nar_tree *t, enum hash_algo a, struct refscan *scan, struct hash *ret,
	     uint64_t *ret_size_bytes, struct err *e)
{
	__attribute__((cleanup(nar_hashing_done))) struct nar_hashing d = {.hasher = NULL};
	scoped_nar_walk struct nar_walk *walk = nar_walk_new(t, e);

	if (!walk || nar_hashing_init(&d, a, scan, e) < 0 || write_tree(walk, &d.w, e) < 0)
		return -1;
	return nar_hashing_finish(&d, ret, ret_size_bytes, e);
}

int nar_digest(const struct nar_tree *t, struct refscan *scan, struct nar_digest *ret,
	       struct err *e)
{
	return nar_hash(t, HASH_SHA256, scan, &ret->sha256, &ret->size_bytes, e);
}

static void scope_hasher(struct hasher **h)
{
	hasher_free(*h);
}

static int open_flat(const struct nar_tree *t, struct err *e)
{
	scoped_fd int fd = openat(t->dirfd, t->name,
				  O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_INPUT, "'%s' is not a regular file", t->what);
	if (fd < 0)
		return err_sys(e, "opening file '%s'", t->what);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "getting status of '%s'", t->what);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "'%s' is not a regular file", t->what);
	return TAKE(fd, -1);
}

int nar_dump_flat(const struct nar_tree *t, const struct nar_sink *sink, struct err *e)
{
	scoped_fd int fd = open_flat(t, e);
	scoped_free char *buf = fd < 0 ? NULL : mem_bytes(HASHER_BUF_BYTES, e);
	ssize_t n;

	if (!buf)
		return -1;
	while ((n = io_read(fd, buf, HASHER_BUF_BYTES, t->what, e)) > 0)
		if (sink->write(sink->ctx, buf, (size_t)n, e) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

int nar_hash_flat(const struct nar_tree *t, enum hash_algo a, struct hash *ret, struct err *e)
{
	scoped_fd int fd = open_flat(t, e);
	ssize_t n;

	if (fd < 0)
		return -1;
	__attribute__((cleanup(scope_hasher))) struct hasher *h = hasher_new(a, e);
	if (!h)
		return -1;
	for (char *buf = hasher_first(h);;) {
		n = io_read(fd, buf, HASHER_BUF_BYTES, t->what, e);
		if (n < 0)
			return -1;
		if (n < HASHER_BUF_BYTES)
			return hasher_finish(h, buf, (size_t)n, ret, e);
		if (hasher_swap(h, &buf, (size_t)n, e) < 0)
			return -1;
	}
}

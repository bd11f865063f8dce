/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/writer.h"

#include <assert.h>
#include <string.h>

#include "nar/base/banned.h"

/* A string of the NAR format. LEN is its length, as a byte; TEXT includes the padding. */
#define S(len, text) len "\0\0\0\0\0\0\0" text
#define OPEN S("\1", "(\0\0\0\0\0\0\0")
#define CLOSE S("\1", ")\0\0\0\0\0\0\0")
#define TYPE OPEN S("\4", "type\0\0\0\0")

static const char magic[] = S("\15", "nix-archive-1\0\0\0");
static const char entry_open[] = S("\5", "entry\0\0\0") OPEN S("\4", "name\0\0\0\0");
static const char node[] = S("\4", "node\0\0\0\0");
static const char regular[] = TYPE S("\7", "regular\0");
static const char executable[] = S("\12", "executable\0\0\0\0\0\0") S("\0", "");
static const char contents[] = S("\10", "contents");
static const char symlink_[] = TYPE S("\7", "symlink\0") S("\6", "target\0\0");
static const char directory[] = TYPE S("\11", "directory\0\0\0\0\0\0\0");
static const char close_[] = CLOSE;

#define PUT(w, array) put(w, array, sizeof(array) - 1)

/* One event adds at most: magic or entry, name, framing of a link, target, closings. */
static_assert(NAR_TARGET_MAX + NAR_NAME_MAX + 512 <= NAR_WRITER_MIN, "an event has to fit");

void nar_writer_init(struct nar_writer *w, char *buf, size_t cap, nar_flush_fn *flush, void *ctx)
{
	assert(cap >= NAR_WRITER_MIN);
	*w = (struct nar_writer){.buf = buf, .cap = cap, .flush = flush, .ctx = ctx};
}

static void put(struct nar_writer *w, const void *data, size_t n)
{
	memcpy(w->buf + w->len, data, n);
	w->len += n;
}

static unsigned pad_of(uint64_t size_bytes)
{
	return (unsigned)(-size_bytes & 7);
}

static void put_zeros(struct nar_writer *w, unsigned n)
{
	memset(w->buf + w->len, 0, n);
	w->len += n;
}

static void put_u64(struct nar_writer *w, uint64_t v)
{
	unsigned char le[8];

	for (int i = 0; i < 8; i++)
		le[i] = (unsigned char)(v >> 8 * i);
	put(w, le, sizeof le);
}

static void put_string(struct nar_writer *w, const void *data, size_t n)
{
	put_u64(w, n);
	put(w, data, n);
	put_zeros(w, pad_of(n));
}

static int make_room(struct nar_writer *w, size_t n, struct err *e)
{
	if (w->cap - w->len >= n)
		return 0;
	if (w->flush(w->ctx, &w->buf, w->len, e) < 0)
		return -1;
	w->flushed_bytes += w->len;
	w->len = 0;
	return 0;
}

/* End a node, and the entry that contains it. */
static void put_node_end(struct nar_writer *w)
{
	PUT(w, close_);
	if (w->depth > 0)
		PUT(w, close_);
	else
		w->done = true;
}

/* Add the padding and the end of a file whose contents are complete. There is room for both. */
static void end_file(struct nar_writer *w)
{
	put_zeros(w, w->pad_bytes);
	put_node_end(w);
	w->in_file = false;
}

static void put_node_start(struct nar_writer *w, const struct nar_event *ev)
{
	assert(!w->done && !w->in_file);
	if (w->flushed_bytes + w->len == 0) {
		PUT(w, magic);
		return;
	}
	size_t n = strlen(ev->name);
	assert(w->depth > 0 && n > 0 && n <= NAR_NAME_MAX);
	PUT(w, entry_open);
	put_string(w, ev->name, n);
	PUT(w, node);
}

static int put_data(struct nar_writer *w, const char *data, uint64_t n, struct err *e)
{
	while (n) {
		size_t room;
		char *p = nar_writer_room(w, &room, e);

		if (!p)
			return -1;
		assert(room > 0);
		if (room > n)
			room = (size_t)n;
		memcpy(p, data, room);
		nar_writer_commit(w, room);
		data += room;
		n -= room;
	}
	return 0;
}

int nar_writer_event(struct nar_writer *w, const struct nar_event *ev, struct err *e)
{
	if (ev->type == NAR_DATA)
		return put_data(w, ev->data, ev->size_bytes, e);
	if (make_room(w, NAR_WRITER_MIN, e) < 0)
		return -1;
	switch (ev->type) {
	case NAR_DIR:
		put_node_start(w, ev);
		PUT(w, directory);
		w->depth++;
		break;
	case NAR_DIR_END:
		assert(w->depth > 0 && !w->in_file);
		w->depth--;
		put_node_end(w);
		break;
	case NAR_LINK:
		assert(ev->size_bytes <= NAR_TARGET_MAX);
		put_node_start(w, ev);
		PUT(w, symlink_);
		put_string(w, ev->data, (size_t)ev->size_bytes);
		put_node_end(w);
		break;
	case NAR_FILE:
		put_node_start(w, ev);
		PUT(w, regular);
		if (ev->executable)
			PUT(w, executable);
		PUT(w, contents);
		put_u64(w, ev->size_bytes);
		w->left_bytes = ev->size_bytes;
		w->pad_bytes = pad_of(ev->size_bytes);
		w->in_file = true;
		if (!w->left_bytes)
			end_file(w);
		break;
	case NAR_DATA:
		break;
	}
	return 0;
}

char *nar_writer_room(struct nar_writer *w, size_t *ret_n, struct err *e)
{
	/* Keep room for padding and end of the file, so that end_file() can always add them. */
	const size_t end = 8 + 2 * sizeof close_;

	if (!w->in_file) {
		*ret_n = 0;
		return w->buf;
	}
	if (make_room(w, end + 1, e) < 0)
		return NULL;
	size_t room = w->cap - w->len - end;
	*ret_n = w->left_bytes < room ? (size_t)w->left_bytes : room;
	return w->buf + w->len;
}

void nar_writer_commit(struct nar_writer *w, size_t n)
{
	assert(w->in_file && n <= w->left_bytes && n <= w->cap - w->len);
	w->len += n;
	w->left_bytes -= n;
	if (!w->left_bytes)
		end_file(w);
}

uint64_t nar_writer_finish(struct nar_writer *w)
{
	assert(w->done);
	return w->flushed_bytes + w->len;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/reader.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nar/base/buf.h"

#include "nar/base/banned.h"

#define TAG_MAX 32
#define BUF_BYTES (128 << 10)
#define SEEK_MIN_BYTES (8 * BUF_BYTES) /* for less, lseek(2) is not faster */

enum state {
	AT_START,
	IN_FILE, /* in a file's contents, or at their end */
	BETWEEN, /* after a node; an entry, the end of the directory or of the NAR follows */
	AT_END,
	BROKEN,
};

struct nar_reader {
	struct nar_source src;
	int fd; /* of src, or -1 */
	unsigned depth_max;
	uint64_t size_max_bytes;
	enum state state;
	uint64_t base;                   /* offset in the NAR of buf[0] */
	size_t pos, len;                 /* buf[pos] to buf[len - 1] are unread */
	uint64_t token;                  /* offset of the current token, for messages */
	uint64_t left_bytes;             /* of the current file's contents */
	unsigned pad_bytes;              /* after the contents */
	unsigned depth;                  /* directories that are open */
	char (*names)[NAR_NAME_MAX + 1]; /* of each one's last entry, "" if it had none yet */
	char target[NAR_TARGET_MAX + 1];
	size_t buf_bytes;
	char buf[]; /* buf_bytes, and after them the memory of `names` */
};

static ssize_t read_fd(void *ctx, void *data, size_t n, struct err *e)
{
	const struct nar_reader *r = ctx;

	for (;;) {
		ssize_t got = read(r->fd, data, n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, "reading a NAR");
		return got;
	}
}

struct nar_reader *nar_reader_new_source(const struct nar_source *src, const struct nar_limits *lim,
					 struct err *e)
{
	size_t buf_bytes = lim && lim->buf_bytes ? lim->buf_bytes : BUF_BYTES;
	unsigned depth_max = lim && lim->depth_max ? lim->depth_max : NAR_DEPTH_MAX;
	struct nar_reader *r = malloc(sizeof *r + buf_bytes + depth_max * sizeof *r->names);

	if (!r) {
		err_memory(e);
		return NULL;
	}
	assert(buf_bytes >= NAR_READER_BUF_MIN);
	r->buf_bytes = buf_bytes;
	r->names = (void *)(r->buf + buf_bytes);
	/* Set each field: zeroing the buffers as well would cost time. */
	r->src = *src;
	r->fd = -1;
	r->depth_max = depth_max;
	r->size_max_bytes = lim && lim->size_max_bytes ? lim->size_max_bytes : UINT64_MAX;
	assert(depth_max <= NAR_DEPTH_ANY);
	r->state = AT_START;
	r->base = r->token = r->left_bytes = 0;
	r->pos = r->len = 0;
	r->pad_bytes = r->depth = 0;
	return r;
}

struct nar_reader *nar_reader_new(int fd, const struct nar_limits *lim, struct err *e)
{
	struct nar_source src = {read_fd, NULL};
	struct nar_reader *r = nar_reader_new_source(&src, lim, e);

	if (!r)
		return NULL;
	r->fd = fd;
	r->src.ctx = r;
	return r;
}

void nar_reader_free(struct nar_reader *r)
{
	free(r);
}

static PRINTF_LIKE(3, 4) int bad(struct nar_reader *r, struct err *e, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	r->state = BROKEN;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return err_set(e, ERR_INPUT, "bad archive: %s (at byte %llu)", text,
		       (unsigned long long)r->token);
}

/* ---- bytes ---- */

static uint64_t offset(const struct nar_reader *r)
{
	return r->base + r->pos;
}

/*
 * Read more bytes after the unread ones.
 * Returns 1: there are more; 0: the end; -1: *E.
 */
static int fill(struct nar_reader *r, struct err *e)
{
	if (r->pos == r->len) {
		r->base += r->pos;
		r->pos = r->len = 0;
	} else if (r->len == r->buf_bytes) {
		memmove(r->buf, r->buf + r->pos, r->len - r->pos);
		r->base += r->pos;
		r->len -= r->pos;
		r->pos = 0;
	}
	ssize_t got = r->src.read(r->src.ctx, r->buf + r->len, r->buf_bytes - r->len, e);
	if (got < 0) {
		r->state = BROKEN;
		return -1;
	}
	r->len += (size_t)got;
	if (r->base + r->len > r->size_max_bytes) {
		r->state = BROKEN;
		return err_set(e, ERR_LIMIT, "the NAR is larger than the %llu bytes it may have",
			       (unsigned long long)r->size_max_bytes);
	}
	return got > 0;
}

/*
 * Have at least N unread bytes in the buffer. N is much smaller than the buffer.
 * Returns the first of them; NULL: *E.
 */
static const char *need(struct nar_reader *r, size_t n, struct err *e)
{
	while (r->len - r->pos < n) {
		int rc = fill(r, e);

		if (rc < 0)
			return NULL;
		if (rc == 0) {
			r->token = r->base + r->len;
			bad(r, e, "unexpected end-of-file");
			return NULL;
		}
	}
	return r->buf + r->pos;
}

static int read_u64(struct nar_reader *r, uint64_t *ret, struct err *e)
{
	const unsigned char *p = (const unsigned char *)need(r, 8, e);
	uint64_t v = 0;

	if (!p)
		return -1;
	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	r->pos += 8;
	*ret = v;
	return 0;
}

static unsigned pad_of(uint64_t n)
{
	return (unsigned)(-n & 7);
}

static int read_padding(struct nar_reader *r, unsigned n, struct err *e)
{
	r->token = offset(r);
	const char *p = need(r, n, e);

	if (!p)
		return -1;
	for (unsigned i = 0; i < n; i++)
		if (p[i])
			return bad(r, e, "non-zero padding");
	r->pos += n;
	return 0;
}

/* Read a string of at most MAX bytes into RET, which has room for a NUL after them. */
static int read_string(struct nar_reader *r, size_t max, char *ret, size_t *ret_len, struct err *e)
{
	uint64_t n;

	r->token = offset(r);
	if (read_u64(r, &n, e) < 0)
		return -1;
	if (n > max)
		return bad(r, e, "string is too long");
	const char *p = need(r, (size_t)n, e);
	if (!p)
		return -1;
	memcpy(ret, p, (size_t)n);
	ret[n] = '\0';
	*ret_len = (size_t)n;
	r->pos += (size_t)n;
	uint64_t at = r->token;
	if (read_padding(r, pad_of(n), e) < 0)
		return -1;
	r->token = at;
	return 0;
}

/* ---- tags ---- */

struct tag {
	char text[TAG_MAX + 1];
	size_t len;
};

static int read_tag(struct nar_reader *r, struct tag *t, struct err *e)
{
	return read_string(r, TAG_MAX, t->text, &t->len, e);
}

static bool is(const struct tag *t, const char *text)
{
	return t->len == strlen(text) && memcmp(t->text, text, t->len) == 0;
}

static int expect(struct nar_reader *r, const char *want, struct err *e)
{
	struct tag t;

	if (read_tag(r, &t, e) < 0)
		return -1;
	if (!is(&t, want))
		return bad(r, e, "expected tag '%s', got '%s'", want, t.text);
	return 0;
}

/* ---- nodes ---- */

/* Read the end of a node and of the entry that contains it. */
static int end_node(struct nar_reader *r, struct err *e)
{
	if (expect(r, ")", e) < 0 || (r->depth > 0 && expect(r, ")", e) < 0))
		return -1;
	r->state = BETWEEN;
	return 0;
}

static int start_file(struct nar_reader *r, struct nar_event *ev, struct err *e)
{
	struct tag t;

	if (read_tag(r, &t, e) < 0)
		return -1;
	if (is(&t, "executable")) {
		char none[1];
		size_t len;

		if (read_string(r, 0, none, &len, e) < 0 || read_tag(r, &t, e) < 0)
			return -1;
		ev->executable = true;
	}
	if (!is(&t, "contents"))
		return bad(r, e, "expected tag 'contents', got '%s'", t.text);
	r->token = offset(r);
	if (read_u64(r, &r->left_bytes, e) < 0)
		return -1;
	if (r->left_bytes > INT64_MAX)
		return bad(r, e, "a file of %llu bytes is too large",
			   (unsigned long long)r->left_bytes);
	r->pad_bytes = pad_of(r->left_bytes);
	r->state = IN_FILE;
	ev->type = NAR_FILE;
	ev->size_bytes = r->left_bytes;
	ev->offset = offset(r);
	return 1;
}

static int read_link(struct nar_reader *r, struct nar_event *ev, struct err *e)
{
	size_t len;

	if (expect(r, "target", e) < 0 || read_string(r, NAR_TARGET_MAX, r->target, &len, e) < 0)
		return -1;
	if (len == 0 || memchr(r->target, '\0', len))
		return bad(r, e, "NAR contains invalid symlink target '%s'", r->target);
	if (end_node(r, e) < 0)
		return -1;
	ev->type = NAR_LINK;
	ev->data = r->target;
	ev->size_bytes = len;
	return 1;
}

static int start_dir(struct nar_reader *r, struct nar_event *ev)
{
	r->names[r->depth][0] = '\0';
	r->depth++;
	r->state = BETWEEN;
	ev->type = NAR_DIR;
	return 1;
}

static int read_node(struct nar_reader *r, struct nar_event *ev, struct err *e)
{
	struct tag t;

	r->token = offset(r);
	if (r->depth >= r->depth_max)
		return bad(r, e, "NAR directory nesting exceeds maximum depth of %u", r->depth_max);
	if (expect(r, "(", e) < 0 || expect(r, "type", e) < 0 || read_tag(r, &t, e) < 0)
		return -1;
	if (is(&t, "regular"))
		return start_file(r, ev, e);
	if (is(&t, "symlink"))
		return read_link(r, ev, e);
	if (is(&t, "directory"))
		return start_dir(r, ev);
	return bad(r, e, "unknown file type '%s'", t.text);
}

static int read_entry(struct nar_reader *r, struct nar_event *ev, struct err *e)
{
	char *last = r->names[r->depth - 1], name[NAR_NAME_MAX + 1];
	size_t len;

	if (expect(r, "(", e) < 0 || expect(r, "name", e) < 0 ||
	    read_string(r, NAR_NAME_MAX, name, &len, e) < 0)
		return -1;
	if (len == 0 || str_eq(name, ".") || str_eq(name, "..") || memchr(name, '/', len) ||
	    memchr(name, '\0', len))
		return bad(r, e, "NAR contains invalid file name '%s'", name);
	/* strcmp compares bytes as unsigned, shorter first; "" before the first entry is least. */
	if (strcmp(name, last) <= 0)
		return bad(r, e, "NAR directory is not sorted: '%s' follows '%s'", name, last);
	memcpy(last, name, len + 1);
	ev->name = last;
	if (expect(r, "node", e) < 0)
		return -1;
	return read_node(r, ev, e);
}

/* End a directory, whose closing tag was read. */
static int end_dir(struct nar_reader *r, struct nar_event *ev, struct err *e)
{
	r->depth--;
	if (r->depth > 0 && expect(r, ")", e) < 0)
		return -1;
	r->state = BETWEEN;
	ev->type = NAR_DIR_END;
	return 1;
}

static int read_end(struct nar_reader *r, struct err *e)
{
	int rc = r->pos < r->len ? 1 : fill(r, e);

	if (rc < 0)
		return -1;
	r->token = offset(r);
	if (rc > 0)
		return bad(r, e, "data after its end");
	r->state = AT_END;
	return 0;
}

static int read_magic(struct nar_reader *r, struct err *e)
{
	static const char magic[] = "\15\0\0\0\0\0\0\0nix-archive-1\0\0\0";
	const size_t n = sizeof magic - 1;

	while (r->len - r->pos < n) {
		int rc = fill(r, e);

		if (rc < 0)
			return -1;
		if (rc == 0)
			break;
	}
	if (r->len - r->pos < n || memcmp(r->buf + r->pos, magic, n) != 0)
		return bad(r, e, "input doesn't look like a Nix archive");
	r->pos += n;
	return 0;
}

static int read_data(struct nar_reader *r, struct nar_event *ev, struct err *e)
{
	if (r->pos == r->len && !need(r, 1, e))
		return -1;
	size_t n = r->len - r->pos;
	if (n > r->left_bytes)
		n = (size_t)r->left_bytes;
	ev->type = NAR_DATA;
	ev->data = r->buf + r->pos;
	ev->size_bytes = n;
	r->pos += n;
	r->left_bytes -= n;
	return 1;
}

int nar_next(struct nar_reader *r, struct nar_event *ev, struct err *e)
{
	struct tag t;

	*ev = (struct nar_event){.name = ""};
	switch (r->state) {
	case AT_START:
		return read_magic(r, e) < 0 ? -1 : read_node(r, ev, e);
	case IN_FILE:
		if (r->left_bytes)
			return read_data(r, ev, e);
		if (read_padding(r, r->pad_bytes, e) < 0 || end_node(r, e) < 0)
			return -1;
		break;
	case BETWEEN:
		break;
	case AT_END:
		return 0;
	case BROKEN:
		return err_set(e, ERR_INPUT, "the NAR was refused before");
	}
	if (r->depth == 0)
		return read_end(r, e);
	if (read_tag(r, &t, e) < 0)
		return -1;
	if (is(&t, "entry"))
		return read_entry(r, ev, e);
	if (is(&t, ")"))
		return end_dir(r, ev, e);
	return bad(r, e, "expected tag 'entry' or ')', got '%s'", t.text);
}

/*
 * Skip the rest of the contents by seeking. Returns false if that cannot be done: bytes are
 * buffered, the file cannot seek, or too few bytes are left.
 */
static bool seek_over(struct nar_reader *r)
{
	if (r->fd < 0 || r->left_bytes < SEEK_MIN_BYTES || r->pos != r->len ||
	    lseek(r->fd, (off_t)r->left_bytes, SEEK_CUR) < 0)
		return false;
	/* If the file was cut, this is past its end, and reading the padding will fail. */
	r->base += r->pos + r->left_bytes;
	r->pos = r->len = 0;
	r->left_bytes = 0;
	return true;
}

int nar_skip_contents(struct nar_reader *r, struct err *e)
{
	struct nar_event ev;

	while (r->state == IN_FILE && r->left_bytes)
		if (!seek_over(r) && read_data(r, &ev, e) < 0)
			return -1;
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/writer.h: make the bytes of a NAR from events, in large pieces.
 *
 *	nar_writer_init(&w, buf, size, flush, ctx);
 *	nar_writer_event(&w, &ev, e)               for each event except NAR_DATA
 *	while ((p = nar_writer_room(&w, &n, e)) && n > 0)
 *		nar_writer_commit(&w, got);        after reading up to n bytes of contents to p
 *	nar_writer_finish(&w)                      w.len bytes are left in w.buf
 *
 * Framing and contents are collected in one buffer of the caller, so that hashing and writing get
 * large pieces. A hash that is fed with framing, 8 to 32 bytes at a time, is fourteen times slower.
 * The events come from code that keeps their order (names sorted and unique, sizes true); an event
 * that breaks it fails an assert. NAR_DATA may be sent as an event as well, and is then copied.
 */
#ifndef NAR_WRITER_H
#define NAR_WRITER_H

#include <stddef.h>

#include "nar/base/err.h"
#include "nar/nar.h"

/* Take the N bytes at *BUF. *BUF may be set to another buffer of the same size to fill next. */
typedef int nar_flush_fn(void *ctx, char **buf, size_t n, struct err *e);

struct nar_writer {
	char *buf;
	size_t len, cap;
	uint64_t flushed_bytes; /* of the NAR, before those in buf */
	nar_flush_fn *flush;
	void *ctx;
	uint64_t left_bytes; /* of the current file's contents */
	unsigned pad_bytes;  /* after the contents */
	unsigned depth;      /* directories that are open */
	bool in_file, done;
};

#define NAR_WRITER_MIN 8192
/* Start a NAR in BUF, of CAP bytes, at least NAR_WRITER_MIN. BUF stays the caller's. */
void nar_writer_init(struct nar_writer *w, char *buf, size_t cap, nar_flush_fn *flush, void *ctx);
int nar_writer_event(struct nar_writer *w, const struct nar_event *ev, struct err *e) MUST_CHECK;
/*
 * Return where the next contents of the current file go, up to *RET_N bytes. *RET_N is 0 if the
 * file is complete, or there is none. NULL: *E.
 */
char *nar_writer_room(struct nar_writer *w, size_t *ret_n, struct err *e) MUST_CHECK;
/* Add the N bytes that the caller put where nar_writer_room() said. */
void nar_writer_commit(struct nar_writer *w, size_t n);
/* End the NAR, whose last w->len bytes are in w->buf. Returns its size in bytes. */
uint64_t nar_writer_finish(struct nar_writer *w);

#endif

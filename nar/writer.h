/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/writer.h: events -> the bytes of a NAR, in large pieces.
 *
 *	nar_writer_init(&w, buf, size, flush, ctx);
 *	nar_writer_event(&w, &ev, e)               for each event but NAR_DATA
 *	while ((p = nar_writer_room(&w, &n, e)))   n > 0: contents are wanted,
 *		nar_writer_commit(&w, got);        read up to n bytes of them straight to p
 *	nar_writer_finish(&w)                      w.len bytes are left in w.buf
 *
 * Framing and contents are gathered in one buffer of the caller's, so that hashing and writing get
 * large pieces: a hash fed with the 8 to 32 bytes that framing consists of is fourteen times
 * slower. The events come from code that keeps their order (names sorted and unique, sizes true);
 * what breaks it is an assert. NAR_DATA may be sent as an event too, and is copied then.
 */
#ifndef NAR_WRITER_H
#define NAR_WRITER_H

#include <stddef.h>

#include "nar/base/err.h"
#include "nar/nar.h"

/*
 * Take all N bytes at *BUF, and leave in *BUF where the next go: the same place, or another buffer
 * of that size.
 */
typedef int nar_flush_fn(void *ctx, char **buf, size_t n, struct err *e);

struct nar_writer {
	char *buf;
	size_t len, cap;
	uint64_t flushed_bytes; /* before those in buf */
	nar_flush_fn *flush;
	void *ctx;
	uint64_t left_bytes; /* of the contents of the current file */
	unsigned pad_bytes;  /* after them */
	unsigned depth;      /* directories that are open */
	bool in_file, done;
};

/* CAP is at least NAR_WRITER_MIN. */
#define NAR_WRITER_MIN 8192
void nar_writer_init(struct nar_writer *w, char *buf, size_t cap, nar_flush_fn *flush, void *ctx);
int nar_writer_event(struct nar_writer *w, const struct nar_event *ev, struct err *e) MUST_CHECK;
/*
 * Where up to *RET_N bytes of contents go. *RET_N is 0 when the current file is complete (or there
 * is none). NULL: *E.
 */
char *nar_writer_room(struct nar_writer *w, size_t *ret_n, struct err *e) MUST_CHECK;
/* N bytes were put there. */
void nar_writer_commit(struct nar_writer *w, size_t n);
/* The NAR is complete but for the bytes in w->buf. Its whole size. */
uint64_t nar_writer_finish(struct nar_writer *w);

#endif

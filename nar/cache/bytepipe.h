/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/bytepipe.h: pass bytes from one thread to another, through a buffer of fixed size.
 *
 * One thread writes and one reads. The writer never waits: bytes that do not fit are refused, and
 * the reader's thread calls WAKE when half of the buffer is free again. The reader waits for bytes.
 */
#ifndef NAR_CACHE_BYTEPIPE_H
#define NAR_CACHE_BYTEPIPE_H

#include <pthread.h>
#include <stddef.h>

#include "nar/base/err.h"
#include "nar/base/sink.h"

struct bytepipe {
	pthread_mutex_t lock;
	pthread_cond_t more;
	char *data;
	size_t cap;
	size_t head, len; /* the buffer, a ring, contains len bytes from data[head] on */
	bool full;        /* the writer was refused, and waits for half of the buffer */
	bool ended;       /* no more bytes will be written */
	bool begun;       /* the reader has read, or waits for the first byte */
	struct err err;   /* for the reader at the end; not set: the end is no failure */
	void (*wake)(void *ctx);
	void *ctx;
};

int bytepipe_init(struct bytepipe *p, size_t cap, void (*wake)(void *ctx), void *ctx,
		  struct err *e) MUST_CHECK;
void bytepipe_done(struct bytepipe *p);
/* Empty the pipe for the next stream. Neither thread may use it meanwhile. */
void bytepipe_reset(struct bytepipe *p);

/* For the writer: write N bytes. Returns true: all were taken; false: none, for want of room. */
bool bytepipe_write(struct bytepipe *p, const void *data, size_t n);
/*
 * For the writer: end the stream. If WHY is not NULL and set, the reader gets this error after the
 * last byte.
 */
void bytepipe_end(struct bytepipe *p, const struct err *why);
/* For the writer: tell whether the reader has asked for the first byte. */
bool bytepipe_begun(struct bytepipe *p);
/* For the writer: tell, once, that half of the buffer is free again after a refused write. */
bool bytepipe_has_room(struct bytepipe *p);

/* Return the source from which the reader reads. The first read calls WAKE as well. */
struct nar_source bytepipe_source(struct bytepipe *p);

#endif

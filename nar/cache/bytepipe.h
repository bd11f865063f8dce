/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/bytepipe.h: bytes from one thread to another, in order, through a buffer of fixed size.
 *
 * One thread writes and one reads. The writer never waits: what does not fit is refused, and WAKE
 * is called, in the reader's thread, when there is room again. The reader waits.
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
	size_t head, len; /* the bytes that are there begin at HEAD */
	bool full;        /* the writer was refused, and waits for half of the buffer */
	bool ended, begun;
	struct err err; /* what it ended with */
	void (*wake)(void *ctx);
	void *ctx;
};

int bytepipe_init(struct bytepipe *p, size_t cap, void (*wake)(void *ctx), void *ctx,
		  struct err *e) MUST_CHECK;
void bytepipe_done(struct bytepipe *p);
/* As new, for the next stream. Not while anybody uses it. */
void bytepipe_reset(struct bytepipe *p);

/* The writer's: true: all N bytes are taken; false: none, there is no room. */
bool bytepipe_write(struct bytepipe *p, const void *data, size_t n);
/* Nothing more comes; WHY, where it is not NULL and set, is what the reader gets at the end. */
void bytepipe_end(struct bytepipe *p, const struct err *why);
/* Has the reader asked for a first byte? */
bool bytepipe_begun(struct bytepipe *p);
/* Was the writer refused, and there is room again? Answers that once. */
bool bytepipe_has_room(struct bytepipe *p);

/* The reader's. The first read calls WAKE, too. */
struct nar_source bytepipe_source(struct bytepipe *p);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/cache/bytepipe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

int bytepipe_init(struct bytepipe *p, size_t cap, void (*wake)(void *ctx), void *ctx, struct err *e)
{
	*p = (struct bytepipe){.cap = cap, .wake = wake, .ctx = ctx};
	p->data = malloc(cap);
	if (!p->data)
		return err_memory(e);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	return 0;
}

void bytepipe_done(struct bytepipe *p)
{
	if (!p->data)
		return;
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->more);
	free(TAKE(p->data, NULL));
}

void bytepipe_reset(struct bytepipe *p)
{
	pthread_mutex_lock(&p->lock);
	p->head = p->len = 0;
	p->full = p->ended = p->begun = false;
	err_clear(&p->err);
	pthread_mutex_unlock(&p->lock);
}

bool bytepipe_write(struct bytepipe *p, const void *data, size_t n)
{
	assert(n <= p->cap);
	pthread_mutex_lock(&p->lock);
	if (n > p->cap - p->len) {
		p->full = true;
		pthread_mutex_unlock(&p->lock);
		return false;
	}
	size_t at = (p->head + p->len) % p->cap;
	pthread_mutex_unlock(&p->lock);
	/* Without the lock: only the writer touches the free part of the buffer. */
	size_t first = n < p->cap - at ? n : p->cap - at;
	memcpy(p->data + at, data, first);
	memcpy(p->data, (const char *)data + first, n - first);
	pthread_mutex_lock(&p->lock);
	p->len += n;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
	return true;
}

void bytepipe_end(struct bytepipe *p, const struct err *why)
{
	pthread_mutex_lock(&p->lock);
	p->ended = true;
	if (why)
		p->err = *why;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

bool bytepipe_begun(struct bytepipe *p)
{
	pthread_mutex_lock(&p->lock);
	bool begun = p->begun;
	pthread_mutex_unlock(&p->lock);
	return begun;
}

bool bytepipe_has_room(struct bytepipe *p)
{
	pthread_mutex_lock(&p->lock);
	bool room = p->full && p->len <= p->cap / 2;
	if (room)
		p->full = false;
	pthread_mutex_unlock(&p->lock);
	return room;
}

static ssize_t on_read(void *ctx, void *data, size_t n, struct err *e)
{
	struct bytepipe *p = ctx;

	pthread_mutex_lock(&p->lock);
	if (!p->begun) {
		p->begun = true;
		pthread_mutex_unlock(&p->lock);
		p->wake(p->ctx);
		pthread_mutex_lock(&p->lock);
	}
	while (!p->len && !p->ended)
		pthread_cond_wait(&p->more, &p->lock);
	if (!p->len) {
		bool failed = err_is_set(&p->err);

		if (failed)
			*e = p->err;
		pthread_mutex_unlock(&p->lock);
		return failed ? -1 : 0;
	}
	size_t at = p->head, first;
	if (n > p->len)
		n = p->len;
	pthread_mutex_unlock(&p->lock);
	/* Without the lock: only the reader touches the filled part of the buffer. */
	first = n < p->cap - at ? n : p->cap - at;
	memcpy(data, p->data + at, first);
	memcpy((char *)data + first, p->data, n - first);
	pthread_mutex_lock(&p->lock);
	p->head = (p->head + n) % p->cap;
	p->len -= n;
	bool wake = p->full && p->len <= p->cap / 2;
	pthread_mutex_unlock(&p->lock);
	if (wake)
		p->wake(p->ctx);
	return (ssize_t)n;
}

struct nar_source bytepipe_source(struct bytepipe *p)
{
	return (struct nar_source){on_read, p};
}

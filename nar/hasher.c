/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/hasher.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define BUFS 4

/*
 * The buffers are a ring: the caller fills number `filled`, the thread hashes number `hashed`. At
 * most BUFS - 1 wait to be hashed (filled - hashed), so that the caller never fills one of them.
 */
struct hasher {
	struct hash_ctx ctx;
	char *bufs[BUFS];
	size_t lens[BUFS];
	bool threaded, stop, broken; /* broken: hashing failed in the thread */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more; /* filled has grown, or stop is set */
	pthread_cond_t less; /* hashed has grown */
	unsigned filled, hashed;
};

struct hasher *hasher_new(enum hash_algo a, struct err *e)
{
	struct hasher *h = mem_new(1, sizeof *h, e);

	if (!h)
		return NULL;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->more, NULL);
	pthread_cond_init(&h->less, NULL);
	h->bufs[0] = malloc(HASHER_BUF_BYTES);
	if (!h->bufs[0])
		err_memory(e);
	if (!h->bufs[0] || hash_start(&h->ctx, a, e) < 0) {
		hasher_free(h);
		return NULL;
	}
	return h;
}

char *hasher_first(struct hasher *h)
{
	return h->bufs[0];
}

static void *run(void *arg)
{
	struct hasher *h = arg;
	struct err e = ERR_INIT;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		while (h->hashed == h->filled && !h->stop)
			pthread_cond_wait(&h->more, &h->lock);
		if (h->hashed == h->filled)
			break;
		unsigned i = h->hashed % BUFS;
		pthread_mutex_unlock(&h->lock);
		int rc = hash_update(&h->ctx, h->bufs[i], h->lens[i], &e);
		pthread_mutex_lock(&h->lock);
		if (rc < 0) {
			h->broken = true;
			err_clear(&e);
		}
		h->hashed++;
		pthread_cond_signal(&h->less);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* Start the thread. Returns false if that is impossible; hasher_swap() then hashes, but slower. */
static bool start_thread(struct hasher *h)
{
	sigset_t all, before;

	for (int i = 1; i < BUFS; i++)
		if (!h->bufs[i] && !(h->bufs[i] = malloc(HASHER_BUF_BYTES)))
			return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	h->threaded = pthread_create(&h->thread, NULL, run, h) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return h->threaded;
}

static void stop_thread(struct hasher *h)
{
	if (!h->threaded)
		return;
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_signal(&h->more);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	h->threaded = false;
}

int hasher_swap(struct hasher *h, char **buf, size_t n, struct err *e)
{
	if (!h->threaded && !start_thread(h))
		return hash_update(&h->ctx, *buf, n, e);
	pthread_mutex_lock(&h->lock);
	h->lens[h->filled % BUFS] = n;
	h->filled++;
	pthread_cond_signal(&h->more);
	while (h->filled - h->hashed >= BUFS)
		pthread_cond_wait(&h->less, &h->lock);
	*buf = h->bufs[h->filled % BUFS];
	pthread_mutex_unlock(&h->lock);
	return 0;
}

int hasher_finish(struct hasher *h, char *buf, size_t n, struct hash *ret, struct err *e)
{
	stop_thread(h);
	if (h->broken)
		return err_set(e, ERR_SYSTEM, "libcrypto failed to compute a hash");
	if (hash_update(&h->ctx, buf, n, e) < 0)
		return -1;
	return hash_finish(&h->ctx, ret, e);
}

void hasher_free(struct hasher *h)
{
	if (!h)
		return;
	/* The thread still hashes the buffers that wait, which takes about a millisecond. */
	stop_thread(h);
	for (int i = 0; i < BUFS; i++)
		free(h->bufs[i]);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->more);
	pthread_cond_destroy(&h->less);
	free(h);
}

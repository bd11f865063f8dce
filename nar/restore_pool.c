/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"
#include "nar/restore_internal.h"

#include "nar/base/banned.h"

#define SMALLS 16     /* how many small files exist at a time, of RESTORE_SMALL_BYTES each */
#define THREADS_MAX 3 /* with more of them, they wait for the reader */
#define ALONE 8       /* the reader writes this many small files before threads are started */

struct restore_pool {
	struct restore_small smalls[SMALLS];
	struct restore_small *empty[SMALLS], *waiting[SMALLS];
	unsigned n_empty, n_waiting, first; /* `waiting` is a ring that begins at `first` */
	unsigned asked, n_threads; /* asked: small files that the reader wrote, up to ALONE */
	bool tried;                /* start() was called */
	bool stop;
	atomic_bool failed;
	struct err err; /* of the first thread that failed */
	pthread_t threads[THREADS_MAX];
	pthread_mutex_t lock;
	pthread_cond_t more; /* n_waiting has grown or stop is set */
};

struct restore_pool *restore_pool_new(struct err *e)
{
	struct restore_pool *p = mem_new(1, sizeof *p, e);

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	return p;
}

static int write_small(const struct restore_small *s, struct err *e)
{
	struct restore_file f = {.dir = s->dir, .name = s->name, .fd = -1, .size_bytes = s->len};

	if (restore_file_make(&f, s->executable, e) < 0)
		return -1;
	if (restore_file_write(&f, s->data, s->len, e) < 0) {
		close(f.fd);
		return -1;
	}
	return restore_file_end(&f, e);
}

/* Write S, or drop it if a file failed before. Call it without the lock. */
static void take_care_of(struct restore_pool *p, struct restore_small *s)
{
	struct err e = ERR_INIT;
	struct restore_dir *dir = s->dir;

	if (atomic_load(&p->failed) || write_small(s, &e) < 0)
		restore_dir_drop(dir);
	else if (restore_dir_end(dir, &e) == 0)
		return;
	pthread_mutex_lock(&p->lock);
	if (!atomic_exchange(&p->failed, true))
		p->err = e;
	pthread_mutex_unlock(&p->lock);
}

static void *run(void *arg)
{
	struct restore_pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->n_waiting && !p->stop)
			pthread_cond_wait(&p->more, &p->lock);
		if (!p->n_waiting)
			break;
		struct restore_small *s = p->waiting[p->first];
		p->first = (p->first + 1) % SMALLS;
		p->n_waiting--;
		pthread_mutex_unlock(&p->lock);
		take_care_of(p, s);
		pthread_mutex_lock(&p->lock);
		p->empty[p->n_empty++] = s;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/*
 * Start threads, and leave one processor to the reader. With fewer threads, or none, only slower.
 */
static void start(struct restore_pool *p)
{
	cpu_set_t cpus;
	sigset_t all, before;
	int n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) - 1 : 1;

	p->tried = true;
	if (n < 1)
		return;
	for (unsigned i = 0; i < SMALLS; i++) {
		p->smalls[i].data = malloc(RESTORE_SMALL_BYTES);
		if (!p->smalls[i].data)
			return;
		p->empty[p->n_empty++] = &p->smalls[i];
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (p->n_threads < THREADS_MAX && p->n_threads < (unsigned)n &&
	       pthread_create(&p->threads[p->n_threads], NULL, run, p) == 0)
		p->n_threads++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct restore_small *restore_pool_small(struct restore_pool *p)
{
	struct restore_small *s = NULL;

	if (p->asked < ALONE) {
		p->asked++;
		return NULL;
	}
	if (!p->tried)
		start(p);
	if (!p->n_threads)
		return NULL;
	pthread_mutex_lock(&p->lock);
	if (p->n_empty)
		s = p->empty[--p->n_empty];
	pthread_mutex_unlock(&p->lock);
	if (s)
		s->len = 0;
	return s;
}

void restore_pool_put(struct restore_pool *p, struct restore_small *s)
{
	restore_dir_ref(s->dir);
	pthread_mutex_lock(&p->lock);
	p->waiting[(p->first + p->n_waiting++) % SMALLS] = s;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

bool restore_pool_failed(struct restore_pool *p)
{
	return atomic_load_explicit(&p->failed, memory_order_relaxed);
}

int restore_pool_finish(struct restore_pool *p, struct err *e)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	while (p->n_threads)
		pthread_join(p->threads[--p->n_threads], NULL);
	if (!atomic_load(&p->failed))
		return 0;
	*e = p->err;
	return -1;
}

void restore_pool_free(struct restore_pool *p)
{
	struct err ignored = ERR_INIT;

	if (!p)
		return;
	atomic_store(&p->failed, true); /* so that the threads drop the files that wait */
	(void)!restore_pool_finish(p, &ignored);
	for (unsigned i = 0; i < SMALLS; i++)
		free(p->smalls[i].data);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->more);
	free(p);
}

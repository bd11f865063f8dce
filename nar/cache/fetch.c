/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: cache_fetch()
 *
 * The caller's thread gives items to workers, drives all transfers and fills the workers' pipes. A
 * worker is a thread that calls consume(), which reads from the verifier, which reads from the
 * decompressor, which reads from the pipe. A transfer whose pipe is full is paused, so that memory
 * is bounded. A transfer that breaks and is resumed is one stream of bytes to the worker.
 *
 * `state` is protected by the lock. While a worker is RUNNING, it alone touches its item, except
 * file_bytes, which is atomic, and its `err`; else the caller's thread does. Only the caller's
 * thread touches the transfer.
 */
#include "nar/cache/cache.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"
#include "nar/cache/bytepipe.h"
#include "nar/cache/cache_internal.h"
#include "nar/cache/verify.h"

#include "nar/base/banned.h"

#define PIPE_BYTES (512 << 10)

struct worker {
	struct fetch *fetch;
	pthread_t thread;
	bool started; /* `thread` exists */
	enum { IDLE, RUNNING, FINISHED, QUIT } state;
	struct cache_item *item;
	struct bytepipe pipe;
	struct http_transfer t;
	bool asked; /* ask() was called for this item */
	char *url, *shown;
	int fd; /* the file, in a file: cache; -1: the file comes by the pipe */
	struct err err;
	bool source_failed; /* the cache failed, not the consumer */
};

struct fetch {
	struct cache_set *set;
	struct cache_item **queue; /* the items of this pass, the largest first */
	size_t n, head, n_done;    /* of the queue; the next item; items done in all passes */
	uint64_t bytes_done;       /* of the items that are done */
	struct worker *workers;
	size_t n_workers;
	struct cache_item **failed; /* items to be tried at another cache, in the next pass */
	struct err *failed_errs;
	size_t n_failed;
	const struct cache_item **active; /* for progress() */
	pthread_mutex_t lock;
	pthread_cond_t more; /* the state of a worker has changed */
	bool stop;           /* atomic: workers must fail */
	struct err err;      /* why the whole fetch fails */
};

static uint64_t file_bytes_of(const struct cache_item *item)
{
	const struct narinfo *n = &item->info->info;

	return n->file_size_bytes ? n->file_size_bytes : n->nar_size_bytes;
}

static void count(struct cache_item *item, size_t n)
{
	__atomic_fetch_add(&item->file_bytes, n, __ATOMIC_RELAXED);
}

/* ---- the worker ---- */

static void on_wake(void *ctx)
{
	struct worker *w = ctx;

	http_wake(w->fetch->set->http);
}

static ssize_t on_file_read(void *ctx, void *data, size_t n, struct err *e)
{
	struct worker *w = ctx;
	ssize_t got;

	if (__atomic_load_n(&w->fetch->stop, __ATOMIC_RELAXED))
		return err_set(e, ERR_STOPPED, "stopped");
	do
		got = read(w->fd, data, n);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_sys(e, "reading the NAR of '%s'", w->item->info->info.store_path);
	count(w->item, (size_t)got);
	return got;
}

/*
 * Read the rest of a NAR that the consumer refused, so that it is verified. If it is not the NAR
 * that the narinfo describes, the cache failed, not the consumer, and another cache may help.
 */
static void look_for_fault(const struct nar_source *nar)
{
	struct err ignored = ERR_INIT;
	char data[16384];

	while (nar->read(nar->ctx, data, sizeof data, &ignored) > 0)
		;
}

static int consume(struct worker *w, struct err *e)
{
	const struct cache_info *info = w->item->info;
	const struct nar_source file = {on_file_read, w}, net = bytepipe_source(&w->pipe);
	scoped_nar_verify struct nar_verify *v =
		nar_verify_new(&info->info, info->by_ca, w->fd >= 0 ? &file : &net, e);

	w->source_failed = !v;
	if (!v)
		return -1;
	const struct nar_source nar = nar_verify_source(v);
	int rc = w->item->consume(w->item, &nar, e);
	if (rc < 0 && e->kind == ERR_INPUT && nar_verify_begun(v))
		look_for_fault(&nar);
	if (rc < 0 && nar_verify_error(v)) {
		w->source_failed = true;
		*e = *nar_verify_error(v);
	}
	if (rc == 0 && nar_verify_begun(v) && !nar_verify_ended(v))
		return err_set(e, ERR_SYSTEM, "the NAR of '%s' was not read to its end",
			       info->info.store_path);
	return rc < 0 ? -1 : 0;
}

static void *work(void *ctx)
{
	struct worker *w = ctx;
	struct fetch *f = w->fetch;

	pthread_mutex_lock(&f->lock);
	for (;;) {
		while (w->state == IDLE || w->state == FINISHED)
			pthread_cond_wait(&f->more, &f->lock);
		if (w->state == QUIT)
			break;
		pthread_mutex_unlock(&f->lock);
		(void)consume(w, &w->err);
		pthread_mutex_lock(&f->lock);
		w->state = FINISHED;
		http_wake(f->set->http);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

static int start_worker(struct worker *w, struct err *e)
{
	sigset_t all, before;

	if (bytepipe_init(&w->pipe, PIPE_BYTES, on_wake, w, e) < 0)
		return -1;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0) {
		errno = rc;
		return err_sys(e, "starting a thread");
	}
	w->started = true;
	return 0;
}

static void set_state(struct worker *w, int state)
{
	pthread_mutex_lock(&w->fetch->lock);
	w->state = state;
	pthread_cond_broadcast(&w->fetch->more);
	pthread_mutex_unlock(&w->fetch->lock);
}

static int state_of(struct worker *w)
{
	pthread_mutex_lock(&w->fetch->lock);
	int state = w->state;
	pthread_mutex_unlock(&w->fetch->lock);
	return state;
}

/* ---- transfers ---- */

static int on_data(struct http_transfer *t, const void *data, size_t n, struct err *e)
{
	struct worker *w = t->ctx;

	if (!bytepipe_write(&w->pipe, data, n))
		return 0;
	count(w->item, n);
	return 1;
}

static void on_done(struct http_transfer *t, enum http_result r)
{
	struct worker *w = t->ctx;

	if (r == HTTP_MISSING)
		err_set(&t->err, ERR_INPUT, "file '%s' does not exist in its binary cache",
			t->what);
	bytepipe_end(&w->pipe, r == HTTP_OK ? NULL : &t->err);
}

/* Start the transfer of the file that W wants to read. */
static void ask(struct worker *w)
{
	const struct narinfo *n = &w->item->info->info;
	const struct cache *c = &w->fetch->set->caches[w->item->info->cache];
	struct err why = ERR_INIT;

	w->asked = true;
	if (!cache_url_is_absolute(n->url) && cache_url_check_name(n->url, &why) < 0) {
		bytepipe_end(&w->pipe, &why);
		return;
	}
	if (cache_name_urls(&c->url, n->url, &w->url, &w->shown, &why) < 0) {
		bytepipe_end(&w->pipe, &why);
		return;
	}
	w->t = (struct http_transfer){
		.url = w->url,
		.what = w->shown,
		.max_bytes = nar_verify_file_max(n),
		.expect_bytes = n->file_size_bytes,
		.data = on_data,
		.done = on_done,
		.ctx = w,
	};
	if (http_start(w->fetch->set->http, &w->t, &why) < 0)
		bytepipe_end(&w->pipe, &why);
}

/* ---- giving and taking items ---- */

/* Open the file of W's item if its cache is a file: cache. */
static int open_source(struct worker *w, struct err *e)
{
	const struct cache_info *info = w->item->info;
	const struct cache *c = &w->fetch->set->caches[info->cache];

	if (!c->url.is_file || cache_url_is_absolute(info->info.url))
		return 0;
	int rc = cache_file_open(c->dirfd, c->url.shown, info->info.url, &w->fd, e);
	if (rc == 0)
		return err_set(e, ERR_INPUT, "file '%s/%s' does not exist in its binary cache",
			       c->url.shown, info->info.url);
	return rc < 0 ? -1 : 0;
}

/* Tell whether a cache after the one of ITEM can be asked. */
static bool has_other(const struct fetch *f, const struct cache_item *item)
{
	for (size_t i = item->info->cache + 1; i < f->set->n_caches; i++)
		if (!f->set->caches[i].dead)
			return true;
	return false;
}

/* End the whole fetch because of WHY: no more items, and the workers' reads fail. */
static void stop(struct fetch *f, const struct err *why)
{
	const struct err stopped = {ERR_STOPPED, 0, "stopped"};

	if (!err_is_set(&f->err))
		f->err = *why;
	__atomic_store_n(&f->stop, true, __ATOMIC_RELAXED);
	f->head = f->n;
	for (size_t i = 0; i < f->n_workers; i++) {
		http_cancel(&f->workers[i].t);
		bytepipe_end(&f->workers[i].pipe, &stopped);
	}
}

/* Take W's item, which has ended, from W: done, to be tried at another cache, or a failure. */
static void take_result(struct worker *w)
{
	struct fetch *f = w->fetch;
	struct cache_item *item = TAKE(w->item, NULL);

	http_cancel(&w->t);
	free(TAKE(w->url, NULL));
	free(TAKE(w->shown, NULL));
	if (w->fd >= 0)
		close(TAKE(w->fd, -1));
	set_state(w, IDLE);
	if (!err_is_set(&w->err)) {
		item->done = true;
		f->n_done++;
		f->bytes_done += file_bytes_of(item);
	} else if (w->source_failed && !f->stop && has_other(f, item)) {
		f->failed[f->n_failed] = item;
		f->failed_errs[f->n_failed++] = w->err;
	} else {
		stop(f, &w->err);
	}
}

static void give_item(struct worker *w)
{
	w->item = w->fetch->queue[w->fetch->head++];
	w->item->file_bytes = 0;
	w->asked = w->source_failed = false;
	err_clear(&w->err);
	bytepipe_reset(&w->pipe);
	if (open_source(w, &w->err) < 0) {
		w->source_failed = true;
		take_result(w);
		return;
	}
	set_state(w, RUNNING);
}

/* Do all that W needs: a new item, its transfer. Returns true if W has work. */
static bool serve(struct worker *w)
{
	struct fetch *f = w->fetch;
	int state = state_of(w);

	if (state == FINISHED) {
		take_result(w);
		state = IDLE;
	}
	while (state == IDLE && f->head < f->n) {
		give_item(w);
		state = state_of(w);
	}
	/* FINISHED: the new item has ended already; the next call takes its result. */
	if (state != RUNNING)
		return state == FINISHED;
	if (w->fd < 0 && !w->asked && !f->stop && bytepipe_begun(&w->pipe))
		ask(w);
	if (bytepipe_has_room(&w->pipe))
		http_resume(&w->t);
	return true;
}

static int tell(struct fetch *f, bool now, struct err *e)
{
	struct cache_progress *p = &f->set->progress;

	p->nars_done = f->n_done;
	p->bytes_done = f->bytes_done;
	p->n_active = 0;
	p->active = f->active;
	for (size_t i = 0; i < f->n_workers; i++) {
		struct cache_item *item = f->workers[i].item;

		if (!item)
			continue;
		f->active[p->n_active++] = item;
		p->bytes_done += __atomic_load_n(&item->file_bytes, __ATOMIC_RELAXED);
	}
	return cache_tell(f->set, now, e);
}

/* Fetch all items in the queue, and have them consumed. */
static void run(struct fetch *f)
{
	struct err why = ERR_INIT;

	for (;;) {
		bool busy = false;
		size_t before = f->n_done;

		for (size_t i = 0; i < f->n_workers; i++)
			busy |= serve(&f->workers[i]);
		/* Not after stop(): progress() is not asked again. */
		if (!f->stop && tell(f, f->n_done != before, &why) < 0) {
			stop(f, &why);
			err_clear(&why);
		}
		if (!busy)
			return;
		if (http_step(f->set->http, CACHE_WAIT_MS, &why) < 0) {
			stop(f, &why);
			err_clear(&why);
		}
	}
}

/* ---- another cache ---- */

/*
 * Fill the queue with the items that failed, each with the narinfo of another cache. An item that
 * no other cache has is an error.
 */
static int find_others(struct fetch *f, struct err *e)
{
	scoped_free struct cache_entry **entries =
		mem_new(f->n_failed, sizeof(struct cache_entry *), e);

	if (!entries)
		return -1;
	for (size_t i = 0; i < f->n_failed; i++)
		entries[i] = cache_entry_of(f->set, f->failed[i]->info->info.store_path);
	if (cache_query_again(f->set, entries, f->n_failed, e) < 0)
		return -1;
	f->head = f->n = 0;
	for (size_t i = 0; i < f->n_failed; i++) {
		struct cache_item *item = f->failed[i];
		const struct cache_info *newest = &entries[i]->found->public;

		if (newest->cache <= item->info->cache) {
			*e = f->failed_errs[i];
			return -1;
		}
		cache_note(&f->set->o, "%s; trying '%s'", f->failed_errs[i].msg, newest->from);
		item->info = newest;
		f->queue[f->n++] = item;
	}
	f->n_failed = 0;
	return 0;
}

/* ---- all of it ---- */

static int larger_first(const void *a, const void *b)
{
	uint64_t x = (*(struct cache_item *const *)a)->info->info.nar_size_bytes;
	uint64_t y = (*(struct cache_item *const *)b)->info->info.nar_size_bytes;

	return (x < y) - (x > y);
}

static int begin(struct fetch *f, struct cache_item *items, size_t n, struct err *e)
{
	struct cache_progress *p = &f->set->progress;

	f->queue = mem_new(n, sizeof *f->queue, e);
	if (f->queue)
		f->failed = mem_new(n, sizeof *f->failed, e);
	if (f->failed)
		f->failed_errs = mem_new(n, sizeof *f->failed_errs, e);
	if (f->failed_errs)
		f->active = mem_new(f->set->o.nars, sizeof *f->active, e);
	if (f->active)
		f->workers = mem_new(f->set->o.nars, sizeof *f->workers, e);
	if (!f->workers)
		return -1;
	p->nars = n;
	p->bytes = 0;
	for (size_t i = 0; i < n; i++) {
		items[i].done = false;
		p->bytes += file_bytes_of(&items[i]);
		f->queue[f->n++] = &items[i];
	}
	/* The largest first, so that the longest work does not begin last. */
	qsort(f->queue, f->n, sizeof *f->queue, larger_first);
	while (f->n_workers < n && f->n_workers < f->set->o.nars) {
		struct worker *w = &f->workers[f->n_workers++];

		w->fetch = f;
		w->fd = -1;
		if (start_worker(w, e) < 0)
			return -1;
	}
	return 0;
}

static void end(struct fetch *f)
{
	for (size_t i = 0; i < f->n_workers; i++) {
		struct worker *w = &f->workers[i];

		if (w->started) {
			set_state(w, QUIT);
			pthread_join(w->thread, NULL);
		}
		bytepipe_done(&w->pipe);
	}
	f->set->progress.active = NULL;
	f->set->progress.n_active = 0;
	free(f->workers);
	free(f->active);
	free(f->failed_errs);
	free(f->failed);
	free(f->queue);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->more);
}

int cache_fetch(struct cache_set *s, struct cache_item *items, size_t n, struct err *e)
{
	struct fetch f = {.set = s, .err = ERR_INIT};

	if (n == 0)
		return 0;
	pthread_mutex_init(&f.lock, NULL);
	pthread_cond_init(&f.more, NULL);
	int rc = begin(&f, items, n, e);
	while (rc == 0) {
		run(&f);
		if (err_is_set(&f.err)) {
			*e = f.err;
			rc = -1;
		} else if (f.n_failed == 0) {
			break;
		} else {
			rc = find_others(&f, e);
		}
	}
	end(&f);
	return rc;
}

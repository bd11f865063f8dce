/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: cache_query()
 *
 * A query is a queue of entries (store paths). It grows while answers arrive, because the narinfos
 * of a closure name more paths. As long as a slot is free, the next entry is asked for. So a query
 * takes as many round trips as the longest chain of references is long, whatever the number of
 * paths.
 *
 * For each entry, the caches are asked one after the other until one has it.
 */
#include "nar/cache/cache.h"

#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"
#include "nar/cache/cache_internal.h"
#include "nar/cache/verify.h"

#include "nar/base/banned.h"

struct query;

/* The transfer of one narinfo. */
struct slot {
	struct http_transfer t;
	struct query *query;
	struct cache_entry *entry; /* NULL: free */
	struct buf body;
	char *url, *shown;
};

struct query {
	struct cache_set *set;
	unsigned flags;
	bool again; /* cache_query_again(): accept only narinfos of the same NAR */
	struct cache_entry **queue;
	size_t n, cap, head; /* of the queue; queue[head] is asked for next */
	size_t answered;
	struct slot *slots; /* CACHE_SLOTS of them */
	size_t n_busy;      /* slots in use */
	struct err err;     /* why the query ends early */
};

/* ---- entries ---- */

static size_t bucket_of(const struct cache_set *s, const char *hash)
{
	size_t h = 0;

	/* 13 digits are 65 bits of the hash part, which is random already. */
	for (int i = 0; i < 13; i++)
		h = h * 31 + (unsigned char)hash[i];
	return h & (s->n_buckets - 1);
}

/* Find the entry of the path with this base name. */
static struct cache_entry *find(const struct cache_set *s, const char *base)
{
	if (!s->n_buckets)
		return NULL;
	for (struct cache_entry *x = s->buckets[bucket_of(s, base)]; x; x = x->next)
		if (memcmp(x->hash, base, STORE_HASH_LEN) == 0)
			return x;
	return NULL;
}

struct cache_entry *cache_entry_of(const struct cache_set *s, const char *path)
{
	struct err ignored = ERR_INIT;
	const char *base;

	if (storepath_check(path, s->o.store_dir, &base, &ignored) < 0)
		return NULL;
	return find(s, base);
}

static int grow_buckets(struct cache_set *s, struct err *e)
{
	size_t n = s->n_buckets ? s->n_buckets * 2 : 256;
	struct cache_entry **buckets = mem_new(n, sizeof(struct cache_entry *), e);

	if (!buckets)
		return -1;
	free(s->buckets);
	s->buckets = buckets;
	s->n_buckets = n;
	for (size_t i = 0; i < s->n_entries; i++) {
		struct cache_entry **b = &buckets[bucket_of(s, s->entries[i]->hash)];

		s->entries[i]->next = *b;
		*b = s->entries[i];
	}
	return 0;
}

static struct cache_entry *add(struct cache_set *s, const char *base, struct err *e)
{
	struct cache_entry *x;

	if (s->n_entries >= s->o.paths_max) {
		err_set(e, ERR_LIMIT, "binary caches are asked for more than %u store paths",
			s->o.paths_max);
		return NULL;
	}
	if (s->n_entries >= s->n_buckets && grow_buckets(s, e) < 0)
		return NULL;
	if (mem_grow(&s->entries, &s->cap_entries, s->n_entries + 1, sizeof *s->entries, e) < 0)
		return NULL;
	x = mem_new(1, sizeof *x, e);
	if (!x)
		return NULL;
	x->path = str_fmt(e, "%s/%s", s->o.store_dir, base);
	if (!x->path) {
		free(x);
		return NULL;
	}
	memcpy(x->hash, base, STORE_HASH_LEN);
	struct cache_entry **b = &s->buckets[bucket_of(s, base)];
	x->next = *b;
	*b = x;
	x->index = s->n_entries;
	s->entries[s->n_entries++] = x;
	return x;
}

void cache_entries_free(struct cache_set *s)
{
	for (size_t i = 0; i < s->n_entries; i++) {
		struct cache_entry *x = s->entries[i];

		while (x->found) {
			struct cache_found *older = x->found->older;

			narinfo_done(&x->found->public.info);
			free(x->found);
			x->found = older;
		}
		free(x->path);
		free(x);
	}
	free(s->entries);
	free(s->buckets);
	s->entries = s->buckets = NULL;
	s->n_entries = s->n_buckets = 0;
}

const struct cache_info *cache_find(const struct cache_set *s, const char *path)
{
	const struct cache_entry *x = cache_entry_of(s, path);

	if (!x || !x->found || !str_eq(x->path, path))
		return NULL;
	return &x->found->public;
}

/* ---- the queue of a query ---- */

/* Add X to the queue, unless the query contains it already. */
static int want_entry(struct query *q, struct cache_entry *x, struct err *e)
{
	if (x->query == q->set->queries)
		return 0;
	if (mem_grow(&q->queue, &q->cap, q->n + 1, sizeof *q->queue, e) < 0)
		return -1;
	x->query = q->set->queries;
	q->queue[q->n++] = x;
	return 0;
}

static int want(struct query *q, const char *base, struct err *e)
{
	struct cache_entry *x = find(q->set, base);

	if (!x)
		x = add(q->set, base, e);
	return x ? want_entry(q, x, e) : -1;
}

/* Tell whether the query also asks for BASE, to which a narinfo refers. */
static bool follows(const struct query *q, const char *base)
{
	return q->flags & CACHE_CLOSURE || (q->flags & CACHE_DERIVATIONS && str_ends(base, ".drv"));
}

/* Note that X has its final answer, and add its references to the queue. */
static int answered(struct query *q, struct cache_entry *x, struct err *e)
{
	q->answered++;
	q->set->progress.infos_done = q->answered;
	if (!x->found)
		return 0;
	const struct strv *refs = &x->found->public.info.refs;
	for (size_t i = 0; i < refs->n; i++)
		if (follows(q, refs->items[i]) && want(q, refs->items[i], e) < 0)
			return -1;
	return 0;
}

/* ---- answers ---- */

/*
 * Check whether narinfo N of cache C can be trusted. *RET_CA: only because of its CA field.
 * Returns 1: it can; 0: it cannot, which is noted; -1: *E.
 */
static int is_trusted(struct query *q, const struct cache *c, const struct narinfo *n, bool *ret_ca,
		      struct err *e)
{
	const struct cache_options *o = &q->set->o;

	if (o->any_signature || c->trusted)
		return 1;
	int rc = o->trusted ? narinfo_check_signed(n, o->trusted, e) : 0;
	if (rc != 0)
		return rc;
	rc = nar_verify_knows_ca(n) ? narinfo_check_ca(n, e) : 0;
	if (rc > 0)
		*ret_ca = true;
	if (rc == 0)
		cache_note(o,
			   "ignoring '%s' from '%s', as it's not signed by any of the keys in "
			   "'trusted-public-keys'",
			   n->store_path, c->url.shown);
	return rc;
}

/* Tell whether two caches' narinfos of a path describe the same NAR. */
static bool is_same(const struct narinfo *a, const struct narinfo *b)
{
	return a->nar_size_bytes == b->nar_size_bytes && hash_equal(&a->nar_hash, &b->nar_hash);
}

/*
 * Make N, from cache C, the newest answer of X.
 * Returns 1; -1: *E.
 */
static int keep(struct query *q, struct cache_entry *x, const struct cache *c, struct narinfo *n,
		bool by_ca, struct err *e)
{
	struct cache_found *f = mem_new(1, sizeof *f, e);

	if (!f)
		return -1;
	f->public.info = TAKE(*n, (struct narinfo){0});
	f->public.from = c->url.shown;
	f->public.cache = (size_t)(c - q->set->caches);
	f->public.by_ca = by_ca;
	f->older = x->found;
	x->found = f;
	x->state = ENTRY_FOUND;
	return 1;
}

/*
 * Parse and check BODY, the narinfo of X in cache C. WHAT is its URL for messages.
 * Returns 1: it is the newest answer of X; 0: it cannot be used, which is noted; -1: *E.
 */
static int accept(struct query *q, struct cache_entry *x, const struct cache *c,
		  const struct buf *body, const char *what, struct err *e)
{
	scoped_narinfo struct narinfo n = {0};
	struct err why = ERR_INIT;
	bool by_ca = false;

	if (narinfo_parse(body->data ? body->data : "", body->len, q->set->o.store_dir, what, &n,
			  &why) < 0) {
		if (why.kind == ERR_MEMORY) {
			*e = why;
			return -1;
		}
		cache_note(&q->set->o, "%s", why.msg);
		return 0;
	}
	if (!str_eq(n.store_path, x->path)) {
		cache_note(&q->set->o, "narinfo '%s' describes '%s' instead of '%s'", what,
			   n.store_path, x->path);
		return 0;
	}
	if (q->again && x->found && !is_same(&n, &x->found->public.info))
		return 0;
	int rc = is_trusted(q, c, &n, &by_ca, e);
	return rc > 0 ? keep(q, x, c, &n, by_ca, e) : rc;
}

static void ask(struct query *q, struct cache_entry *x);

static void slot_clear(struct query *q, struct slot *s)
{
	http_cancel(&s->t);
	free(TAKE(s->url, NULL));
	free(TAKE(s->shown, NULL));
	buf_done(&s->body);
	s->entry = NULL;
	q->n_busy--;
}

/* Ask the next caches for all entries that wait for cache number CACHE, which has failed. */
static void leave_cache(struct query *q, size_t cache)
{
	for (size_t i = 0; i < CACHE_SLOTS && !err_is_set(&q->err); i++) {
		struct cache_entry *x = q->slots[i].entry;

		if (!x || x->cache != cache)
			continue;
		slot_clear(q, &q->slots[i]);
		ask(q, x);
	}
}

/* Note that X's cache failed to answer with WHY, which is cleared. STATUS 0: no answer at all. */
static void failed(struct query *q, const struct cache_entry *x, long status, struct err *why)
{
	struct cache *c = &q->set->caches[x->cache];

	if (status == 0 || ++c->failures >= CACHE_FAILURES_MAX) {
		cache_kill(q->set, c, why);
		return;
	}
	cache_note(&q->set->o, "%s", why->msg);
	if (!err_is_set(&q->set->trouble))
		q->set->trouble = *why;
	err_clear(why);
}

static void on_done(struct http_transfer *t, enum http_result r)
{
	struct slot *s = t->ctx;
	struct query *q = s->query;
	struct cache_entry *x = s->entry;
	size_t cache = x->cache;
	struct cache *c = &q->set->caches[cache];
	int rc = 0;

	/* The query has ended already; this answer came in the same step. */
	if (err_is_set(&q->err)) {
		slot_clear(q, s);
		return;
	}
	if (r == HTTP_OK)
		rc = accept(q, x, c, &s->body, s->shown, &q->err);
	else if (r == HTTP_FAILED)
		failed(q, x, t->status, &t->err);
	slot_clear(q, s);
	if (rc < 0)
		return;
	if (rc > 0) {
		(void)answered(q, x, &q->err);
		return;
	}
	x->cache++;
	ask(q, x);
	if (c->dead && r == HTTP_FAILED)
		leave_cache(q, cache);
}

static int on_data(struct http_transfer *t, const void *data, size_t n, struct err *e)
{
	struct slot *s = t->ctx;

	return buf_add(&s->body, data, n, e) < 0 ? -1 : 1;
}

/* ---- questions ---- */

static int ask_http(struct query *q, struct cache_entry *x, const struct cache *c, const char *name,
		    struct err *e)
{
	struct slot *s = q->slots;

	while (s->entry)
		s++;
	s->entry = x;
	s->query = q;
	s->body = (struct buf)BUF_INIT(NARINFO_MAX_BYTES);
	q->n_busy++;
	if (cache_name_urls(&c->url, name, &s->url, &s->shown, e) < 0) {
		slot_clear(q, s);
		return -1;
	}
	s->t = (struct http_transfer){
		.url = s->url,
		.what = s->shown,
		.max_bytes = NARINFO_MAX_BYTES,
		.is_short = true,
		.data = on_data,
		.done = on_done,
		.ctx = s,
	};
	if (http_start(q->set->http, &s->t, e) < 0) {
		slot_clear(q, s);
		return -1;
	}
	return 0;
}

static int ask_file(struct query *q, struct cache_entry *x, const struct cache *c, const char *name,
		    struct err *e)
{
	scoped_buf struct buf body = BUF_INIT(NARINFO_MAX_BYTES);
	scoped_free char *what = str_fmt(e, "%s/%s", c->url.shown, name);
	struct err why = ERR_INIT;

	if (!what)
		return -1;
	int rc = cache_file_read(c->dirfd, c->url.shown, name, &body, &why);
	if (rc < 0) {
		failed(q, x, 1, &why);
		return 0;
	}
	return rc ? accept(q, x, c, &body, what, e) : 0;
}

/* Ask cache number x->cache, or the next one that can be asked, for X. There is a free slot. */
static void ask(struct query *q, struct cache_entry *x)
{
	struct cache_set *s = q->set;
	char name[STORE_HASH_LEN + sizeof ".narinfo"];
	int rc;

	snprintf(name, sizeof name, "%s.narinfo", x->hash);
	for (; x->cache < s->n_caches; x->cache++) {
		const struct cache *c = &s->caches[x->cache];

		if (c->dead)
			continue;
		if (!c->url.is_file) {
			(void)ask_http(q, x, c, name, &q->err);
			return;
		}
		rc = ask_file(q, x, c, name, &q->err);
		if (rc < 0)
			return;
		if (rc > 0)
			break;
	}
	if (!x->found)
		x->state = ENTRY_MISSING;
	(void)answered(q, x, &q->err);
}

/* Ask for the next entry of the queue, unless its answer is known. */
static int next(struct query *q, struct err *e)
{
	struct cache_entry *x = q->queue[q->head++];

	if (!q->again && (x->state == ENTRY_FOUND || x->state == ENTRY_MISSING))
		return answered(q, x, e);
	x->state = x->found ? ENTRY_FOUND : ENTRY_ASKED;
	x->cache = q->again ? x->found->public.cache + 1 : 0;
	ask(q, x);
	return 0;
}

static int run(struct query *q, struct err *e)
{
	struct cache_set *s = q->set;

	for (;;) {
		while (q->head < q->n && q->n_busy < CACHE_SLOTS && !err_is_set(&q->err)) {
			s->progress.infos = q->n;
			if (next(q, e) < 0 || cache_tell(s, false, e) < 0)
				return -1;
		}
		if (err_is_set(&q->err)) {
			*e = q->err;
			return -1;
		}
		if (!q->n_busy && q->head == q->n)
			return cache_tell(s, true, e);
		if (q->n_busy &&
		    (http_step(s->http, CACHE_WAIT_MS, e) < 0 || cache_tell(s, false, e) < 0))
			return -1;
	}
}

static int finish(struct query *q, int rc)
{
	for (size_t i = 0; q->slots && i < CACHE_SLOTS; i++)
		if (q->slots[i].entry)
			slot_clear(q, &q->slots[i]);
	/* An entry without an answer is asked for anew by a later query. */
	for (size_t i = 0; i < q->n; i++)
		if (q->queue[i]->state == ENTRY_ASKED)
			q->queue[i]->state = ENTRY_NEW;
	free(q->slots);
	free(q->queue);
	return rc;
}

static int begin(struct query *q, struct err *e)
{
	q->set->queries++;
	q->set->progress.infos = q->set->progress.infos_done = 0;
	q->slots = mem_new(CACHE_SLOTS, sizeof *q->slots, e);
	return q->slots ? 0 : -1;
}

int cache_query(struct cache_set *s, const char *const *paths, size_t n, unsigned flags,
		struct err *e)
{
	struct query q = {.set = s, .flags = flags, .err = ERR_INIT};
	const char *base;
	int rc = begin(&q, e);

	for (size_t i = 0; rc == 0 && i < n; i++)
		if (storepath_check(paths[i], s->o.store_dir, &base, e) < 0 ||
		    want(&q, base, e) < 0)
			rc = -1;
	return finish(&q, rc == 0 ? run(&q, e) : rc);
}

int cache_query_again(struct cache_set *s, struct cache_entry **entries, size_t n, struct err *e)
{
	struct query q = {.set = s, .again = true, .err = ERR_INIT};
	int rc = begin(&q, e);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = want_entry(&q, entries[i], e);
	return finish(&q, rc == 0 ? run(&q, e) : rc);
}

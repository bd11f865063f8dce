/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/cache/cache.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/cache/cache_internal.h"

#include "nar/base/banned.h"

const char *cache_trouble(const struct cache_set *s)
{
	return err_is_set(&s->trouble) ? s->trouble.msg : NULL;
}

/* The transfer of one cache's nix-cache-info. */
struct opening {
	struct http_transfer t;
	struct cache *cache;
	struct buf body;
	char *url, *shown;
	enum http_result result;
	size_t *running; /* how many transfers of the set still run */
};

static int on_info_data(struct http_transfer *t, const void *data, size_t n, struct err *e)
{
	struct opening *o = t->ctx;

	return buf_add(&o->body, data, n, e) < 0 ? -1 : 1;
}

static void on_info_done(struct http_transfer *t, enum http_result r)
{
	struct opening *o = t->ctx;

	o->result = r;
	--*o->running;
}

static int begin_info(struct cache_set *s, struct cache *c, struct opening *o, struct err *e)
{
	o->cache = c;
	o->result = HTTP_FAILED;
	o->body = (struct buf)BUF_INIT(CACHEINFO_MAX_BYTES);
	if (c->url.is_file) {
		c->dirfd = open(c->url.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (c->dirfd < 0)
			return err_sys(e, "opening binary cache '%s'", c->url.shown);
		int rc = cache_file_read(c->dirfd, c->url.shown, "nix-cache-info", &o->body, e);
		if (rc < 0)
			return -1;
		o->result = rc ? HTTP_OK : HTTP_MISSING;
		return 0;
	}
	if (cache_name_urls(&c->url, "nix-cache-info", &o->url, &o->shown, e) < 0)
		return -1;
	o->t = (struct http_transfer){
		.url = o->url,
		.what = o->shown,
		.max_bytes = CACHEINFO_MAX_BYTES,
		.is_short = true,
		.data = on_info_data,
		.done = on_info_done,
		.ctx = o,
	};
	if (http_start(s->http, &o->t, e) < 0)
		return -1;
	++*o->running;
	return 0;
}

static int end_info(struct cache_set *s, struct opening *o, struct err *e)
{
	struct cache *c = o->cache;

	if (o->result == HTTP_MISSING)
		return err_set(e, ERR_INPUT, "'%s' does not appear to be a binary cache",
			       c->url.shown);
	if (o->result == HTTP_FAILED) {
		*e = o->t.err;
		return -1;
	}
	if (cacheinfo_parse(o->body.data, o->body.len, &c->info, e) < 0)
		return err_wrap(e, "binary cache '%s'", c->url.shown);
	if (cacheinfo_check(&c->info, c->url.shown, s->o.store_dir, e) < 0)
		return -1;
	if (!cache_url_param(&c->url, "priority"))
		c->priority = c->info.priority;
	return 0;
}

static void opening_done(struct opening *o)
{
	http_cancel(&o->t);
	buf_done(&o->body);
	free(o->url);
	free(o->shown);
}

static int read_infos(struct cache_set *s, struct opening *openings, struct err *e)
{
	struct err why = ERR_INIT;
	size_t running = 0;

	for (size_t i = 0; i < s->n_caches; i++) {
		openings[i].running = &running;
		if (begin_info(s, &s->caches[i], &openings[i], &why) < 0)
			cache_kill(s, &s->caches[i], &why);
	}
	while (running)
		if (http_step(s->http, CACHE_WAIT_MS, e) < 0 || cache_tell(s, true, e) < 0)
			return -1;
	for (size_t i = 0; i < s->n_caches; i++)
		if (!s->caches[i].dead && end_info(s, &openings[i], &why) < 0)
			cache_kill(s, &s->caches[i], &why);
	return 0;
}

/* Sort the caches by priority, stably: caches of equal priority keep their order. */
static void sort_caches(struct cache_set *s)
{
	for (size_t i = 1; i < s->n_caches; i++) {
		struct cache c = s->caches[i];
		size_t k = i;

		for (; k > 0 && s->caches[k - 1].priority > c.priority; k--)
			s->caches[k] = s->caches[k - 1];
		s->caches[k] = c;
	}
}

static int init_cache(struct cache *c, const char *url, struct err *e)
{
	const char *text;
	uint64_t n;

	c->dirfd = -1;
	c->priority = CACHEINFO_PRIORITY;
	if (cache_url_parse(url, &c->url, e) < 0)
		return -1;
	text = cache_url_param(&c->url, "priority");
	if (text && !num_parse_u64(text, strlen(text), 1000000, &n))
		return err_set(e, ERR_INPUT,
			       "binary cache '%s': priority is '%s' instead of a number of at most "
			       "1000000",
			       c->url.shown, text);
	if (text)
		c->priority = (unsigned)n;
	text = cache_url_param(&c->url, "trusted");
	c->trusted = text && (str_eq(text, "1") || str_eq(text, "true"));
	return 0;
}

static int init_set(struct cache_set *s, const char *const *urls, size_t n, struct err *e)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, ERR_SYSTEM, "libcurl cannot be initialised");
	s->global = true;
	s->http = cache_http_new(&s->o, e);
	if (s->http)
		s->caches = mem_new(n, sizeof *s->caches, e);
	if (!s->caches)
		return -1;
	for (s->n_caches = 0; s->n_caches < n;) {
		struct cache *c = &s->caches[s->n_caches++];

		if (init_cache(c, urls[s->n_caches - 1], e) < 0)
			return -1;
	}
	return 0;
}

struct cache_set *cache_set_open(const char *const *urls, size_t n, const struct cache_options *o,
				 struct err *e)
{
	scoped_cache_set struct cache_set *s = mem_new(1, sizeof *s, e);
	struct opening *openings;
	bool usable = false;

	if (!s)
		return NULL;
	s->o = *o;
	cache_options_fill(&s->o);
	if (n == 0)
		err_set(e, ERR_INPUT, "no binary cache is given");
	if (n == 0 || init_set(s, urls, n, e) < 0)
		return NULL;
	openings = mem_new(n, sizeof *openings, e);
	if (!openings)
		return NULL;
	int rc = read_infos(s, openings, e);
	for (size_t i = 0; i < n; i++)
		opening_done(&openings[i]);
	free(openings);
	if (rc < 0)
		return NULL;
	for (size_t i = 0; i < n; i++)
		usable |= !s->caches[i].dead;
	if (!usable) {
		*e = s->trouble;
		return NULL;
	}
	sort_caches(s);
	return TAKE(s, NULL);
}

void cache_set_free(struct cache_set *s)
{
	if (!s)
		return;
	int saved = errno;
	http_free(s->http);
	cache_entries_free(s);
	for (size_t i = 0; i < s->n_caches; i++) {
		cache_url_done(&s->caches[i].url);
		cacheinfo_done(&s->caches[i].info);
		if (s->caches[i].dirfd >= 0)
			close(s->caches[i].dirfd);
	}
	if (s->global)
		curl_global_cleanup();
	free(s->caches);
	free(s);
	errno = saved;
}

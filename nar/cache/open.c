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

#define TELL_EVERY_MS 100

void cache_options_fill(struct cache_options *o)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (!o->store_dir)
		o->store_dir = STORE_DIR_DEFAULT;
	if (!o->user_agent)
		o->user_agent = "nix-oci-hook";
	if (!o->connect_timeout_ms)
		o->connect_timeout_ms = 15000;
	if (!o->stall_timeout_ms)
		o->stall_timeout_ms = 60000;
	if (!o->attempts)
		o->attempts = 5;
	if (!o->retry_ms)
		o->retry_ms = 250;
	if (!o->connections)
		o->connections = 24;
	if (!o->paths_max)
		o->paths_max = 1u << 20;
	if (!o->nars)
		o->nars = cpus < 2 ? 4 : cpus > 8 ? 16 : (unsigned)cpus * 2;
}

struct http *cache_http_new(const struct cache_options *o, struct err *e)
{
	const struct http_options h = {
		.user_agent = o->user_agent,
		.netrc_file = o->netrc_file,
		.ca_file = o->ca_file,
		.connect_timeout_ms = o->connect_timeout_ms,
		.stall_timeout_ms = o->stall_timeout_ms,
		.attempts = o->attempts,
		.retry_ms = o->retry_ms,
		.connections = o->connections,
		.no_http2 = o->no_http2,
		.note = o->note,
		.ctx = o->ctx,
	};

	return http_new(&h, e);
}

void cache_note(const struct cache_options *o, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	if (!o->note)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	o->note(o->ctx, text);
}

void cache_kill(struct cache_set *s, struct cache *c, struct err *why)
{
	if (!c->dead) {
		c->dead = true;
		cache_note(&s->o, "%s; binary cache '%s' is not used", why->msg, c->url.shown);
	}
	if (!err_is_set(&s->trouble))
		s->trouble = *why;
	err_clear(why);
}

const char *cache_trouble(const struct cache_set *s)
{
	return err_is_set(&s->trouble) ? s->trouble.msg : NULL;
}

int cache_tell(struct cache_set *s, bool now, struct err *e)
{
	uint64_t t = (uint64_t)clock_now_ms();

	if (!s->o.progress || (!now && t - s->told_at_ms < TELL_EVERY_MS))
		return 0;
	s->told_at_ms = t;
	if (s->o.progress(s->o.ctx, &s->progress) != 0)
		return err_set(e, ERR_STOPPED, "stopped");
	return 0;
}

int cache_name_urls(const struct cache_url *u, const char *name, char **ret_url, char **ret_shown,
		    struct err *e)
{
	bool absolute = cache_url_is_absolute(name);
	scoped_free char *url = absolute ? str_dup(name, e) : str_fmt(e, "%s/%s", u->base, name);

	if (!url)
		return -1;
	char *shown = absolute ? str_dup(name, e) : str_fmt(e, "%s/%s", u->shown, name);
	if (!shown)
		return -1;
	*ret_url = TAKE(url, NULL);
	*ret_shown = shown;
	return 0;
}

/* ---- file: ---- */

int cache_file_open(int dirfd, const char *shown, const char *name, int *ret_fd, struct err *e)
{
	struct stat st;

	if (cache_url_check_name(name, e) < 0)
		return -1;
	/* Links are followed: the directory is its owner's, who may keep its NARs elsewhere. */
	scoped_fd int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "opening '%s/%s'", shown, name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "'%s/%s' is not a file", shown, name);
	*ret_fd = TAKE(fd, -1);
	return 1;
}

int cache_file_read(int dirfd, const char *shown, const char *name, struct buf *b, struct err *e)
{
	scoped_fd int fd = -1;
	int rc = cache_file_open(dirfd, shown, name, &fd, e);

	if (rc <= 0)
		return rc;
	return buf_read_fd(b, fd, name, e) < 0 ? -1 : 1;
}

/* ---- opening ---- */

/* nix-cache-info of one cache, while it comes. */
struct opening {
	struct http_transfer t;
	struct cache *cache;
	struct buf body;
	char *url, *shown;
	enum http_result result;
	size_t *running;
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

/* Also where caches of the same priority stay in their order. */
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
		return err_set(e, ERR_INPUT, "binary cache '%s' has a bad priority: '%s'",
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One cache, asked for one file.
 */
#include "nar/cache/cache_internal.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

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

int cache_file_open(int dirfd, const char *shown, const char *name, int *ret_fd, struct err *e)
{
	struct stat st;

	if (cache_url_check_name(name, e) < 0)
		return -1;
	/* Follow links: the directory is trusted, and its owner may keep the NARs elsewhere. */
	scoped_fd int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "opening '%s/%s'", shown, name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "'%s/%s' is not a regular file", shown, name);
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

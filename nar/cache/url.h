/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/url.h: parse the URL of a binary cache: `file:///dir?x=y`, `http://..`, `https://..`.
 */
#ifndef NAR_CACHE_URL_H
#define NAR_CACHE_URL_H

#include "nar/base/buf.h"
#include "nar/base/err.h"

struct cache_url {
	bool is_file;
	char *dir;   /* is_file: the directory, absolute, decoded */
	char *base;  /* without parameters and without '/' at the end; may contain a password */
	char *shown; /* `base` without user and password, for messages */
	/* Parameters, decoded: name, value, name, value. */
	struct strv params;
};

/* Parse TEXT. Refuses other schemes, a host in a file: URL, a fragment, and bad escapes. */
int cache_url_parse(const char *text, struct cache_url *ret, struct err *e) MUST_CHECK;
/* Return the last value of the parameter NAME; NULL: there is none. */
const char *cache_url_param(const struct cache_url *u, const char *name);
void cache_url_done(struct cache_url *u);
#define scoped_cache_url __attribute__((cleanup(cache_url_done), unused))

/*
 * Tell whether NAME, the URL of a NAR in a narinfo, is absolute. Else it is relative to the cache.
 */
bool cache_url_is_absolute(const char *name);
/* Refuse a relative NAME that may lead out of its cache: one with an empty part, "." or "..". */
int cache_url_check_name(const char *name, struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/url.h: the URL of a binary cache: `file:///dir?x=y`, `http://..`, `https://..`.
 */
#ifndef NAR_CACHE_URL_H
#define NAR_CACHE_URL_H

#include "nar/base/buf.h"
#include "nar/base/err.h"

struct cache_url {
	bool is_file;
	char *dir;   /* is_file: the directory, absolute, decoded */
	char *base;  /* without parameters and without '/' at the end; may hold a password */
	char *shown; /* the same without user and password, for messages */
	/* Parameters, decoded: name, value, name, value. */
	struct strv params;
};

/* Anything else is refused: other schemes, a host in a file: URL, a fragment, bad escapes. */
int cache_url_parse(const char *text, struct cache_url *ret, struct err *e) MUST_CHECK;
/* The last value of a parameter; NULL: it has none. */
const char *cache_url_param(const struct cache_url *u, const char *name);
void cache_url_done(struct cache_url *u);
#define scoped_cache_url __attribute__((cleanup(cache_url_done), unused))

/* Is NAME, as a narinfo has it for its NAR, an URL of its own? */
bool cache_url_is_absolute(const char *name);
/*
 * Refuse a NAME relative to a cache that leads out of it: empty, absolute, or with an empty part,
 * "." or "..".
 */
int cache_url_check_name(const char *name, struct err *e) MUST_CHECK;

#endif

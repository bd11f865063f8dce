/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NAR_CACHE_CACHE_INTERNAL_H
#define NAR_CACHE_CACHE_INTERNAL_H

#include "nar/cache/cache.h"
#include "nar/cache/url.h"
#include "nar/cacheinfo.h"
#include "nar/http/http.h"
#include "nar/storepath.h"

/* Narinfos that are asked for at the same time. */
#define CACHE_SLOTS 128
/* So many narinfos that a cache could not be asked for, and it is asked no more. */
#define CACHE_FAILURES_MAX 8
#define CACHE_WAIT_MS 1000

struct cache {
	struct cache_url url;
	struct cacheinfo info;
	int dirfd; /* of a file: cache, or -1 */
	unsigned priority;
	bool trusted;
	bool dead; /* asked no more */
	unsigned failures;
};

/* What one cache says of a path; others may say it too. */
struct cache_found {
	struct cache_info public;
	struct cache_found *older;
};

/* A path that was asked for. */
struct cache_entry {
	char hash[STORE_HASH_LEN + 1];
	char *path; /* full */
	enum { ENTRY_NEW, ENTRY_ASKED, ENTRY_FOUND, ENTRY_MISSING } state;
	unsigned query;            /* the last one that it was a part of */
	size_t index;              /* in the set's entries */
	size_t cache;              /* the one that is being asked */
	struct cache_found *found; /* the newest answer first */
	struct cache_entry *next;  /* in its bucket */
};

struct cache_set {
	struct cache_options o; /* defaults filled in */
	struct cache *caches;   /* by priority */
	size_t n_caches;
	struct http *http;
	struct cache_entry **entries; /* in the order in which they were asked for */
	size_t n_entries, cap_entries;
	struct cache_entry **buckets;
	size_t n_buckets; /* a power of two */
	unsigned queries;
	bool global;        /* libcurl's own state is initialised */
	struct err trouble; /* the first failure of a cache */
	struct cache_progress progress;
	uint64_t told_at_ms;
};

/* ---- nar/cache/access.c ---- */

/* Fill in defaults. */
void cache_options_fill(struct cache_options *o);
struct http *cache_http_new(const struct cache_options *o, struct err *e) MUST_CHECK;
/* Tell of something that was got over. */
void cache_note(const struct cache_options *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Cache C failed for good with WHY, which is cleared. */
void cache_kill(struct cache_set *s, struct cache *c, struct err *why);
/* Call progress(), if it is time. -1: *E is ERR_STOPPED. */
int cache_tell(struct cache_set *s, bool now, struct err *e) MUST_CHECK;
/* The URL of file NAME of a cache: base and name. With the one for messages. */
int cache_name_urls(const struct cache_url *u, const char *name, char **ret_url, char **ret_shown,
		    struct err *e) MUST_CHECK;
/* Open file NAME of the file: cache at DIRFD, shown as BASE: 1, 0: it is not there, -1: *E. */
int cache_file_open(int dirfd, const char *shown, const char *name, int *ret_fd,
		    struct err *e) MUST_CHECK;
/* Read it whole, up to B's maximum. */
int cache_file_read(int dirfd, const char *shown, const char *name, struct buf *b,
		    struct err *e) MUST_CHECK;

/* ---- nar/cache/query.c ---- */

void cache_entries_free(struct cache_set *s);
struct cache_entry *cache_entry_of(const struct cache_set *s, const char *path);
/*
 * Of each of the N entries ask the caches after its newest answer's for the same NAR. What is found
 * becomes the newest answer.
 */
int cache_query_again(struct cache_set *s, struct cache_entry **entries, size_t n,
		      struct err *e) MUST_CHECK;

#endif

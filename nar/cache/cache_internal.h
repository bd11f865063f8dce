/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/cache_internal.h: the structures of a set of caches, and what its files share.
 *
 *	access.c	one cache, asked for one file
 *	query.c		narinfos
 *	fetch.c		NARs
 *	closure.c	closures
 *	open.c		open and free a set
 *	dest.c		a cache that is written to (dest.h)
 */
#ifndef NAR_CACHE_CACHE_INTERNAL_H
#define NAR_CACHE_CACHE_INTERNAL_H

#include "nar/cache/cache.h"
#include "nar/cache/url.h"
#include "nar/cacheinfo.h"
#include "nar/http/http.h"
#include "nar/storepath.h"

/* How many narinfos are asked for at the same time. */
#define CACHE_SLOTS 128
/* After this many narinfos that a cache failed to answer, it is not asked any more. */
#define CACHE_FAILURES_MAX 8
#define CACHE_WAIT_MS 1000

struct cache {
	struct cache_url url;
	struct cacheinfo info;
	int dirfd; /* of a file: cache, or -1 */
	unsigned priority;
	bool trusted;
	bool dead;         /* it is not asked any more */
	unsigned failures; /* see CACHE_FAILURES_MAX */
};

/* The narinfo of a path in one cache. */
struct cache_found {
	struct cache_info public;
	struct cache_found *older; /* of the cache that was asked before */
};

/* A path that was asked for. */
struct cache_entry {
	char hash[STORE_HASH_LEN + 1];
	char *path; /* full */
	enum { ENTRY_NEW, ENTRY_ASKED, ENTRY_FOUND, ENTRY_MISSING } state;
	unsigned query;            /* number of the last query that contained it */
	size_t index;              /* in the set's entries */
	size_t cache;              /* number of the cache that is being asked */
	struct cache_found *found; /* list, the newest answer first */
	struct cache_entry *next;  /* in its bucket */
};

struct cache_set {
	struct cache_options o; /* with defaults filled in */
	struct cache *caches;   /* sorted by priority */
	size_t n_caches;
	struct http *http;
	struct cache_entry **entries; /* in the order in which they were asked for */
	size_t n_entries, cap_entries;
	struct cache_entry **buckets; /* hash table of the entries, by hash part */
	size_t n_buckets;             /* a power of two */
	unsigned queries;             /* number of the current query */
	bool global;                  /* libcurl's global state is initialised */
	struct err trouble;           /* the first failure of a cache */
	struct cache_progress progress;
	uint64_t told_at_ms; /* when progress() was last called */
};

/* ---- nar/cache/access.c ---- */

/* Fill in defaults. */
void cache_options_fill(struct cache_options *o);
/* Make the pool of connections with these options. NULL: *E. */
struct http *cache_http_new(const struct cache_options *o, struct err *e) MUST_CHECK;
/* Call note() with a failure after which the caller goes on. */
void cache_note(const struct cache_options *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Stop asking cache C, because of the failure WHY, which is cleared. */
void cache_kill(struct cache_set *s, struct cache *c, struct err *why);
/* Call progress(), if NOW or if it is time. -1: *E is ERR_STOPPED. */
int cache_tell(struct cache_set *s, bool now, struct err *e) MUST_CHECK;
/*
 * Make the URL of file NAME of a cache, as heap strings: *RET_URL to be used, *RET_SHOWN without a
 * password for messages. NAME may be a URL itself.
 */
int cache_name_urls(const struct cache_url *u, const char *name, char **ret_url, char **ret_shown,
		    struct err *e) MUST_CHECK;
/*
 * Open file NAME of the file: cache in directory DIRFD. SHOWN is the cache's URL for messages.
 * Returns 1: *RET_FD is the file; 0: there is none; -1: *E.
 */
int cache_file_open(int dirfd, const char *shown, const char *name, int *ret_fd,
		    struct err *e) MUST_CHECK;
/* Append the contents of such a file to B, up to B's maximum. Returns like cache_file_open(). */
int cache_file_read(int dirfd, const char *shown, const char *name, struct buf *b,
		    struct err *e) MUST_CHECK;

/* ---- nar/cache/query.c ---- */

void cache_entries_free(struct cache_set *s);
/* Find the entry of PATH, a full path. NULL: PATH was never asked for. */
struct cache_entry *cache_entry_of(const struct cache_set *s, const char *path);
/*
 * Ask for each of the N entries the caches after the one of its newest answer. A narinfo of the
 * same NAR becomes the newest answer.
 */
int cache_query_again(struct cache_set *s, struct cache_entry **entries, size_t n,
		      struct err *e) MUST_CHECK;

#endif

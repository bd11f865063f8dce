/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/cache.h: get store paths from a set of binary caches, and put files into one.
 *
 *	set = cache_set_open(urls, n, &options, e);
 *	cache_query(set, paths, n, CACHE_CLOSURE, e);     narinfos, all at once
 *	info = cache_find(set, path)                      ... what was found
 *	items[i] = (struct cache_item){.info = info, .consume = restore};
 *	cache_fetch(set, items, n, e);                    NARs, some at a time
 *
 * URLs are `file:///dir`, `http://..` and `https://..`, with Nix's `?priority=N` and `?trusted=1`;
 * other parameters are kept for the caller (cache_dest_param). Caches are asked in the order of
 * their priorities, those of the same one as they were given. An answer, also a negative one, holds
 * as long as the set.
 *
 * One pool of connections for all, HTTP/2 where a server has it. What may pass (a cut connection,
 * a timeout, 408, 429, 5xx) is tried again after a while that doubles each time; a NAR goes on from
 * where it broke off, and so does its consumer, who does not notice. 403, 404 and 410 mean that a
 * cache does not have it. Redirects lead to http and https only, from https to https only, and at
 * most ten times. A cache that cannot be used (unreachable, of another store directory, without
 * nix-cache-info) is noted and passed over: who finds a path nowhere should show cache_trouble(),
 * too.
 *
 * A set belongs to one thread, which drives all transfers in cache_query() and cache_fetch();
 * consumers run in threads of the library's, which have ended when cache_fetch() returns. Memory
 * does not depend on the sizes of NARs: at most 1 MiB a NAR that is being fetched, beside what
 * libcurl and the decompressors take. No global state but libcurl's own.
 */
#ifndef NAR_CACHE_CACHE_H
#define NAR_CACHE_CACHE_H

#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/base/sink.h"
#include "nar/ed25519.h"
#include "nar/narinfo.h"

struct cache_item;

struct cache_progress {
	size_t infos, infos_done; /* narinfos of the query that runs: known of, answered */
	size_t nars, nars_done;   /* of the fetch that runs */
	/* Compressed; of a NAR whose FileSize is not known its NarSize counts. */
	uint64_t bytes, bytes_done;
	const struct cache_item *const *active; /* those that are being fetched, n_active of them */
	size_t n_active;
};

/*
 * All strings and keys stay the caller's, and have to live as long as the set. 0, NULL: defaults.
 */
struct cache_options {
	const char *store_dir; /* STORE_DIR_DEFAULT */
	/*
	 * Paths that are not signed by one of TRUSTED are taken only if ANY_SIGNATURE, or if their
	 * cache is ?trusted=1, or if they are content-addressed (then that hash is checked too).
	 */
	const struct ed25519_keys *trusted;
	bool any_signature;
	const char *netrc_file;
	const char *ca_file;         /* certificates in PEM; libcurl's own */
	const char *user_agent;      /* "nix-oci-hook" */
	unsigned connect_timeout_ms; /* 15,000 */
	unsigned stall_timeout_ms;   /* 60,000: without a byte */
	unsigned attempts;           /* 5, of which the last counts; begins anew after each MiB */
	unsigned retry_ms;           /* 250: before the second attempt */
	unsigned connections;        /* 24: at most, a server */
	unsigned nars;               /* fetched at once; by the number of processors, 4 to 16 */
	unsigned paths_max;          /* 1,048,576: asked for, as what strangers refer to is, too */
	bool no_http2;
	bool no_sync; /* a file: cache that is written need not outlast a power cut */
	/*
	 * Both are called in the caller's thread. PROGRESS: when something changed, at most each
	 * 100 ms, and each second where nothing does; not 0: stop, with ERR_STOPPED. NOTE: what
	 * went wrong and was got over, a line for a person.
	 */
	int (*progress)(void *ctx, const struct cache_progress *p);
	void (*note)(void *ctx, const char *text);
	void *ctx;
};

struct cache_set;

/*
 * Open caches and read their nix-cache-info, all at once. At least one has to be usable. NULL: *E.
 */
struct cache_set *cache_set_open(const char *const *urls, size_t n, const struct cache_options *o,
				 struct err *e) MUST_CHECK;
void cache_set_free(struct cache_set *s); /* NULL is fine */

static inline void scope_cache_set(struct cache_set **s)
{
	cache_set_free(*s);
}
#define scoped_cache_set __attribute__((cleanup(scope_cache_set), unused))

/* ---- narinfos ---- */

struct cache_info {
	struct narinfo info; /* trusted, and of the path that was asked for */
	const char *from;    /* the cache's URL, without a password */
	size_t cache;        /* the set's own number of it */
	bool by_ca;          /* trusted for the hash of its contents only */
};

enum cache_query_flags {
	CACHE_CLOSURE = 1 << 0,     /* also ask for all that is referenced */
	CACHE_DERIVATIONS = 1 << 1, /* ... or of that for what is called *.drv */
};

/*
 * Ask for the narinfos of N store paths (full ones), as many as can be at a time. A path that no
 * cache has is no error: cache_find() knows.
 */
int cache_query(struct cache_set *s, const char *const *paths, size_t n, unsigned flags,
		struct err *e) MUST_CHECK;
/* What is known of PATH; valid as long as the set. NULL: nobody has it, or it was not asked for. */
const struct cache_info *cache_find(const struct cache_set *s, const char *path);
/* Why a cache could not be asked, the first time; NULL: all have answered. */
const char *cache_trouble(const struct cache_set *s);
/*
 * Append the closure of PATHS, which was asked for before, to RET: each path once, what a path
 * refers to before itself; and what of it nobody has to RET_MISSING (full paths; may be NULL).
 */
int cache_closure(const struct cache_set *s, const char *const *paths, size_t n, struct strv *ret,
		  struct strv *ret_missing, struct err *e) MUST_CHECK;

/* ---- NARs ---- */

struct cache_item {
	const struct cache_info *info; /* that of another cache afterwards, where one was needed */
	/*
	 * Read NAR to its end, in a thread that is not the caller's; nothing else of this set may
	 * be called there. NAR is decompressed, and ends (read gives 0) only when NarHash, NarSize,
	 * FileHash and FileSize were right and, where that is what it is trusted by, the hash of
	 * its contents: what was made of it before is void if any read fails, so nar_restore(),
	 * which reads to the end, leaves nothing of a wrong NAR. Nothing is asked for before the
	 * first read; who has no need of the NAR any more returns 0 without any.
	 *
	 * Called again from the beginning where another cache has the same NAR and this one failed.
	 */
	int (*consume)(struct cache_item *item, const struct nar_source *nar, struct err *e);
	void *ctx;

	/* For the caller to read: in consume(), progress() and afterwards. */
	bool done;           /* consume() returned 0 */
	uint64_t file_bytes; /* of the (compressed) file that have come */
};

/*
 * Fetch N NARs, the largest first, and have them consumed. The first failure that cannot be got
 * over ends the others; those that were done before are.
 */
int cache_fetch(struct cache_set *s, struct cache_item *items, size_t n, struct err *e) MUST_CHECK;

#endif

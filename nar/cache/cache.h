/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/cache.h: get store paths from a set of binary caches. dest.h writes to a cache.
 *
 *	set = cache_set_open(urls, n, &options, e);
 *	cache_query(set, paths, n, CACHE_CLOSURE, e);     narinfos, all at once
 *	info = cache_find(set, path)                      one narinfo
 *	items[i] = (struct cache_item){.info = info, .consume = restore};
 *	cache_fetch(set, items, n, e);                    NARs, some at a time
 *
 * URLs are `file:///dir`, `http://..` and `https://..`, with Nix's `?priority=N` and `?trusted=1`.
 * Other parameters are left to the caller (cache_dest_param). Caches are asked in the order of
 * their priorities, those of equal priority in the given order. The set keeps every answer, also a
 * negative one.
 *
 * All caches share one pool of connections, with HTTP/2 if the server supports it. Transfers are
 * tried again as in nar/http/http.h; a NAR goes on where it broke off, and its consumer does not
 * notice. 403, 404 and 410 mean that a cache does not have the file. A cache that cannot be used
 * (unreachable, of another store directory, without nix-cache-info) is noted and not asked any
 * more. So a caller that finds a path in no cache should also show cache_trouble().
 *
 * A set belongs to one thread, which drives all transfers in cache_query() and cache_fetch().
 * Consumers run in threads of cache_fetch(), which have ended when it returns. Memory does not
 * depend on the sizes of NARs: at most 1 MiB for each NAR that is being fetched, in addition to
 * libcurl's memory and the decompressors'. No global state except libcurl's.
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
	size_t infos, infos_done; /* narinfos of the current query: to ask for so far, answered */
	size_t nars, nars_done;   /* of the current fetch */
	/* Of the compressed files of the NARs; a NAR without FileSize counts by its NarSize. */
	uint64_t bytes, bytes_done;
	const struct cache_item *const *active; /* the n_active items that are being fetched */
	size_t n_active;
};

/*
 * All strings and keys stay the caller's, and must live as long as the set. A member that is 0 or
 * NULL has the default that its comment gives.
 */
struct cache_options {
	const char *store_dir; /* default STORE_DIR_DEFAULT */
	/*
	 * A path is accepted if one of the keys `trusted` signed it, if any_signature is set, if
	 * its cache has ?trusted=1, or if it is content-addressed; then the hash of its contents is
	 * checked as well.
	 */
	const struct ed25519_keys *trusted;
	bool any_signature;
	const char *netrc_file;
	const char *ca_file;         /* certificates in PEM; default libcurl's */
	const char *user_agent;      /* default "nix-oci-hook" */
	unsigned connect_timeout_ms; /* default 15,000 */
	unsigned stall_timeout_ms;   /* default 60,000: time without a byte */
	unsigned attempts;           /* default 5, counted anew after each MiB */
	unsigned retry_ms;           /* default 250: before the second attempt */
	unsigned connections;        /* default 24: at most, to each server */
	unsigned nars;               /* fetched at once; default 4 to 16, two for each processor */
	/* default 1,048,576: paths to ask for, including references that narinfos name */
	unsigned paths_max;
	bool no_http2;
	bool no_sync; /* files written to a file: cache need not survive a power cut */
	/*
	 * Called in the caller's thread after changes, at most each 100 ms, and each second without
	 * changes. May be NULL.
	 * Returns 0: go on; else: stop with ERR_STOPPED.
	 */
	int (*progress)(void *ctx, const struct cache_progress *p);
	/*
	 * Show a person, in a line of text, a failure after which the set goes on. Called in the
	 * caller's thread. May be NULL.
	 */
	void (*note)(void *ctx, const char *text);
	void *ctx;
};

struct cache_set;

/* Open caches and read their nix-cache-info, all at once. NULL: *E, also if none can be used. */
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
	size_t cache;        /* the number that the set gives the cache */
	bool by_ca;          /* trusted only because it is content-addressed: check that hash */
};

enum cache_query_flags {
	CACHE_CLOSURE = 1 << 0,     /* also ask for all references, and their references */
	CACHE_DERIVATIONS = 1 << 1, /* as CACHE_CLOSURE, but only for references named *.drv */
};

/*
 * Ask for the narinfos of N full store paths, 128 of them at a time. A path that no cache
 * has is no error: cache_find() tells.
 */
int cache_query(struct cache_set *s, const char *const *paths, size_t n, unsigned flags,
		struct err *e) MUST_CHECK;
/*
 * Find the narinfo of PATH, which stays valid as long as the set.
 * Returns NULL if no cache has PATH, or it was not asked for.
 */
const struct cache_info *cache_find(const struct cache_set *s, const char *path);
/* Return why a cache could not be asked, for the first such failure; NULL: there was none. */
const char *cache_trouble(const struct cache_set *s);
/*
 * Append the closure of PATHS, which was queried before, to RET: each path once, and after the
 * paths that it refers to. Append the paths that no cache has to RET_MISSING, as full paths; it may
 * be NULL.
 */
int cache_closure(const struct cache_set *s, const char *const *paths, size_t n, struct strv *ret,
		  struct strv *ret_missing, struct err *e) MUST_CHECK;

/* ---- NARs ---- */

struct cache_item {
	const struct cache_info *info; /* replaced if the NAR came from another cache */
	/*
	 * Read NAR to its end. Called in a thread of cache_fetch(), in which no other function of
	 * this set may be called.
	 *
	 * NAR is decompressed. It ends (read gives 0) only if NarHash, NarSize, FileHash and
	 * FileSize were right, and with by_ca also the hash of the contents. If a read fails, all
	 * that was read before is void. So nar_restore(), which reads to the end, leaves nothing of
	 * a wrong NAR. The file is requested at the first read; a consumer that does not need the
	 * NAR any more returns 0 without reading.
	 *
	 * Called again from the beginning if the cache failed and another one has the same NAR.
	 */
	int (*consume)(struct cache_item *item, const struct nar_source *nar, struct err *e);
	void *ctx;

	/* For the caller to read in consume(), in progress() and after cache_fetch(). */
	bool done;           /* consume() returned 0 */
	uint64_t file_bytes; /* bytes of the (compressed) file that were received */
};

/*
 * Fetch N NARs, the largest first, and call consume() for each. The first failure for which no
 * other cache helps ends all fetches; items that were done before stay done.
 */
int cache_fetch(struct cache_set *s, struct cache_item *items, size_t n, struct err *e) MUST_CHECK;

#endif

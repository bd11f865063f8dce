/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/dest.h: a binary cache that is written to.
 */
#ifndef NAR_CACHE_DEST_H
#define NAR_CACHE_DEST_H

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/cache/cache.h"

struct cache_dest;

/*
 * Open a cache for writing: `file://` (the directory is made) or HTTP, by PUT. A nix-cache-info is
 * written where there is none, and where an upload of one was cut off. Of O, what concerns
 * signatures, caches and NARs does not count. NULL: *E.
 */
struct cache_dest *cache_dest_open(const char *url, const struct cache_options *o,
				   struct err *e) MUST_CHECK;
const char *cache_dest_url(const struct cache_dest *d); /* without a password and parameters */
/* The value of a parameter of its URL ("compression", "secret-key", ...), decoded; NULL: none. */
const char *cache_dest_param(const struct cache_dest *d, const char *name);

/* A file that should be in the cache, compared with what is there. */
enum cache_likeness {
	CACHE_NONE,    /* there is no such file */
	CACHE_DAMAGED, /* it has another size or hash: an upload was cut off, or a disk failed */
	CACHE_UNSAID,  /* it is there, and the server says neither its size nor its hash */
	CACHE_SAME,    /* its size is right, and so is its hash where the server says one */
};
/*
 * Compare file NAME, relative to the cache's URL, with its size and, where that is known, its
 * SHA-256 (else NULL). Of `file:` the contents are hashed; of HTTP the headers of an answer to
 * HEAD count. Returns an enum cache_likeness; -1: *E.
 */
int cache_dest_compare(struct cache_dest *d, const char *name, uint64_t size_bytes,
		       const struct hash *sha256, struct err *e) MUST_CHECK;
/* Read a small file, of at most B's maximum. Returns 1; 0: there is none of this name; -1: *E. */
int cache_dest_get(struct cache_dest *d, const char *name, struct buf *b, struct err *e) MUST_CHECK;
/* Make or replace a file: whole, or not at all. */
int cache_dest_put(struct cache_dest *d, const char *name, const void *data, size_t n,
		   struct err *e) MUST_CHECK;
/*
 * A power cut leaves no file of a file: cache cut, as contents are on the disk before they get
 * their name. After this call, files that have their name by now keep it, too: to be called before
 * a file that tells of others is put.
 */
int cache_dest_settle(struct cache_dest *d, struct err *e) MUST_CHECK;
void cache_dest_free(struct cache_dest *d); /* NULL is fine */

static inline void scope_cache_dest(struct cache_dest **d)
{
	cache_dest_free(*d);
}
#define scoped_cache_dest __attribute__((cleanup(scope_cache_dest), unused))

/*
 * The same for a large file, whose name may depend on its contents:
 *
 *	u = cache_upload_new(d, e);
 *	... write to cache_upload_fd(u) ...
 *	cache_upload_commit(u, name, e);
 *
 * It is written to the cache's own directory, or for HTTP to one in TMPDIR; where the file system
 * can do that, to a file without a name, of which nothing is left if this process is killed.
 */
struct cache_upload;

struct cache_upload *cache_upload_new(struct cache_dest *d, struct err *e) MUST_CHECK;
int cache_upload_fd(const struct cache_upload *u); /* stays the upload's */
int cache_upload_commit(struct cache_upload *u, const char *name, struct err *e) MUST_CHECK;
/* Removes what was not committed. NULL is fine. */
void cache_upload_free(struct cache_upload *u);

static inline void scope_cache_upload(struct cache_upload **u)
{
	cache_upload_free(*u);
}
#define scoped_cache_upload __attribute__((cleanup(scope_cache_upload), unused))

#endif

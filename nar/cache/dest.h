/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/dest.h: write to a binary cache.
 */
#ifndef NAR_CACHE_DEST_H
#define NAR_CACHE_DEST_H

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/cache/cache.h"

struct cache_dest;

/*
 * Open a cache for writing: `file://`, whose directory is created, or HTTP, by PUT. Writes
 * nix-cache-info if there is none, or if an upload of it was cut off. In O, trusted, any_signature,
 * nars and paths_max are not used. NULL: *E.
 */
struct cache_dest *cache_dest_open(const char *url, const struct cache_options *o,
				   struct err *e) MUST_CHECK;
const char *cache_dest_url(const struct cache_dest *d); /* without a password and parameters */
/* Return a parameter of the URL ("compression", "secret-key", ...), decoded; NULL: none. */
const char *cache_dest_param(const struct cache_dest *d, const char *name);

/* How the file in the cache compares with the file that should be there. */
enum cache_likeness {
	CACHE_NONE,    /* there is no such file */
	CACHE_DAMAGED, /* its size or hash is wrong: an upload was cut off, or a disk failed */
	CACHE_UNSAID,  /* it exists, but the server gives neither its size nor its hash */
	CACHE_SAME,    /* its size is right, and its hash is right or not known */
};
/*
 * Compare file NAME, relative to the cache's URL, with the size and the SHA-256 (or NULL) that it
 * should have. In a `file:` cache the contents are hashed; with HTTP the answer to HEAD is used.
 * Returns an enum cache_likeness; -1: *E.
 */
int cache_dest_compare(struct cache_dest *d, const char *name, uint64_t size_bytes,
		       const struct hash *sha256, struct err *e) MUST_CHECK;
/*
 * Append the contents of a small file, up to B's maximum, to B.
 * Returns 1; 0: there is no file of this name; -1: *E.
 */
int cache_dest_get(struct cache_dest *d, const char *name, struct buf *b, struct err *e) MUST_CHECK;
/* Create or replace a file: completely, or not at all. */
int cache_dest_put(struct cache_dest *d, const char *name, const void *data, size_t n,
		   struct err *e) MUST_CHECK;
/*
 * Write the names of all files that were put into a `file:` cache to the disk. The contents are
 * written before a file gets its name, so that no power cut leaves a cut file. Call this before
 * putting a file that refers to others, so that none of these is missing after a power cut.
 */
int cache_dest_settle(struct cache_dest *d, struct err *e) MUST_CHECK;
void cache_dest_free(struct cache_dest *d); /* NULL is fine */

static inline void scope_cache_dest(struct cache_dest **d)
{
	cache_dest_free(*d);
}
#define scoped_cache_dest __attribute__((cleanup(scope_cache_dest), unused))

/*
 * Put a large file, whose name may depend on its contents:
 *
 *	u = cache_upload_new(d, e);
 *	... write to cache_upload_fd(u) ...
 *	cache_upload_commit(u, name, e);
 *
 * The file is written to the cache's own directory, or for HTTP to TMPDIR. If the file system
 * supports it, the file has no name until it is committed. Nothing is left of it then if this
 * process is killed.
 */
struct cache_upload;

struct cache_upload *cache_upload_new(struct cache_dest *d, struct err *e) MUST_CHECK;
int cache_upload_fd(const struct cache_upload *u); /* the upload closes it */
int cache_upload_commit(struct cache_upload *u, const char *name, struct err *e) MUST_CHECK;
/* Free U, and remove its file if it was not committed. NULL is fine. */
void cache_upload_free(struct cache_upload *u);

static inline void scope_cache_upload(struct cache_upload **u)
{
	cache_upload_free(*u);
}
#define scoped_cache_upload __attribute__((cleanup(scope_cache_upload), unused))

#endif

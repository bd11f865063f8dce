/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/caches.h: binary caches as where the derivations and inputs of a build come from.
 *
 *	caches_source(&c)              for hook/nonix/graph.h
 *	c.read_ahead = true                 ... when all below a derivation will be wanted
 *	caches_learn(&c, paths, st, e)  a store without Nix learns what the caches say of paths
 *	caches_fetch(&c, paths, ic, e)  ... and these are unpacked into the cache of inputs
 */
#ifndef HOOK_NONIX_CACHES_H
#define HOOK_NONIX_CACHES_H

#include "hook/inputs/input_cache.h"
#include "hook/nonix/graph.h"
#include "hook/store/store.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/cache/cache.h"

/*
 * Reading ahead: what a derivation refers to stands in its narinfo. So those of all that lie below
 * are found one round trip a level, without their contents, and these come all at once. Some are
 * not needed (what fixed outputs are made from); one that cannot be had is no error before it is.
 */

/* All derivations of one build together, as they stand in files. */
#define BUILD_DRV_BYTES_MAX (UINT64_C(1) << 30)

struct caches {
	struct cache_set *set;
	const char *store_dir;
	uint64_t drv_bytes; /* read so far */
	bool announce;      /* say of each path that it is copied */
	bool incomplete;    /* of something that was found, something that it refers to was not */
	bool read_ahead;    /* with a derivation get all those below it */
	void *ahead;        /* tsearch(3) of those that were got, and not loaded yet */
};

/* What it has read ahead; the set is its owner's. */
void caches_done(struct caches *c);

struct build_source caches_source(struct caches *c);

/*
 * Append the closure of PATHS, which were asked for, to RET, sorted. What of it is in no cache is
 * ERR_INPUT.
 */
int caches_closure(const struct caches *c, const struct strv *paths, struct strv *ret,
		   struct err *e) MUST_CHECK;

/* What has to come for PATHS to be in the cache of inputs. */
struct build_fetch {
	struct strv paths;       /* those that are not there */
	uint64_t download_bytes; /* NarSize where FileSize is not told */
	uint64_t nar_bytes;
};
/* IC may be NULL: none of them is there. */
int caches_missing(const struct caches *c, const struct strv *paths, struct input_cache *ic,
		   struct build_fetch *ret, struct err *e) MUST_CHECK;
void build_fetch_done(struct build_fetch *f);
#define scoped_build_fetch __attribute__((cleanup(build_fetch_done), unused))

/* ST, a store without Nix, learns of PATHS; it may then tell their closures. */
int caches_learn(const struct caches *c, const struct strv *paths, struct store *st,
		 struct err *e) MUST_CHECK;
/* Unpack PATHS into IC, in which they are pinned. */
int caches_fetch(struct caches *c, const struct strv *paths, struct input_cache *ic,
		 struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/caches.h: binary caches as the source of a build's derivations and inputs.
 *
 *	caches_source(&c)               for hook/nonix/graph.h
 *	c.read_ahead = true             ... if all derivations below one will be needed
 *	caches_fetch(&c, paths, ic, e)  unpack paths into the cache of inputs
 *	caches_learn(&c, paths, st, e)  register paths in a store without Nix
 *
 * Reading ahead: a derivation's narinfo lists its input derivations as references. So the narinfos
 * of all derivations below it are found level by level, one round trip each, and then all contents
 * are fetched at once. Some are not needed, such as those from which fixed outputs are made. A
 * derivation that cannot be fetched ahead is an error only when it is needed.
 */
#ifndef HOOK_NONIX_CACHES_H
#define HOOK_NONIX_CACHES_H

#include "hook/inputs/input_cache.h"
#include "hook/nonix/graph.h"
#include "hook/store/store.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/cache/cache.h"

/* The sum of the sizes of all derivations' NARs in one build. */
#define BUILD_DRV_BYTES_MAX (UINT64_C(1) << 30)

struct caches {
	struct cache_set *set;
	const char *store_dir;
	uint64_t drv_bytes; /* bytes of derivations that were fetched so far */
	bool announce;      /* log each path that is copied */
	bool incomplete;    /* a path was found that refers to a path that no cache has */
	bool read_ahead;    /* fetch with a derivation all derivations below it */
	void *ahead;        /* tsearch(3) of struct ahead: derivations that were read ahead */
};

/* Free the derivations that were read ahead. The caller frees the set. */
void caches_done(struct caches *c);

/* Returns a source for a graph, which uses C. */
struct build_source caches_source(struct caches *c);

/*
 * Append the closure of PATHS to RET, sorted. PATHS have been queried (struct build_source). Paths
 * of the closure that no cache has are an error (ERR_INPUT), which names them.
 */
int caches_closure(const struct caches *c, const struct strv *paths, struct strv *ret,
		   struct err *e) MUST_CHECK;

/* Paths to fetch into the cache of inputs. */
struct build_fetch {
	struct strv paths;
	uint64_t download_bytes; /* the sum of FileSize; of NarSize for narinfos without FileSize */
	uint64_t nar_bytes;      /* the sum of NarSize */
};
/* Find those of PATHS that IC does not contain; IC may be NULL, which contains none. */
int caches_missing(const struct caches *c, const struct strv *paths, struct input_cache *ic,
		   struct build_fetch *ret, struct err *e) MUST_CHECK;
void build_fetch_done(struct build_fetch *f);
#define scoped_build_fetch __attribute__((cleanup(build_fetch_done), unused))

/* Register PATHS as valid in ST, a store without Nix, from their narinfos. */
int caches_learn(const struct caches *c, const struct strv *paths, struct store *st,
		 struct err *e) MUST_CHECK;
/* Fetch PATHS and unpack them into IC, where the caller has pinned them. */
int caches_fetch(struct caches *c, const struct strv *paths, struct input_cache *ic,
		 struct err *e) MUST_CHECK;

#endif

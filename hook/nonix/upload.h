/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/upload.h: outputs that were built go into a binary cache.
 *
 * The NARs of all outputs of a build come first, then their narinfos, what another refers to before
 * that other: whoever looks into the cache meanwhile never finds a path without its contents or,
 * among these, without a reference. What was interrupted is at most a NAR without a narinfo. A path
 * that the cache has already is left as it is: with other contents there, a build that cannot be
 * repeated exactly would else tear what was signed from what is there.
 *
 * What is there is not believed to be whole: a server that died in the middle of an upload may have
 * kept the part. Sizes are compared, and hashes where the cache says them; what is damaged is
 * warned of and written anew.
 */
#ifndef HOOK_NONIX_UPLOAD_H
#define HOOK_NONIX_UPLOAD_H

#include "hook/store/store.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/cache/cache.h"
#include "nar/cache/compress.h"
#include "nar/cache/dest.h"
#include "nar/narinfo.h"
#include "nar/secretkey.h"

struct upload {
	struct cache_dest *dest;
	struct compress_options compress;
	const struct secretkeys *secret_keys; /* may be none */
	struct store *store; /* the outputs are valid in it, and their files there */
	bool deriver;        /* there is a real one */
};

/* Publish PATHS, all outputs of one build. */
int upload_paths(const struct upload *p, const struct strv *paths, struct err *e) MUST_CHECK;

/*
 * Look for PATH in DEST: a narinfo that is one, and a NAR of the size and hash that it says.
 * Returns 1: DEST has it, *RET is its narinfo; 0: it has not, or it is damaged, which is warned of;
 * -1: *E.
 */
int upload_find(struct cache_dest *dest, const char *store_dir, const char *path,
		struct narinfo *ret, struct err *e) MUST_CHECK;

#endif

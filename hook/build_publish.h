/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/build_publish.h: outputs that were built go into a binary cache.
 *
 * The NARs of all outputs of a build come first, then their narinfos, what another refers to before
 * that other: whoever looks into the cache meanwhile never finds a path without its contents or,
 * among these, without a reference. What was interrupted is at most a NAR without a narinfo. A path
 * that the cache has already is left as it is: with other contents there, a build that cannot be
 * repeated exactly would else tear what was signed from what is there.
 */
#ifndef HOOK_BUILD_PUBLISH_H
#define HOOK_BUILD_PUBLISH_H

#include "hook/store.h"
#include "nar/buf.h"
#include "nar/cache.h"
#include "nar/compress.h"
#include "nar/err.h"
#include "nar/secretkey.h"

struct publish {
	struct cache_dest *dest;
	struct compress_options compress;
	const struct secretkeys *secret_keys; /* may be none */
	struct store *store; /* the outputs are valid in it, and their files there */
	bool deriver;        /* there is a real one */
};

/* Publish PATHS, all outputs of one build. */
int publish_paths(const struct publish *p, const struct strv *paths, struct err *e) MUST_CHECK;

#endif

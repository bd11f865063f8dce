/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/upload.h: put the outputs of a build into a binary cache.
 * Runs in: the process of a build (hook/nonix/work.h); upload_find() also in nix-oci-hook-build.
 *
 * First come the NARs of all outputs of a build, then their narinfos: an output before the outputs
 * that refer to it. So a reader of the cache never finds a path without its contents or without
 * another output that it refers to. An interrupted upload leaves at most NARs without narinfos.
 *
 * A path that the cache has already stays unchanged. If a build is not deterministic, to replace
 * its output would break the paths that refer to it, and their signatures.
 *
 * A file in the cache may be damaged: a server that died in the middle of an upload may have kept a
 * part. So compare sizes, and hashes where the cache tells them. Warn of a damaged file, and write
 * it again.
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
	const struct secretkeys *secret_keys; /* may be empty: do not sign */
	struct store *store; /* the outputs are valid in it, and lie in its directory */
	bool deriver;        /* write the registered deriver, which is a real derivation */
};

/* Upload PATHS, which are all outputs of one build. */
int upload_paths(const struct upload *p, const struct strv *paths, struct err *e) MUST_CHECK;

/*
 * Look for PATH in DEST: for its narinfo, and a NAR with the size and hash that the narinfo tells.
 * Returns 1: DEST has PATH, *RET is its narinfo; 0: DEST does not have PATH, or it is damaged, of
 * which this function warns; -1: *E.
 */
int upload_find(struct cache_dest *dest, const char *store_dir, const char *path,
		struct narinfo *ret, struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/build.h: a build without Nix, from binary caches into one.
 *
 *	target            a .drv or a stored request, and what it needs      hook/nonix/target.h
 *	plan              what to build and to fetch                         hook/nonix/graph.h
 *	fetch             into the cache of inputs                           hook/nonix/caches.h
 *	build, publish    each build in a process of its own                 hook/nonix/work.h
 *
 * All files of it lie in the directory that the cache of inputs has for a run, also the store in
 * which outputs appear. A supervisor of the whole removes it, as those of the builds remove theirs
 * (hook/run/run.h): nothing stays, whatever happens to this process.
 */
#ifndef HOOK_NONIX_BUILD_H
#define HOOK_NONIX_BUILD_H

#include "hook/conf/conf.h"
#include "hook/nix/settings.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/cache/cache.h"
#include "nar/cache/compress.h"
#include "nar/secretkey.h"

struct build_options {
	const char *target;
	const struct strv *from;        /* URLs */
	const char *to;                 /* URL, or NULL in a dry run */
	struct secretkeys *secret_keys; /* the one that TO's parameters name is added */
	struct cache_options cache;     /* but for progress and notes */
	struct compress_options compress;
	bool compression_given; /* else what TO's parameters say comes first */
	size_t max_jobs;
	bool recursive, rebuild, keep_going, dry_run, json;
};

/*
 * The whole of it; C and S are complete. The exit code (hook/nonix/work.h: 0, 1, 100, 101; results
 * are on standard output), or -1: *E. Of a signal that ends it, it dies when all is cleaned up.
 */
int build_run(const struct build_options *o, struct conf *c, const struct settings *s,
	      struct err *e) MUST_CHECK;

#endif

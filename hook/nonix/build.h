/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/build.h: a build without Nix, from binary caches into one.
 * Runs in: nix-oci-hook-build, as everything in this folder.
 *
 *	target            a .drv or a stored request, and its inputs         hook/nonix/target.h
 *	plan              the paths to build and to fetch                    hook/nonix/graph.h
 *	fetch             into the cache of inputs                           hook/nonix/caches.h
 *	build             each build in a process of its own                 hook/nonix/work.h
 *	publish           the outputs of each build, in its process          hook/nonix/upload.h
 *	progress          for the person who waits                           hook/nonix/progress.h
 *	narinfos          what a store has registered, and back              hook/nonix/narinfos.h
 *
 * All files of the program lie in its run's directory in the cache of inputs, also the store in
 * which outputs appear. A supervisor of the program removes that directory, and the supervisor of
 * each build removes the files of the build (hook/run/run.h). So nothing stays, whatever happens
 * to this process.
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
	const char *to;                 /* URL; NULL in a dry run */
	struct secretkeys *secret_keys; /* build_run() adds the key that TO's parameters name */
	struct cache_options cache; /* build_run() sets store_dir, progress, note, ctx, no_sync */
	struct compress_options compress;
	bool compression_given; /* COMPRESS counts more than TO's parameter "compression" */
	size_t max_jobs;
	bool recursive, rebuild, keep_going, dry_run, json;
};

/*
 * Plan, fetch, build and publish; print results on standard output. C and S are complete. After
 * SIGINT, SIGTERM or SIGHUP, clean up and die of the signal.
 * Returns the exit code: 0, 1 for a failure that was printed, 100 if a builder failed, 101 if a
 * builder took too long; -1: *E.
 */
int build_run(const struct build_options *o, struct conf *c, const struct settings *s,
	      struct err *e) MUST_CHECK;

#endif

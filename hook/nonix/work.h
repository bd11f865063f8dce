/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/work.h: builds without Nix, one after the other and beside each other.
 *
 * Each build is a process of its own: a job (hook/job/job.h), then the publishing of what it made.
 * It tells the process that started it what came out, which then knows it as valid for those that
 * use it. Builds begin when all that they need is there, as many at once as are asked for, and as
 * all builds on this machine leave room for.
 *
 * What is stopped, or left by one that failed, is over only when nothing of it is left.
 */
#ifndef HOOK_NONIX_WORK_H
#define HOOK_NONIX_WORK_H

#include "hook/conf/conf.h"
#include "hook/nix/settings.h"
#include "hook/nonix/graph.h"
#include "hook/nonix/progress.h"
#include "hook/runtime/runtime.h"
#include "hook/store/store.h"
#include "nar/base/err.h"
#include "nar/cache/cache.h"
#include "nar/cache/compress.h"
#include "nar/secretkey.h"
#include "specgen/request.h"

struct work {
	const struct conf *conf;
	const struct settings *settings;
	const struct runtime *runtime;
	struct store *store; /* without Nix; knows the closures of all inputs */
	struct progress *show;
	const char *to; /* URL of the cache that gets the outputs */
	const struct cache_options *cache;
	struct compress_options compress;
	const struct secretkeys *secret_keys;
	struct request *request; /* the only build is of this one; NULL: of derivations */
	size_t max_jobs;         /* at once, at least 1 */
	bool keep_going;         /* with what does not need what failed */
	int stop_fd;             /* becomes readable: stop */
	int hold_fd;             /* is kept open until nothing of the builds is left */
};

enum work_end {
	WORK_DONE,
	WORK_FAILED,
	WORK_BUILD_FAILED, /* a builder */
	WORK_TIMED_OUT,    /* the same */
};

/*
 * Build the N nodes at BUILDS, of which each comes after what it needs. What failed has been said.
 * -1: *E; ERR_STOPPED where it was told to.
 */
int work_run(const struct work *w, struct build_node **builds, size_t n, enum work_end *ret,
	     struct err *e) MUST_CHECK;

#endif

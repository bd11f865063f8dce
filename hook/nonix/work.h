/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/work.h: run the builds of a plan, each when the builds that it needs are done.
 *
 * Each build has a process of its own. It runs a job (hook/job/job.h), publishes the outputs, and
 * reports them to the process that started it (nix-oci-hook-build), which registers them in its
 * store for the builds that use them. A build begins when all its inputs are available. At most
 * max_jobs run at once, and each waits for a slot of this machine (hook/host/slots.h).
 *
 * A build has ended only when its supervisor has cleaned up, also if it has failed or was stopped.
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
	struct conf *conf; /* the process of a build changes its copy */
	const struct settings *settings;
	struct runtime *runtime; /* likewise */
	struct store *store;     /* a store without Nix, which knows the closures of all inputs */
	struct progress *show;
	const char *to; /* URL of the cache for the outputs */
	const struct cache_options *cache;
	struct compress_options compress;
	const struct secretkeys *secret_keys;
	struct request *request; /* the request of the only build; NULL: build derivations */
	size_t max_jobs;         /* the number of builds at once; at least 1 */
	bool keep_going;         /* after a failure, go on with builds that do not need it */
	int stop_fd;             /* stop all builds when it becomes readable */
	int hold_fd;             /* each build's supervisor keeps it open until it has cleaned up */
};

/* How all builds ended, or the first build that failed. */
enum work_end {
	WORK_DONE,
	WORK_FAILED,       /* a failure outside the builder */
	WORK_BUILD_FAILED, /* the builder failed */
	WORK_TIMED_OUT,    /* the builder took too long, or was silent for too long */
};

/*
 * Run the N builds at BUILDS, each of which comes after the builds that it needs. Failures of
 * builds are logged, and returned in *RET.
 * Returns 0; -1: *E, of kind ERR_STOPPED if stop_fd became readable.
 */
int work_run(const struct work *w, struct build_node **builds, size_t n, enum work_end *ret,
	     struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/job/job.h: one accepted build, from its request to registered outputs.
 *
 *	ids -> request -> supervisor -> bundle -> container -> outputs -> store
 *
 * Whatever happens, nothing of the run is left, also when this process is killed: run.h says how.
 *
 * Runs in: the hook; without Nix, the worker process of a build (hook/nonix/work.h).
 */
#ifndef HOOK_JOB_JOB_H
#define HOOK_JOB_JOB_H

#include "hook/conf/conf.h"
#include "hook/drv/derivation.h"
#include "hook/host/slots.h"
#include "hook/nix/settings.h"
#include "hook/run/run.h"
#include "hook/runtime/runtime.h"
#include "hook/store/store.h"
#include "nar/base/err.h"
#include "specgen/request.h"

struct reporting;
struct reservation;

/* The most descriptors in struct job's keep_fds. */
#define JOB_KEEP_MAX 3

struct job {
	const struct conf *conf;
	const struct settings *settings;
	const struct runtime *runtime;
	struct store *store;
	const struct drv *drv;
	const struct strv *inputs; /* full paths of the input closure */
	const struct strv *wanted; /* names of the outputs to register */
	/*
	 * A stored request, which is built instead of one made of `drv` and `inputs`; `drv` then
	 * only gives the name, the system and the outputs. NULL: none. job_run() changes its
	 * sources.
	 */
	struct request *request;
	int slot_fd;         /* holds the lock of the build's slot, or -1 */
	const int *keep_fds; /* kept open until nothing of the run is left; ended by -1 */
	int log_fd;          /* the build's log is written here */
	int stop_fd; /* readable or hung up when no process wants the build any more; or -1 */
	/* Of memory; NULL: none. Held until nothing of the run is left; each try makes it anew. */
	struct reservation *reservation;
	struct reporting *reporting; /* begun by the caller (hook/job/reporting.h) */
};

/*
 * Build J.
 * Returns 0: all wanted outputs are valid; -1: *E. If the builder itself failed, the error's kind
 * is ERR_BUILD and *RET says how it ended.
 */
int job_run(const struct job *j, struct run_result *ret, struct err *e) MUST_CHECK;

#endif

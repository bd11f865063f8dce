/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/job/job.h: one accepted build, from its request to registered outputs.
 *
 *	ids -> request -> supervisor -> bundle -> container -> outputs -> store
 *
 * Whatever happens, nothing of the run is left: the supervisor (hook/run/run.h) removes it, also
 * when this process is killed.
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

/* Descriptors in struct job's keep_fds. */
#define JOB_KEEP_MAX 2

struct job {
	const struct conf *conf;
	const struct settings *settings;
	const struct runtime *runtime;
	struct store *store;
	const struct drv *drv;
	const struct strv *inputs; /* full paths of the input closure */
	const struct strv *wanted; /* names of the outputs to register */
	/*
	 * A stored request to build instead of what DRV and INPUTS give; DRV then only names it,
	 * its system and its outputs. NULL: none. Its sources are changed.
	 */
	struct request *request;
	int slot_fd;         /* what holds the build's slot, or -1 */
	const int *keep_fds; /* kept open until nothing of the run is left; ended by -1 */
	int log_fd;          /* where the build's log goes */
	int stop_fd;         /* becomes readable or hangs up when nobody wants the build, or -1 */
};

/*
 * Build. 0 when all wanted outputs are valid. -1: *E; where the builder itself failed its kind is
 * ERR_BUILD and *RET says how it ended.
 */
int job_run(const struct job *j, struct run_result *ret, struct err *e) MUST_CHECK;

#endif

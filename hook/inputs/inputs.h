/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/inputs/inputs.h: a build that sees nothing of the machine's store (`inputs = nar`).
 *
 *	inputs_open(&in, conf, store, e)     before the supervisor starts, which keeps inputs_fd()
 *	inputs_prepare(&in, &job, e)         before the bundle is made
 *	inputs_done(&in)
 *
 * Each store path that a request names is unpacked into the cache (hook/inputs/input_cache.h),
 * checked against the hash that the store has registered for it, and mounted from there: inputs,
 * and what lies in the store of sandbox-paths, of their closures, and of the machine's own files
 * that a build finds (shell, certificates, network files, which on NixOS are links into the store).
 * Sources are found by where they are, not by what they are called. A path of the machine that has
 * the store below it is refused.
 *
 * With a store that is no Nix's (store_open_mem()) only what was built there is in it; everything
 * else has to be in the cache already, and pinned.
 *
 * Where inputs are bound, which is the default, all of this does nothing.
 *
 * Limit: a place of the machine that has the store below it only through another mount of the same
 * files is not known as such.
 */
#ifndef HOOK_INPUTS_INPUTS_H
#define HOOK_INPUTS_INPUTS_H

#include "hook/conf/conf.h"
#include "hook/host/machine.h"
#include "hook/inputs/input_cache.h"
#include "hook/store/store.h"
#include "nar/base/err.h"
#include "specgen/request.h"

struct inputs {
	struct input_cache *cache; /* NULL: inputs are bound */
};
#define INPUTS_INIT  \
	{            \
		NULL \
	}

struct inputs_job {
	struct store *store;
	struct request *request; /* its sources are changed, and host paths may be added */
	struct machine *machine; /* the same */
	int stop_fd;             /* as struct job's */
};

/* Open the cache, if C wants one. */
int inputs_open(struct inputs *in, const struct conf *c, const struct store *st,
		struct err *e) MUST_CHECK;
/* What keeps this run's inputs in the cache, or -1. */
int inputs_fd(const struct inputs *in);
/* The directory of the cache that this run unpacks into; NULL: inputs are in the store. */
const char *inputs_dir(const struct inputs *in);
/* Leave the removal of that directory to the caller, who has it on the list of its run. */
void inputs_leave_dir(struct inputs *in);
int inputs_prepare(struct inputs *in, const struct inputs_job *j, struct err *e) MUST_CHECK;
void inputs_done(struct inputs *in);
#define scoped_inputs __attribute__((cleanup(inputs_done)))

#endif

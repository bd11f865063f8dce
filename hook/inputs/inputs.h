/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/inputs/inputs.h: give a build its inputs without the machine's store (`inputs = nar`).
 *
 *	inputs_open(&in, conf, store, e)     makes nothing but the cache
 *	inputs_dir(&in)                      to be put on the list of what is removed
 *	inputs_start(&in, e)                 makes it; the supervisor keeps inputs_fd()
 *	inputs_prepare(&in, &job, e)         before the bundle is made
 *	inputs_done(&in)
 *
 * Each store path that a request names is unpacked into the cache (hook/inputs/input_cache.h),
 * checked against the hash that the store has registered for it, and mounted from there. These are
 * the inputs, and the following as far as they lie in the store: sandbox-paths, their closures, and
 * the machine's own files that a build finds (shell, certificates, network files, which on NixOS
 * are links into the store). A source lies in the store if its real path does, whatever its name. A
 * path of the machine that contains the store is refused.
 *
 * Without Nix (store_open_mem()) the store directory contains only what this process built. Every
 * other input must already be in the input cache, and pinned.
 *
 * If inputs are bound, which is the default, these functions do nothing.
 *
 * Limit: a path of the machine that contains the store only through another mount of the store's
 * files is not recognised.
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
	struct request *request; /* gets other sources, and may get more host paths */
	struct machine *machine; /* its shell and certificates get other sources */
	int stop_fd; /* readable or hung up when no process wants the build any more; or -1 */
};

/* Open the cache if C sets `inputs = nar`. Nothing is made for this run yet. */
int inputs_open(struct inputs *in, const struct conf *c, const struct store *st,
		struct err *e) MUST_CHECK;
/*
 * Return the directory into which this run unpacks inputs, which inputs_start() makes; NULL: inputs
 * are bound.
 */
const char *inputs_dir(const struct inputs *in);
/* Leave it to the caller to remove that directory, which is on the list of its run. */
void inputs_leave_dir(struct inputs *in);
/* Make that directory. */
int inputs_start(struct inputs *in, struct err *e) MUST_CHECK;
/* Return the descriptor that keeps this run's inputs in the cache; -1: there is none yet. */
int inputs_fd(const struct inputs *in);
/* Unpack all that J needs, and point the sources of its request and its machine to the cache. */
int inputs_prepare(struct inputs *in, const struct inputs_job *j, struct err *e) MUST_CHECK;
void inputs_done(struct inputs *in);
#define scoped_inputs __attribute__((cleanup(inputs_done)))

#endif

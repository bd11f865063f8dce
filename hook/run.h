/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run.h: run a bundle's container, whatever happens to us.
 *
 * Two processes. The supervisor (a fork in a session of its own, a subreaper) starts the runtime
 * as its child, holds the build's slot and ids, and keeps the list of what this run made. The hook
 * reads the log and enforces time limits. A pipe joins them: when the hook's end closes, because it
 * is done or because Nix killed it, the supervisor kills whatever of the container still lives
 * (descendants, and the cgroup where there is one), removes what is on its list and exits. So there
 * is one way of cleaning up, and SIGKILL takes it too.
 *
 *	run_start()     before anything is made that must vanish: fork the supervisor
 *	run_own_*()     put a path on its list, before creating it
 *	run_container() run to the end; log to log_fd
 *	run_finish()    let the supervisor clean up and wait until it has
 */
#ifndef HOOK_RUN_H
#define HOOK_RUN_H

#include <stdint.h>
#include <sys/types.h>

#include "hook/runtime.h"
#include "nar/err.h"

struct run;

enum run_end {
	RUN_EXITED,    /* status: exit code of the builder */
	RUN_SIGNALED,  /* status: the signal that killed it */
	RUN_TIMED_OUT, /* after `timeout` */
	RUN_SILENT,    /* no output for `max-silent-time` */
	RUN_OOM,       /* killed for want of memory */
};

struct run_limits {
	uint64_t timeout_s;    /* 0: none */
	uint64_t max_silent_s; /* 0: none */
	unsigned long personality; /* for personality(2) before the runtime starts */
};

struct run_result {
	enum run_end end;
	int status;
};

/*
 * Fork the supervisor. KEEP_FDS (ended by -1) are the locks that it holds until it exits. Must be
 * called while the process has one thread. NULL: *E.
 */
struct run *run_start(const int *keep_fds, struct err *e) MUST_CHECK;
/* The supervisor will remove the tree at PATH (absolute) when it ends. */
int run_own_tree(struct run *r, const char *path, struct err *e) MUST_CHECK;
/* ... but will not, after all: keep-failed, or it was moved into the store. */
int run_disown(struct run *r, const char *path, struct err *e) MUST_CHECK;
/*
 * Run the container of BUNDLE to its end. STATE_DIR is a fresh directory on the supervisor's list,
 * with a short path, for the runtime's own files. What the build writes goes to LOG_FD as it comes,
 * up to the last byte. The builder's standard output and error are one raw pseudo-terminal, owned
 * by UID; input is /dev/null. A runtime that fails itself (not the build): -1 with its own words.
 * When LOG_FD is broken (Nix has gone): ERR_STOPPED.
 */
int run_container(struct run *r, const struct runtime *rt, const char *bundle,
		  const char *state_dir, const char *id, bool network, uid_t uid,
		  const struct run_limits *lim, int log_fd, struct run_result *ret,
		  struct err *e) MUST_CHECK;
/* Clean up and wait for it. Failing to remove something is an error. R is gone after. */
int run_finish(struct run *r, struct err *e) MUST_CHECK;

#endif

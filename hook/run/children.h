/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/children.h: find, reap and kill the descendants of this process.
 *
 * A process that has called children_adopt() inherits each descendant that loses its parent
 * (prctl(2), PR_SET_CHILD_SUBREAPER), however often the descendant forked or called setsid(). So
 * children_kill() kills and reaps the children, and repeats that until waitpid(2) knows of none.
 * The supervisor does so, or the hook after its supervisor (run.h).
 */
#ifndef HOOK_RUN_CHILDREN_H
#define HOOK_RUN_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "nar/base/err.h"

struct run_rusage;

/* Callbacks of children_reap() and children_kill(); each may be NULL. */
struct children_watch {
	void (*before_kill)(void *ctx, pid_t pid);
	void (*after_end)(void *ctx, pid_t pid, int status); /* status: waitpid(2)'s */
	void *ctx;
	int sigfd; /* a non-blocking signalfd(2) for SIGCHLD; -1: none */
};

/* Become the parent of all orphaned descendants. */
int children_adopt(struct err *e) MUST_CHECK;
/*
 * List the children of process PID (of its first thread), at most MAX.
 * Returns how many; -1: the kernel does not say.
 */
ssize_t children_list(pid_t pid, pid_t *ret, size_t max);
/*
 * Reap the children that are dead.
 * Returns false: this process has no children any more.
 */
bool children_reap(const struct children_watch *w);
/* Kill and reap all descendants of this process; returns when they are dead. */
void children_kill(const struct children_watch *w);
/* Tell what those descendants of this process used that are dead and were waited for. */
void children_rusage(struct run_rusage *ret);
/*
 * Read the number FIELD (4 or higher) of /proc/PID/stat, see proc(5).
 * Returns false: it cannot be read.
 */
bool proc_stat_field(pid_t pid, int field, uint64_t *ret);

#endif

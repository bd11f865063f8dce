/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/children.h: kill whatever this process has started, and what that has started.
 *
 * A process that has called children_adopt() inherits all of its descendants that lose their parent
 * (prctl(2), PR_SET_CHILD_SUBREAPER), however often they forked or called setsid(). So to kill them
 * all is: kill the children, reap them, and again, until waitpid(2) knows of none.
 */
#ifndef HOOK_RUN_CHILDREN_H
#define HOOK_RUN_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "nar/base/err.h"

/* Who wants to know; each may be NULL. */
struct children_watch {
	void (*before_kill)(void *ctx, pid_t pid);
	void (*after_end)(void *ctx, pid_t pid, int status);
	void *ctx;
	int sigfd; /* a signalfd(2), not blocking, that hears of SIGCHLD; -1: there is none */
};

int children_adopt(struct err *e) MUST_CHECK;
/* The children of PID (of its first thread), at most MAX; how many, or -1: it cannot be told. */
ssize_t children_list(pid_t pid, pid_t *ret, size_t max);
/* Reap what is dead. False: there are no children any more. */
bool children_reap(const struct children_watch *w);
/* Kill and reap all descendants of this process; does not return before they are dead. */
void children_kill(const struct children_watch *w);
/* Field FIELD (from 4 on) of /proc/PID/stat, see proc(5). */
bool proc_stat_field(pid_t pid, int field, uint64_t *ret);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/supervisor_internal.h: what supervisor.c, which has the loop and the container's end,
 * and supervisor_exec.c, the runtime's side of its start, share.
 */
#ifndef HOOK_RUN_SUPERVISOR_INTERNAL_H
#define HOOK_RUN_SUPERVISOR_INTERNAL_H

#include <signal.h>

#include "hook/run/supervisor.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

/* The strings of SUP_RUN. */
enum { WORD_ID, WORD_BUNDLE, WORD_STATE, WORD_SCRATCH, WORD_CGROUP, WORD_ARGV };

struct sup {
	pid_t self;
	int sock, sigfd;
	sigset_t mask; /* of the hook, for the runtime */
	struct strv owned, cgroups;
	char *record;
	struct buf keep; /* of SUP_KEEP */
	bool failed;     /* something that the hook wanted is not done, or not known */

	/* The container, if there is one (runtime > 0). */
	struct sup_run how;
	struct strv words; /* of SUP_RUN */
	int state_fd, mount_fd;
	pid_t runtime;
	bool runtime_ended;
	pid_t builder;      /* 0: not known */
	int builder_fd;     /* a pidfd, where it is the child of a stopped runtime */
	int64_t look_at_ms; /* when to look for it, -1: no more */
	int look_again_ms;
	struct sup_ended end;
};

/*
 * Runs in: the child, which shares the supervisor's memory and changes nothing of it but *E.
 * Execute the runtime of S with its output at TTY and the environment ENV. Returns only on failure.
 */
int become_runtime(const struct sup *s, int tty, char *const *env, struct err *e) MUST_CHECK;

#endif

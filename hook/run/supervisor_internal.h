/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/supervisor_internal.h: shared by supervisor.c, which has the loop and the container's
 * end, and supervisor_exec.c, which runs in the child that becomes the runtime.
 */
#ifndef HOOK_RUN_SUPERVISOR_INTERNAL_H
#define HOOK_RUN_SUPERVISOR_INTERNAL_H

#include <signal.h>
#include <stdint.h>

#include "hook/cgroup/memory_watch.h"
#include "hook/run/supervisor.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

/* The strings of SUP_RUN, in their order. */
enum { WORD_ID, WORD_BUNDLE, WORD_STATE, WORD_SCRATCH, WORD_ARGV };

struct sup {
	pid_t self;
	int sock, sigfd;
	sigset_t mask; /* the hook's signal mask, which the runtime gets */
	struct strv owned, cgroups;
	char *record;    /* path; NULL: none */
	struct buf keep; /* the bytes of SUP_KEEP */
	bool failed;     /* a request of the hook was not carried out, or could not be read */

	/* The container, if there is one (runtime > 0). */
	struct sup_run how;
	struct strv words; /* the strings of SUP_RUN: WORD_... */
	int state_fd, mount_fd;
	pid_t runtime;
	bool runtime_ended;
	pid_t builder;      /* 0: not known */
	int builder_fd;     /* a pidfd of the builder while the runtime is stopped; else -1 */
	int64_t look_at_ms; /* when to look for the builder; -1: not any more */
	int look_again_ms;
	struct memory_watch memory;
	struct sup_ended end;
};

#define SUP_NOT_ENTERED SIZE_MAX
/*
 * Execute the runtime of S with its output at TTY and the environment ENV. Returns only on failure.
 * ENTERED: the control group of S that this process has begun in.
 *
 * Runs in: the child of the supervisor that becomes the runtime. The child shares the supervisor's
 * memory (vfork(2)) and changes nothing of it except *E.
 */
int become_runtime(const struct sup *s, size_t entered, int tty, char *const *env,
		   struct err *e) MUST_CHECK;

#endif

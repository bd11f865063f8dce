/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/run_internal.h: what run.c, who talks to the supervisor, and container.c share.
 */
#ifndef HOOK_RUN_RUN_INTERNAL_H
#define HOOK_RUN_RUN_INTERNAL_H

#include "hook/run/run.h"
#include "nar/base/buf.h"

struct record;

struct run {
	int sock;
	pid_t supervisor;
	bool ready;
	bool clean;                  /* the supervisor's last word was heard */
	const struct record *record; /* of what run_make_dir() makes; NULL: none is kept */
	int stop_fd;
	/* What the supervisor knows, too, for when it is killed. */
	struct strv owned, cgroups;
	char *id; /* of the container; NULL: it makes no cgroups, or there is none */
};

/* What the supervisor says: a type, and a text with a NUL behind it or a struct. */
struct run_message {
	size_t n;
	char data[ERR_MSG_MAX + 2];
};

/* The error that the supervisor is not there any more. */
int run_gone(struct err *e);
/*
 * How long to wait, at most, before run_is_dead() is asked again. Mostly the end of the socket
 * tells; but a copy of the supervisor's end could be open elsewhere.
 */
#define RUN_LOOK_MS 2000
bool run_is_dead(const struct run *r);
/* 1: *M is filled, 0: the supervisor has closed its end or is dead, -1: *E. */
int run_receive(struct run *r, struct run_message *m, struct err *e) MUST_CHECK;
/* Send B, and copies of these N descriptors. */
int run_tell(struct run *r, const struct buf *b, const int *fds, size_t n,
	     struct err *e) MUST_CHECK;
/* The supervisor was killed: all that it had started is ours now, and dies. */
void run_kill_orphans(struct run *r);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/run_internal.h: shared by run.c, which talks to the supervisor, and container.c.
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
	bool clean;                  /* SUP_CLEAN was received, the supervisor's last message */
	const struct record *record; /* names what run_make_dir() makes; NULL: there is no record */
	int stop_fd;
	run_listener *listener; /* NULL: none */
	void *listener_ctx;
	/* Copies of the supervisor's lists: the hook cleans up by them if the supervisor dies. */
	struct strv owned, cgroups;
	char *id; /* the container's, if its runtime makes cgroups; else NULL */
};

/* A message of the supervisor: its type, then a struct, or a text with a NUL added to it. */
struct run_message {
	size_t n;
	char data[ERR_MSG_MAX + 2];
};

/* Set *E: the supervisor has died. Returns -1. */
int run_gone(struct err *e);
/*
 * The time after which run_is_dead() is asked again. Mostly the end of the socket tells; but
 * another process could hold a copy of the supervisor's end.
 */
#define RUN_LOOK_MS 2000
/* Tell whether the supervisor is dead. */
bool run_is_dead(const struct run *r);
/*
 * Wait for a message of the supervisor.
 * Returns 1: *M is filled; 0: the supervisor has closed its end or is dead; -1: *E.
 */
int run_receive(struct run *r, struct run_message *m, struct err *e) MUST_CHECK;
/* Send the message B to the supervisor, with copies of the N descriptors at FDS. */
int run_tell(struct run *r, const struct buf *b, const int *fds, size_t n,
	     struct err *e) MUST_CHECK;
/* Kill all descendants of the hook, which has inherited those of a killed supervisor. */
void run_kill_orphans(struct run *r);

#endif

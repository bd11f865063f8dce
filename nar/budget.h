/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/budget.h: what a long piece of work on a foreign tree may still take: time, room on the disk,
 * and the patience of the process that wants it.
 *
 * Reading, hashing and copying what a build left takes as long as the build likes: a file of some
 * terabytes costs it nothing. So such work asks its budget for each entry and each block. A NULL
 * budget has no end.
 */
#ifndef NAR_BUDGET_H
#define NAR_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "nar/base/err.h"

struct budget {
	int stop_fd;         /* readable or hung up: the work is not wanted any more; -1: none */
	int64_t deadline_ms; /* of clock_now_ms(); 0: none */
	uint64_t left_bytes; /* to be written yet */
	bool timed_out;      /* out: the deadline was reached */
	int64_t looked_ms;   /* when stop_fd was asked last */
};
#define BUDGET_INIT                         \
	{                                   \
		-1, 0, UINT64_MAX, false, 0 \
	}

/* -1: *E is ERR_STOPPED, or ERR_BUILD when the deadline was reached. */
int budget_check(struct budget *b, struct err *e) MUST_CHECK;
/* Before N bytes are written. -1: *E is ERR_LIMIT. */
int budget_spend(struct budget *b, uint64_t n_bytes, struct err *e) MUST_CHECK;
/* Let B write no more than the file system of FD has free, less a part for everybody else. */
int budget_fit_disk(struct budget *b, int fd, const char *what, struct err *e) MUST_CHECK;

#endif

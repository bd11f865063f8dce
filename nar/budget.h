/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/budget.h: limits for long work on a foreign tree: time, space on the disk, and whether the
 * process that wants the result still lives.
 *
 * A build decides how long its outputs take to read, hash and copy: making a file of terabytes
 * costs it nothing. So such work asks its budget for each entry and each block. A NULL budget
 * limits nothing.
 */
#ifndef NAR_BUDGET_H
#define NAR_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "nar/base/err.h"

struct budget {
	int stop_fd;         /* stop the work when this is readable or hung up; -1: none */
	int64_t deadline_ms; /* of clock_now_ms(); 0: none */
	uint64_t left_bytes; /* how many more may be written */
	bool timed_out;      /* out: the deadline was reached */
	int64_t looked_ms;   /* when stop_fd was last polled */
};
#define BUDGET_INIT                         \
	{                                   \
		-1, 0, UINT64_MAX, false, 0 \
	}

/*
 * Tell whether the work may go on.
 * Returns 0: it may; -1: *E is ERR_STOPPED, or ERR_BUILD if the deadline was reached.
 */
int budget_check(struct budget *b, struct err *e) MUST_CHECK;
/* Take N_BYTES that are written from what may be written. -1: *E is ERR_LIMIT, for too many. */
int budget_spend(struct budget *b, uint64_t n_bytes, struct err *e) MUST_CHECK;
/* Lower what B may write to the free space of FD's file system, less a part for its other users. */
int budget_fit_disk(struct budget *b, int fd, const char *what, struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/host/reservation_internal.h: parts of hook/host/reservation.c, for its tests. */
#ifndef HOOK_HOST_RESERVATION_INTERNAL_H
#define HOOK_HOST_RESERVATION_INTERNAL_H

#include "hook/host/reservation.h"

/* A build that has reserved memory, or waits for it. */
struct claim {
	uint64_t ticket; /* counts up: an earlier build has a lower one */
	uint64_t bytes;  /* what it reserves */
	uint64_t used;   /* what it uses, if it runs; 0: not known */
	uint64_t waits_s;
	bool runs;
	uint64_t since_s; /* it waits or runs for so long */
};

/*
 * Tell whether the claim MINE, one of the N at C, may start now with BUDGET bytes for all.
 * *RET_FREE gets what no build has reserved.
 */
bool claim_may_start(const struct claim *c, size_t n, const struct claim *mine, uint64_t budget,
		     uint64_t *ret_free);
/* What the N claims at C that run use: the larger of what each reserved and what it uses. */
uint64_t claims_committed(const struct claim *c, size_t n);

/*
 * As reservation_make(), of BYTES out of AMOUNT, by files in DIR. LOAD_MAX is of thousandths of a
 * task; 0: no bound.
 */
int reservation_make_in(const char *dir, const struct conf_amount *amount, uint64_t load_max,
			uint64_t bytes, int stop_fd, struct reservation *ret,
			struct err *e) MUST_CHECK;
/*
 * Find in TEXT, a /proc/loadavg, how many tasks run or could, less the one that reads it. False: it
 * does not say.
 */
bool load_parse(const char *text, uint64_t *ret);
/*
 * Tell whether a build may start beside the N claims at C while TASKS run. What has just started
 * counts as a task that may not run yet.
 */
bool load_allows(const struct claim *c, size_t n, uint64_t tasks, uint64_t load_max);

#endif

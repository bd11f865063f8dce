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
};

/*
 * Tell whether the claim MINE, one of the N at C, may start now with BUDGET bytes for all.
 * *RET_FREE gets what no build has reserved.
 */
bool claim_may_start(const struct claim *c, size_t n, const struct claim *mine, uint64_t budget,
		     uint64_t *ret_free);
/* What the N claims at C that run use: the larger of what each reserved and what it uses. */
uint64_t claims_committed(const struct claim *c, size_t n);

/* As reservation_make(), of BYTES out of AMOUNT, by files in DIR. */
int reservation_make_in(const char *dir, const struct conf_amount *amount, uint64_t bytes,
			int stop_fd, struct reservation *ret, struct err *e) MUST_CHECK;

#endif

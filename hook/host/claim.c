/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of the builds that wait for memory may start. */
#include "hook/host/reservation_internal.h"

#include <string.h>

#include "nar/base/buf.h"

#include "nar/base/banned.h"

static uint64_t claim_holds(const struct claim *c)
{
	return c->used > c->bytes ? c->used : c->bytes;
}

uint64_t claims_committed(const struct claim *c, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (c[i].runs && __builtin_add_overflow(sum, claim_holds(&c[i]), &sum))
			return UINT64_MAX;
	return sum;
}

/* So long it may take until the tasks of a build are to be seen. */
#define LOAD_LAG_S 2

bool load_allows(const struct claim *c, size_t n, uint64_t tasks, uint64_t load_max)
{
	bool alone = true;

	for (size_t i = 0; i < n; i++) {
		alone = alone && !c[i].runs;
		if (c[i].runs && c[i].since_s < LOAD_LAG_S)
			tasks++;
	}
	return alone || !load_max || tasks * 1000 < load_max;
}

bool load_parse(const char *text, uint64_t *ret)
{
	const char *p = text;

	/* "0.20 0.18 0.12 1/80 11206": the fourth has the tasks that run, and all tasks. */
	for (int i = 0; p && i < 3; i++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (!p || !num_parse_u64(p, strcspn(p, "/"), UINT32_MAX, ret))
		return false;
	*ret -= *ret > 0;
	return true;
}

static bool any_runs(const struct claim *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c[i].runs)
			return true;
	return false;
}

bool claim_may_start(const struct claim *c, size_t n, const struct claim *mine, uint64_t budget,
		     uint64_t *ret_free)
{
	const uint64_t committed = claims_committed(c, n);
	const uint64_t left = budget > committed ? budget - committed : 0;
	const bool alone = !any_runs(c, n);

	*ret_free = left;
	if (mine->bytes > left && !alone)
		return false;
	for (size_t i = 0; i < n; i++) {
		/* An earlier build that fits starts first; one that was patient is not passed. */
		if (!c[i].runs && c[i].ticket < mine->ticket &&
		    (c[i].bytes <= left || alone || c[i].waits_s >= RESERVATION_PATIENCE_S))
			return false;
	}
	return true;
}

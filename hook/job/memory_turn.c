/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/job/memory_turn.h"

#include <stdlib.h>

#include "hook/base/log.h"
#include "hook/drv/pname.h"
#include "hook/job/oom_retry.h"
#include "hook/report/journal.h"
#include "nar/base/clock.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* A build may need a little more than the last ones did. */
#define MARGIN_DIVISOR 10

static int learn(const struct conf *c, const struct drv *d, struct learned *ret, struct err *e)
{
	scoped_attrs struct attrs a = ATTRS_INIT;
	scoped_strv struct strv outputs = STRV_INIT;

	for (size_t i = 0; i < d->n_outputs; i++)
		if (strv_add(&outputs, d->outputs[i].name, e) < 0)
			return -1;
	scoped_free char *pname = attrs_open(&a, d, e) < 0 ? NULL : drv_pname(&a, e);
	return pname ? journal_learned(journal_path(c), pname, d->system, &outputs, ret, e) : -1;
}

/*
 * Raise the limit of C to what earlier builds of D needed, if it may be. Returns what D is expected
 * to need, in bytes; 0: not known.
 */
static uint64_t expect(struct conf *c, const struct drv *d)
{
	struct learned l = {0, REPORT_UNKNOWN, REPORT_UNKNOWN, REPORT_UNKNOWN, REPORT_UNKNOWN};
	const bool may_raise = c->oom_retry && c->memory_max;
	struct err e = ERR_INIT;

	if ((!may_raise && (!conf_has_budget(c) || c->memory_reserve)) || !journal_path(c))
		return 0;
	if (learn(c, d, &l, &e) < 0)
		log_debug("what earlier builds of '%s' needed is not known: %s", d->path, e.msg);
	if (may_raise)
		oom_retry_raise(c, oom_retry_first(c, l.last_max_bytes, l.last_peak_bytes,
						   oom_retry_machine()));
	return l.peak_bytes == REPORT_UNKNOWN ? 0 : l.peak_bytes + l.peak_bytes / MARGIN_DIVISOR;
}

int memory_turn(struct conf *c, const struct drv *d, int stop_fd, struct reporting *r,
		struct reservation *ret, struct err *e)
{
	const uint64_t expected = expect(c, d);
	const uint64_t since_us = clock_now_us();

	if (reservation_make(c, expected, stop_fd, ret, e) < 0)
		return -1;
	reporting_took(r, REPORT_WAIT_MEMORY_US, since_us);
	return 0;
}

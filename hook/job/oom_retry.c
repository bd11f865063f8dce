/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/job/oom_retry.h"

#include <inttypes.h>

#include "hook/host/memory_budget.h"
#include "hook/host/reservation.h"
#include "hook/job/reporting.h"
#include "hook/report/human.h"
#include "hook/report/report.h"
#include "nar/base/clock.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

static uint64_t doubled(uint64_t n)
{
	return n > UINT64_MAX / 2 ? UINT64_MAX : n * 2;
}

uint64_t oom_retry_next(const struct conf *c, uint64_t max, uint64_t total)
{
	const uint64_t bound = c->memory_retry_max ? c->memory_retry_max : total;
	const uint64_t next = doubled(max) < bound ? doubled(max) : bound;

	return next > max ? next : max;
}

uint64_t oom_retry_first(const struct conf *c, uint64_t last_max, uint64_t peak, uint64_t total)
{
	uint64_t max = c->memory_max;

	/* A larger limit that was not needed may be of another time, or another configuration. */
	if (!max || last_max == REPORT_UNKNOWN || peak == REPORT_UNKNOWN || peak <= max)
		return max;
	for (uint64_t i = 0; i < c->oom_retry && max < last_max; i++)
		max = oom_retry_next(c, max, total);
	return max < last_max || last_max < c->memory_max ? max : last_max;
}

void oom_retry_raise(struct conf *c, uint64_t max)
{
	if (c->memory_high && c->memory_max)
		c->memory_high =
			(uint64_t)((double)c->memory_high / (double)c->memory_max * (double)max);
	c->memory_max = max;
}

uint64_t oom_retry_machine(void)
{
	struct memory_info info;
	struct err ignored = ERR_INIT;

	return memory_info_read(&info, &ignored) < 0 ? INT64_MAX : info.total;
}

void oom_retry_limits(const struct oom_retry *r, uint64_t logged, struct run_limits *l)
{
	const uint64_t spent_s = r->spent_ms / 1000;

	if (l->timeout_s)
		l->timeout_s = l->timeout_s > spent_s ? l->timeout_s - spent_s : 1;
	if (l->log_max_bytes)
		l->log_max_bytes = l->log_max_bytes > logged ? l->log_max_bytes - logged : 1;
}

void oom_retry_note(struct oom_retry *r, const struct job *j, const struct run_result *res,
		    bool met_limit, uint64_t ran_ms)
{
	const uint64_t max = j->conf->memory_max;

	r->tries++;
	r->spent_ms += ran_ms;
	r->met_limit = met_limit;
	if (res->usage.memory_peak_bytes.n > r->peak_bytes)
		r->peak_bytes = res->usage.memory_peak_bytes.n;
	/* The sources of a stored request are not what they were. */
	r->again = res->end == RUN_OOM && r->tries <= j->conf->oom_retry && !j->request &&
		   (!met_limit || oom_retry_next(j->conf, max, oom_retry_machine()) > max);
}

static int tell(const struct oom_retry *r, const struct job *j, uint64_t from, uint64_t to,
		struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(ERR_MSG_MAX);
	char a[HUMAN_MAX], z[HUMAN_MAX];
	int rc;

	if (r->met_limit)
		rc = buf_addf(&b, e, "the build ran out of memory with %s; it begins again with %s",
			      human_bytes(from, a), human_bytes(to, z));
	else
		rc = buf_addf(&b, e,
			      "the build was killed because the machine ran out of memory; it "
			      "begins again");
	return rc < 0 || buf_addf(&b, e, " (try %" PRIu64 " of %" PRIu64 ")", r->tries + 1,
				  j->conf->oom_retry + 1) < 0
		       ? -1
		       : reporting_say(j, b.data, e);
}

/* Reserve memory for another try: more than was reserved, or used where that is more. */
static int reserve(const struct oom_retry *r, const struct job *j, const struct conf *c,
		   struct err *e)
{
	const uint64_t had = j->reservation ? j->reservation->bytes : 0;
	const uint64_t used = had > r->peak_bytes ? had : r->peak_bytes;
	const uint64_t bytes = r->met_limit ? c->memory_max : doubled(used);
	const uint64_t since_us = clock_now_us();

	if (!j->reservation || !conf_has_budget(c))
		return 0;
	/* Not beside what it has, or two builds could wait for each other. */
	reservation_done(j->reservation);
	if (reservation_make_bytes(c, bytes > had ? bytes : had, j->stop_fd, j->reservation, e) < 0)
		return -1;
	reporting_took(j->reporting, REPORT_WAIT_MEMORY_US, since_us);
	return 0;
}

int oom_retry_prepare(const struct oom_retry *r, const struct job *j, struct conf *c, struct err *e)
{
	const uint64_t from = c->memory_max;

	if (r->met_limit)
		oom_retry_raise(c, oom_retry_next(c, from, oom_retry_machine()));
	return tell(r, j, from, c->memory_max, e) < 0 ? -1 : reserve(r, j, c, e);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/job/reporting.h: what a job tells of itself: its report (hook/report/report.h) is filled as
 * it goes on, and in the end becomes a line of the log, a line of the journal, and counters.
 *
 *	scoped_reporting struct reporting r = REPORTING_INIT;
 *	reporting_begin(&r);                  when the build is accepted
 *	reporting_open_active(...)            around run_start()
 *	reporting_fill_active(...)
 *	reporting_run_begin(...)              around run_container(), for each try
 *	reporting_run_end(...)
 *	reporting_end(...)                    all is over but the cleaning up
 *
 * A report costs a build nothing but time, and that not measurably: what cannot be learnt is
 * unknown, and what cannot be written is a warning.
 */
#ifndef HOOK_JOB_REPORTING_H
#define HOOK_JOB_REPORTING_H

#include "hook/bundle/bundle.h"
#include "hook/job/job.h"
#include "hook/outputs/outputs.h"
#include "hook/report/active.h"
#include "hook/report/phases.h"
#include "hook/report/report.h"

struct reporting {
	struct report report;
	uint64_t since_us; /* of the clock that only goes on: when the build was accepted */
	/* Of the current try. */
	struct phases phases;
	uint64_t try_us;      /* when its runtime was started */
	uint64_t try_real_us; /* the same in real time */
	int launcher_fd;      /* the launcher's program, which removes its name; or -1 */
	struct active active; /* its lock is the supervisor's, too */
};
#define REPORTING_INIT                                                       \
	{                                                                    \
		.report = REPORT_INIT, .since_us = 0, .active = { NULL, -1 } \
	}

void reporting_begin(struct reporting *r);
void reporting_done(struct reporting *r);
#define scoped_reporting __attribute__((cleanup(reporting_done)))

/* The part WHICH of the build has taken from SINCE_US (clock_now_us()) until now. */
void reporting_took(struct reporting *r, enum report_number which, uint64_t since_us);
/* Make the record of the running build, if anybody reads one. Before the supervisor starts. */
void reporting_open_active(const struct job *j);
/* Fill it. RUN removes it in the end; the build runs as UID, in the group CGROUP (NULL: none). */
void reporting_fill_active(const struct job *j, struct run *run, uid_t uid, const char *cgroup);
/* The container of B, of which LAUNCHER is the command as the build sees it, is about to run. */
void reporting_run_begin(struct reporting *r, struct run *run, const struct bundle *b,
			 const char *launcher);
/* It has run, and RES says how it ended. */
void reporting_run_end(struct reporting *r, const struct run_result *res);
/* The outputs were looked at since SINCE_US, and are VALID or not. */
void reporting_outputs(struct reporting *r, const struct outputs_cost *cost, bool valid,
		       uint64_t since_us);
/* Write TEXT as a line of the log of J, which is between two tries. */
int reporting_say(const struct job *j, const char *text, struct err *e) MUST_CHECK;
/* The job has ended: as RES and, if RC is negative, WHY say. */
void reporting_end(const struct job *j, const struct run_result *res, int rc,
		   const struct err *why);

#endif

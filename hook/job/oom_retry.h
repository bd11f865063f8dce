/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/job/oom_retry.h: run a build again that ran out of memory, with twice as much (`oom-retry`).
 *
 *	oom_retry_limits()   before each try: what the tries before have left of time and log
 *	oom_retry_note()     after each container's end: decides whether there is another try
 *	oom_retry_prepare()  when nothing of that try is left: raises the limit, waits for memory
 *
 * Each try has a bundle, a supervisor and a record of its own. Nix sees a line of the log and, in
 * the end, how the last try ended.
 */
#ifndef HOOK_JOB_OOM_RETRY_H
#define HOOK_JOB_OOM_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "hook/conf/conf.h"
#include "hook/job/job.h"
#include "hook/run/run.h"
#include "nar/base/err.h"

struct oom_retry {
	uint64_t tries;    /* so far */
	uint64_t spent_ms; /* how long the builder ran in all of them */
	uint64_t peak_bytes;
	bool again; /* the last one is to be followed by another */
	bool met_limit;
};

/*
 * Return the limit after MAX bytes: twice as much, at most `memory-retry-max` of C, or, without
 * that, TOTAL, the memory of the machine. MAX itself: there is no larger one.
 */
uint64_t oom_retry_next(const struct conf *c, uint64_t max, uint64_t total);
/*
 * Return what a build starts with whose limit is `memory-max` of C, and whose package's last
 * successful build had LAST_MAX bytes and took PEAK of them (REPORT_UNKNOWN: not known): LAST_MAX
 * if the build before needed it and tries would get there.
 */
uint64_t oom_retry_first(const struct conf *c, uint64_t last_max, uint64_t peak, uint64_t total);
/* Raise `memory-max` of C to MAX, and by as much `memory-high`, where that is set. */
void oom_retry_raise(struct conf *c, uint64_t max);
/* The memory of this machine; where that is not known, no bound. */
uint64_t oom_retry_machine(void);

/* LOGGED: bytes of log of all tries so far. */
void oom_retry_limits(const struct oom_retry *r, uint64_t logged, struct run_limits *l);
/* A try of J under C has run for RAN_MS and ended as RES says; MET_LIMIT: its own limit. */
void oom_retry_note(struct oom_retry *r, const struct job *j, const struct run_result *res,
		    bool met_limit, uint64_t ran_ms);
/* Write to the log of J that there is another try, raise the limits of C, reserve the memory. */
int oom_retry_prepare(const struct oom_retry *r, const struct job *j, struct conf *c,
		      struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/report/rows.h: the builds of a span of time, in memory.
 */
#ifndef HOOK_REPORT_ROWS_H
#define HOOK_REPORT_ROWS_H

#include "hook/report/report.h"
#include "nar/base/err.h"

/* The newest that are kept; about a kilobyte each. */
#define ROWS_MAX 200000

struct rows {
	struct report *items; /* in the order of the journal */
	size_t n, cap;
	uint64_t since_us; /* what ended before is not wanted */
	uint64_t nix_pid;  /* only what this Nix asked for; REPORT_UNKNOWN: all */
	uint64_t skipped;  /* lines that are no reports */
	uint64_t dropped;  /* older reports that were too many */
};
#define ROWS_INIT                                                       \
	{                                                               \
		.items = NULL, .since_us = 0, .nix_pid = REPORT_UNKNOWN \
	}

/* Read the journal at PATH into ROWS, of which since_us and nix_pid say what is wanted. */
int rows_read(struct rows *rows, const char *path, struct err *e) MUST_CHECK;
void rows_done(struct rows *rows);
#define scoped_rows __attribute__((cleanup(rows_done)))

/* What of a build was work: without what it waited for. Unknown where its length is. */
uint64_t row_work_us(const struct report *r);
uint64_t row_waited_us(const struct report *r);
/* Its peak of memory, or else its largest process, where *RET_AT_LEAST is true then. */
uint64_t row_memory(const struct report *r, bool *ret_at_least);
/* Processor time. */
uint64_t row_cpu_us(const struct report *r);

/*
 * A point in time: "2h" and "30m", "7d", "90s" before NOW_US; "2026-11-30", "2026-11-30 14:05" or
 * "...:09" in local time; or "@1764500000", seconds since 1970. False: TEXT is none of that.
 */
bool rows_parse_since(const char *text, uint64_t now_us, uint64_t *ret_us);

#endif

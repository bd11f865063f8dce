/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/report/stats.h: tables of builds, for people and as JSON.
 */
#ifndef HOOK_REPORT_STATS_H
#define HOOK_REPORT_STATS_H

#include "hook/report/rows.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

/* Bytes of the longest output. */
#define STATS_MAX (256u << 20)

/* How a table is written. */
struct stats_form {
	bool json;
	unsigned width; /* columns of the terminal, for charts; 0: none are drawn */
	size_t most;    /* how many lines at most; 0: all */
};

/* Which builds, and in which order. */
enum stats_list { STATS_SLOWEST, STATS_HUNGRIEST, STATS_FAILED };

/* Append a line for each package: how many builds, median and worst. The most time comes first. */
int stats_groups(const struct rows *rows, const struct stats_form *form, struct buf *b,
		 struct err *e) MUST_CHECK;
/* Append a line for each build of a list. As JSON these are the journal's own objects. */
int stats_builds(const struct rows *rows, enum stats_list which, const struct stats_form *form,
		 struct buf *b, struct err *e) MUST_CHECK;

#endif

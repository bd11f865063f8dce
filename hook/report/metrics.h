/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/report/metrics.h: counters of builds in the text format of Prometheus.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/. No counter has a label whose values
 * builds choose, so their number is fixed.
 *
 * The file for node_exporter's textfile collector is its own memory: each build reads it, adds
 * itself and replaces it by rename(2). So counters only go up, also when the machine restarts or
 * the journal is rotated, and a build costs the same however many there were.
 */
#ifndef HOOK_REPORT_METRICS_H
#define HOOK_REPORT_METRICS_H

#include "hook/conf/conf.h"
#include "hook/report/report.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

/* Bytes of all of it. */
#define METRICS_MAX (64u << 10)
/* Most series; the table in metrics.c has fewer. */
#define METRICS_SERIES_MAX 64

struct metrics {
	uint64_t n[METRICS_SERIES_MAX]; /* by their place in the table; times in microseconds */
};

void metrics_add(struct metrics *m, const struct report *r);
int metrics_print(const struct metrics *m, struct buf *b, struct err *e) MUST_CHECK;
/* Set M to what LEN bytes of TEXT, once printed, have. What is not understood there is 0. */
void metrics_parse(const char *text, size_t len, struct metrics *m);
/* Add R to the `metrics-file` of C, if there is to be one. An error is for a warning. */
int metrics_update(const struct conf *c, const struct report *r, struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/report/timeline.h: a picture of what ran when.
 *
 * Static SVG without script: time goes to the right, each slot has a line on which its builds are
 * bars; below it stand how many builds waited, and how much memory the running ones had together at
 * most (the sum of their peaks, as nobody knows when each had its own). A bar tells its build where
 * the pointer rests on it (<title>).
 */
#ifndef HOOK_REPORT_TIMELINE_H
#define HOOK_REPORT_TIMELINE_H

#include "hook/report/rows.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

#define TIMELINE_MAX (256u << 20)

/* Append the picture. No builds at all: ERR_INPUT. */
int timeline_svg(const struct rows *rows, struct buf *b, struct err *e) MUST_CHECK;

#endif

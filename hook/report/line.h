/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/report/line.h: the line that a build's log ends with.
 *
 *	nix-oci-hook: cpu 728.9s in 812.0s, peak memory 2.0 GiB of 4.0 GiB, read 1.1 GiB,
 *	wrote 344 MiB, waited 12.0s for memory
 */
#ifndef HOOK_REPORT_LINE_H
#define HOOK_REPORT_LINE_H

#include "hook/conf/conf.h"
#include "hook/report/report.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

/* Bytes of the longest line. */
#define REPORT_LINE_MAX 512

/* Whether the log of a build that ended so gets the line (key `report`). */
bool report_line_wanted(const struct conf *c, enum report_end end);
/* Append the line, with its line feed. It has only what is known of R; nothing, if nothing ran. */
int report_line(const struct report *r, struct buf *b, struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/report/human.h: sizes and times as people read them.
 */
#ifndef HOOK_REPORT_HUMAN_H
#define HOOK_REPORT_HUMAN_H

#include <stdint.h>

/* Room for each text below. */
#define HUMAN_MAX 32

/* "344 MiB", "2.0 GiB", "17 B". Returns RET. */
const char *human_bytes(uint64_t n, char ret[static HUMAN_MAX]);
/* "0.31s", "728.9s", "3h02m". Returns RET. */
const char *human_time(uint64_t us, char ret[static HUMAN_MAX]);
/* "2026-11-30 14:05:09", in local time. Returns RET. */
const char *human_date(uint64_t us_since_1970, char ret[static HUMAN_MAX]);

#endif

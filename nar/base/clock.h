/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/clock.h: the clock by which durations are measured.
 */
#ifndef NAR_BASE_CLOCK_H
#define NAR_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Return the time in milliseconds of a clock that nobody sets (CLOCK_MONOTONIC). */
static inline int64_t clock_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif

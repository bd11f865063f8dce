/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/clock.h: how long things take.
 */
#ifndef NAR_BASE_CLOCK_H
#define NAR_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of a clock that only goes on. */
static inline int64_t clock_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/clock.h: how long things take, and when they were.
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

static inline uint64_t clock_timespec_us(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_nsec / 1000;
}

/* Microseconds of a clock that only goes on. */
static inline uint64_t clock_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return clock_timespec_us(&t);
}

/* Microseconds since 1970, as people and files have them. */
static inline uint64_t clock_real_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return clock_timespec_us(&t);
}

#endif

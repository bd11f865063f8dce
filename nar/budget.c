/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/budget.h"

#include <inttypes.h>
#include <poll.h>
#include <sys/statvfs.h>

#include "nar/base/clock.h"

#include "nar/base/banned.h"

/* Not for each entry: an entry may take a microsecond, and a poll(2) takes half of one. */
#define LOOK_EVERY_MS 10
/* One part in SPARE_PART of a file system is left to its other users. */
#define SPARE_PART 32

int budget_check(struct budget *b, struct err *e)
{
	if (!b || (b->stop_fd < 0 && !b->deadline_ms))
		return 0;
	const int64_t now_ms = clock_now_ms();
	if (b->deadline_ms && now_ms >= b->deadline_ms) {
		b->timed_out = true;
		return err_set(e, ERR_BUILD, "timed out");
	}
	if (b->stop_fd < 0 || now_ms - b->looked_ms < LOOK_EVERY_MS)
		return 0;
	struct pollfd p = {b->stop_fd, POLLIN, 0};
	b->looked_ms = now_ms;
	return poll(&p, 1, 0) > 0 ? err_set(e, ERR_STOPPED, "stopped") : 0;
}

int budget_spend(struct budget *b, uint64_t n_bytes, struct err *e)
{
	if (!b)
		return 0;
	if (n_bytes > b->left_bytes)
		return err_set(e, ERR_LIMIT, "the copy needs more space than is free on its disk");
	b->left_bytes -= n_bytes;
	return 0;
}

int budget_fit_disk(struct budget *b, int fd, const char *what, struct err *e)
{
	struct statvfs st;

	if (fstatvfs(fd, &st) < 0)
		return err_sys(e, "getting status of the file system of '%s'", what);
	const uint64_t spare = (uint64_t)st.f_blocks / SPARE_PART;
	const uint64_t blocks = st.f_bavail > spare ? st.f_bavail - spare : 0;
	uint64_t free_bytes;
	/* Some file systems, such as those in memory, give no size at all: no limit then. */
	if (!st.f_blocks || __builtin_mul_overflow(blocks, (uint64_t)st.f_frsize, &free_bytes))
		return 0;
	if (b->left_bytes > free_bytes)
		b->left_bytes = free_bytes;
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/report/line.h"

#include "hook/report/human.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Shorter waits and smaller amounts are not worth a reader's time. */
#define WAIT_WORTH_US 100000
#define BYTES_WORTH 4096

/* Stopped: nobody reads it. */
bool report_line_wanted(const struct conf *c, enum report_end end)
{
	switch (c->report) {
	case REPORT_LINE_OFF:
		return false;
	case REPORT_LINE_FAILED:
		return report_failed(end);
	case REPORT_LINE_ALWAYS:
		break;
	}
	return end != REPORT_STOPPED;
}

static int add_times(const struct report *r, struct buf *b, struct err *e)
{
	char wall[HUMAN_MAX], cpu[HUMAN_MAX];
	/* What was waited for is said by itself. */
	const uint64_t us =
		report_knows(r, REPORT_BUILD_US) ? r->n[REPORT_BUILD_US] : r->n[REPORT_WALL_US];

	if (report_knows(r, REPORT_CPU_USER_US) && report_knows(r, REPORT_CPU_SYSTEM_US)) {
		const uint64_t sum = r->n[REPORT_CPU_USER_US] + r->n[REPORT_CPU_SYSTEM_US];

		if (buf_addf(b, e, ", cpu %s", human_time(sum, cpu)) < 0)
			return -1;
		return us == REPORT_UNKNOWN ? 0 : buf_addf(b, e, " in %s", human_time(us, wall));
	}
	return us == REPORT_UNKNOWN ? 0 : buf_addf(b, e, ", time %s", human_time(us, wall));
}

static int add_memory(const struct report *r, struct buf *b, struct err *e)
{
	const bool all = report_knows(r, REPORT_MEMORY_PEAK_BYTES);
	const enum report_number what = all ? REPORT_MEMORY_PEAK_BYTES : REPORT_LARGEST_PROC_BYTES;
	char text[HUMAN_MAX];

	if (report_knows(r, what) &&
	    buf_addf(b, e, ", %s %s", all ? "peak memory" : "largest process",
		     human_bytes(r->n[what], text)) < 0)
		return -1;
	if (report_knows(r, what) && report_knows(r, REPORT_MEMORY_MAX_BYTES) &&
	    buf_addf(b, e, " of %s", human_bytes(r->n[REPORT_MEMORY_MAX_BYTES], text)) < 0)
		return -1;
	return 0;
}

static int add_bytes(const struct report *r, enum report_number which, const char *what,
		     struct buf *b, struct err *e)
{
	char text[HUMAN_MAX];

	if (!report_knows(r, which) || r->n[which] < BYTES_WORTH)
		return 0;
	return buf_addf(b, e, ", %s %s", what, human_bytes(r->n[which], text));
}

static int add_wait(const struct report *r, enum report_number which, const char *what,
		    struct buf *b, struct err *e)
{
	char text[HUMAN_MAX];

	if (!report_knows(r, which) || r->n[which] < WAIT_WORTH_US)
		return 0;
	return buf_addf(b, e, ", waited %s for %s", human_time(r->n[which], text), what);
}

static int add_tries(const struct report *r, struct buf *b, struct err *e)
{
	if (!report_knows(r, REPORT_TRIES) || r->n[REPORT_TRIES] < 2)
		return 0;
	return buf_addf(b, e, ", %llu tries", (unsigned long long)r->n[REPORT_TRIES]);
}

/* Whether anything is known of what ran: a build that was refused before its start cost nothing. */
static bool knows_cost(const struct report *r)
{
	return report_knows(r, REPORT_CPU_USER_US) || report_knows(r, REPORT_MEMORY_PEAK_BYTES) ||
	       report_knows(r, REPORT_LARGEST_PROC_BYTES);
}

int report_line(const struct report *r, struct buf *b, struct err *e)
{
	scoped_buf struct buf parts = BUF_INIT(REPORT_LINE_MAX);

	if (!knows_cost(r))
		return 0;
	if (add_times(r, &parts, e) < 0 || add_memory(r, &parts, e) < 0 ||
	    add_bytes(r, REPORT_SWAP_PEAK_BYTES, "peak swap", &parts, e) < 0 ||
	    add_bytes(r, REPORT_IO_READ_BYTES, "read", &parts, e) < 0 ||
	    add_bytes(r, REPORT_IO_WRITTEN_BYTES, "wrote", &parts, e) < 0 ||
	    add_wait(r, REPORT_WAIT_SLOT_US, "a slot", &parts, e) < 0 ||
	    add_wait(r, REPORT_WAIT_MEMORY_US, "memory", &parts, e) < 0 ||
	    add_wait(r, REPORT_WAIT_INPUTS_US, "inputs", &parts, e) < 0 ||
	    add_tries(r, &parts, e) < 0)
		return -1;
	return buf_addf(b, e, "nix-oci-hook: %s\n", parts.data + 2);
}

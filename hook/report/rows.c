/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/report/rows.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hook/report/journal.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Make room by dropping the older half. */
static void drop_half(struct rows *rows)
{
	const size_t half = rows->n / 2;

	for (size_t i = 0; i < half; i++)
		report_done(&rows->items[i]);
	memmove(rows->items, rows->items + half, (rows->n - half) * sizeof *rows->items);
	rows->n -= half;
	rows->dropped += half;
}

static int take_row(void *ctx, struct report *r, struct err *e)
{
	struct rows *rows = ctx;
	const uint64_t wall = report_knows(r, REPORT_WALL_US) ? r->n[REPORT_WALL_US] : 0;

	if (r->text[REPORT_FORGET] || r->n[REPORT_START_US] + wall < rows->since_us ||
	    (rows->nix_pid != REPORT_UNKNOWN && r->n[REPORT_NIX_PID] != rows->nix_pid))
		return 0;
	if (rows->n >= ROWS_MAX)
		drop_half(rows);
	if (mem_grow(&rows->items, &rows->cap, rows->n + 1, sizeof *rows->items, e) < 0)
		return -1;
	rows->items[rows->n++] = *r;
	report_init(r);
	return 0;
}

int rows_read(struct rows *rows, const char *path, struct err *e)
{
	return journal_read(path, take_row, rows, &rows->skipped, e);
}

void rows_done(struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		report_done(&rows->items[i]);
	free(rows->items);
	*rows = (struct rows)ROWS_INIT;
}

uint64_t row_waited_us(const struct report *r)
{
	static const enum report_number waits[] = {REPORT_WAIT_SLOT_US, REPORT_WAIT_MEMORY_US};
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
		if (report_knows(r, waits[i]))
			sum += r->n[waits[i]];
	return sum;
}

uint64_t row_work_us(const struct report *r)
{
	const uint64_t waited = row_waited_us(r);

	if (!report_knows(r, REPORT_WALL_US))
		return r->n[REPORT_BUILD_US];
	return r->n[REPORT_WALL_US] > waited ? r->n[REPORT_WALL_US] - waited : 0;
}

uint64_t row_memory(const struct report *r, bool *ret_at_least)
{
	*ret_at_least = !report_knows(r, REPORT_MEMORY_PEAK_BYTES);
	return r->n[*ret_at_least ? REPORT_LARGEST_PROC_BYTES : REPORT_MEMORY_PEAK_BYTES];
}

uint64_t row_cpu_us(const struct report *r)
{
	if (!report_knows(r, REPORT_CPU_USER_US) || !report_knows(r, REPORT_CPU_SYSTEM_US))
		return REPORT_UNKNOWN;
	return r->n[REPORT_CPU_USER_US] + r->n[REPORT_CPU_SYSTEM_US];
}

/* ---- --since ---- */

/* "2h" */
static bool parse_ago(const char *text, size_t len, uint64_t now_us, uint64_t *ret_us)
{
	static const char units[] = "smhd";
	static const uint64_t seconds[] = {1, 60, 3600, 86400};
	const char *unit = strchr(units, text[len - 1]);
	uint64_t n;

	if (!unit || !num_parse_u64(text, len - 1, 100000000, &n))
		return false;
	const uint64_t us = n * seconds[unit - units] * 1000000;
	*ret_us = us < now_us ? now_us - us : 0;
	return true;
}

static bool parse_date(const char *text, uint64_t *ret_us)
{
	static const char *const formats[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S",
					      "%Y-%m-%dT%H:%M:%S"};

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct tm tm = {.tm_isdst = -1};
		const char *end = strptime(text, formats[i], &tm);

		if (!end || *end)
			continue;
		const time_t t = mktime(&tm);
		if (t < 0)
			return false;
		*ret_us = (uint64_t)t * 1000000;
		return true;
	}
	return false;
}

bool rows_parse_since(const char *text, uint64_t now_us, uint64_t *ret_us)
{
	const size_t len = strlen(text);
	uint64_t seconds;

	if (!len)
		return false;
	if (text[0] == '@') {
		if (!num_parse_u64(text + 1, len - 1, INT64_MAX / 1000000, &seconds))
			return false;
		*ret_us = seconds * 1000000;
		return true;
	}
	return parse_ago(text, len, now_us, ret_us) || parse_date(text, ret_us);
}

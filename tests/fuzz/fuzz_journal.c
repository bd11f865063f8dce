/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal: whatever is in the file, each line is a report or is counted as skipped; in which
 * pieces it is read makes no difference; and what was read prints, and reads and prints the same.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "hook/report/journal.h"
#include "hook/report/line.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

static int check_report(void *ctx, struct report *r, struct err *e)
{
	scoped_buf struct buf one = BUF_INIT(2 * REPORT_JSON_MAX), two = one;
	scoped_buf struct buf line = BUF_INIT(REPORT_LINE_MAX);
	scoped_report struct report again = REPORT_INIT;
	size_t *n = ctx, len;

	++*n;
	FUZZ_CHECK(report_print(r, &one, e) == 0);
	FUZZ_CHECK(memchr(one.data, '\n', one.len) == one.data + one.len - 1);
	/* Blanks and escapes may make it longer than it came. */
	if (one.len <= REPORT_JSON_MAX) {
		FUZZ_CHECK(report_parse(one.data, one.len - 1, &again, e) == 0);
		FUZZ_CHECK(report_print(&again, &two, e) == 0);
		FUZZ_CHECK(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
	}
	FUZZ_CHECK(report_line(r, &line, e) == 0);
	FUZZ_CHECK(report_group(r, &len) && len > 0);
	return 0;
}

/* How many reports there are, and how many lines that are none. */
static void read_in(const char *data, size_t size, size_t piece, size_t *ret, uint64_t *ret_skipped)
{
	scoped_journal_reader struct journal_reader j = JOURNAL_READER_INIT(check_report, ret);
	struct err e = ERR_INIT;

	*ret = 0;
	for (size_t at = 0; at < size; at += piece)
		FUZZ_CHECK(journal_reader_feed(&j, data + at, piece < size - at ? piece : size - at,
					       &e) == 0);
	FUZZ_CHECK(j.line.len <= REPORT_JSON_MAX);
	journal_reader_end(&j);
	*ret_skipped = j.skipped;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	size_t whole, pieces, lines = 1;
	uint64_t skipped, skipped_pieces;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	read_in(text, size, size ? size : 1, &whole, &skipped);
	read_in(text, size, 7, &pieces, &skipped_pieces);
	FUZZ_CHECK(whole == pieces && skipped == skipped_pieces);
	FUZZ_CHECK(whole + skipped <= lines);
	return 0;
}

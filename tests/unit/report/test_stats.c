/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/report/stats.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "hook/report/journal.h"
#include "hook/report/metrics.h"
#include "hook/report/timeline.h"
#include "tests/unit/tmpdir.h"

#define START 1764500000000000
#define S 1000000

/* Append a build that began AT seconds after START, waited WAITED and worked SECONDS. */
static struct report *add(struct rows *rows, const char *name, unsigned at, unsigned waited,
			  unsigned seconds)
{
	struct err e = ERR_INIT;

	assert_ok(&e, mem_grow(&rows->items, &rows->cap, rows->n + 1, sizeof *rows->items, &e));
	struct report *r = &rows->items[rows->n++];
	report_init(r);
	assert_ok(&e, report_set_text(r, REPORT_DERIVATION, "/nix/store/x.drv", &e));
	assert_ok(&e, report_set_text(r, REPORT_NAME, name, &e));
	r->n[REPORT_START_US] = START + (uint64_t)at * S;
	r->n[REPORT_WAIT_SLOT_US] = (uint64_t)waited * S;
	r->n[REPORT_WALL_US] = (uint64_t)(waited + seconds) * S;
	r->end = REPORT_SUCCESS;
	return r;
}

static void some_builds(struct rows *rows)
{
	struct report *r;
	struct err e = ERR_INIT;

	add(rows, "hello-1", 0, 0, 3)->n[REPORT_MEMORY_PEAK_BYTES] = 100 << 20;
	add(rows, "hello-2", 1, 5, 1)->n[REPORT_MEMORY_PEAK_BYTES] = 300 << 20;
	r = add(rows, "hello-2.1", 2, 0, 2);
	r->n[REPORT_MEMORY_PEAK_BYTES] = 200 << 20;
	r->end = REPORT_EXITED;
	assert_ok(&e, report_set_text(r, REPORT_MESSAGE, "it is <broken> & \"bad\"", &e));
	add(rows, "big-1", 3, 0, 100)->n[REPORT_LARGEST_PROC_BYTES] = 5 << 20;
	add(rows, "zz", 4, 0, 0);
}

static void table_is(const struct rows *rows, const struct stats_form *f, const char *wanted)
{
	scoped_buf struct buf b = BUF_INIT(STATS_MAX);
	struct err e = ERR_INIT;

	assert_ok(&e, stats_groups(rows, f, &b, &e));
	assert_string_equal(b.data, wanted);
}

static void a_package_has_a_line(void **state)
{
	scoped_rows struct rows rows = ROWS_INIT;

	some_builds(&rows);
	table_is(&rows, &(struct stats_form){0},
		 "PACKAGE                      BUILDS FAILED   MEDIAN    WORST     MEMORY      "
		 "WORST\n"
		 "big                               1      0   100.0s   100.0s   >5.0 MiB   >5.0 "
		 "MiB\n"
		 "hello                             3      1    2.00s    3.00s    200 MiB    300 "
		 "MiB\n"
		 "zz                                1      0    0.00s    0.00s          -          "
		 "-\n");
	table_is(
		&rows, &(struct stats_form){.json = true, .most = 2},
		"[\n"
		"    {\"package\": \"big\", \"builds\": 1, \"failed\": 0, \"total_us\": 100000000, "
		"\"median_us\": 100000000, \"worst_us\": 100000000, "
		"\"median_memory_bytes\": 5242880, \"worst_memory_bytes\": 5242880, "
		"\"memory_at_least\": true},\n"
		"    {\"package\": \"hello\", \"builds\": 3, \"failed\": 1, \"total_us\": 6000000, "
		"\"median_us\": 2000000, \"worst_us\": 3000000, "
		"\"median_memory_bytes\": 209715200, \"worst_memory_bytes\": 314572800, "
		"\"memory_at_least\": false}\n"
		"]\n");
}

static void a_terminal_has_a_chart(void **state)
{
	scoped_rows struct rows rows = ROWS_INIT;
	scoped_buf struct buf b = BUF_INIT(STATS_MAX);
	struct err e = ERR_INIT;

	some_builds(&rows);
	assert_ok(&e, stats_groups(&rows, &(struct stats_form){.width = 100}, &b, &e));
	assert_non_null(strstr(b.data, "   >5.0 MiB ################\n"));
	assert_non_null(strstr(b.data, "    300 MiB #\n"));
	buf_reset(&b);
	assert_ok(&e, stats_groups(&rows, &(struct stats_form){.width = 85}, &b, &e));
	assert_null(strchr(b.data, '#'));
}

/* The names in a list of builds, in their order. */
static void list_is(const struct rows *rows, enum stats_list which, size_t most, const char *wanted)
{
	scoped_buf struct buf b = BUF_INIT(STATS_MAX), names = BUF_INIT(1000);
	struct err e = ERR_INIT;

	assert_ok(&e, stats_builds(rows, which, &(struct stats_form){.most = most}, &b, &e));
	for (char *line = strchr(b.data, '\n') + 1; *line; line = strchr(line, '\n') + 1)
		assert_ok(&e,
			  buf_addf(&names, &e, "%.*s;", (int)strcspn(line + 49, "\n"), line + 49));
	assert_string_equal(names.data ? names.data : "", wanted);
}

static void builds_are_listed_in_order(void **state)
{
	scoped_rows struct rows rows = ROWS_INIT;

	list_is(&rows, STATS_SLOWEST, 0, "");
	some_builds(&rows);
	add(&rows, "worse-1", 9, 0, 1)->end = REPORT_OOM;
	add(&rows, "stopped", 10, 0, 1)->end = REPORT_STOPPED;
	list_is(&rows, STATS_SLOWEST, 3, "big-1;hello-1;hello-2.1;");
	list_is(&rows, STATS_HUNGRIEST, 4, "hello-2;hello-2.1;hello-1;big-1;");
	list_is(&rows, STATS_FAILED, 0, "worse-1;hello-2.1: it is <broken> & \"bad\";");
}

static void since_is(const char *text, uint64_t wanted)
{
	uint64_t us;

	assert_true(rows_parse_since(text, START, &us));
	assert_true(us == wanted);
}

static void times_are_read(void **state)
{
	static const char *const bad[] = {"",
					  "x",
					  "h",
					  "2",
					  "-2h",
					  "2026-13-01",
					  "@",
					  "@x",
					  "2hh",
					  "2026-11-30 25:00",
					  "99999999999999999999d"};
	uint64_t us;

	setenv("TZ", "UTC", 1);
	tzset();
	since_is("2h", START - UINT64_C(7200) * S);
	since_is("30m", START - UINT64_C(1800) * S);
	since_is("7d", START - UINT64_C(604800) * S);
	since_is("100000000d", 0);
	since_is("@12", 12 * S);
	since_is("1970-01-02", UINT64_C(86400) * S);
	since_is("1970-01-02 00:01", UINT64_C(86460) * S);
	since_is("1970-01-02T00:01:02", UINT64_C(86462) * S);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(rows_parse_since(bad[i], START, &us));
}

static void rows_are_what_ended_since(void **state)
{
	scoped_rows struct rows all = ROWS_INIT, some = ROWS_INIT;
	static char path[64];
	const struct conf conf = {.journal = path, .journal_size = 1 << 20};
	struct err e = ERR_INIT;

	snprintf(path, sizeof path, "%s/rows.jsonl", dir);
	some_builds(&all);
	all.items[1].n[REPORT_NIX_PID] = 7;
	for (size_t i = 0; i < all.n; i++)
		assert_ok(&e, journal_append(&conf, &all.items[i], &e));
	assert_ok(&e, journal_forget(&conf, "hello", &e));
	some.since_us = START + 5 * S;
	assert_ok(&e, rows_read(&some, path, &e));
	assert_int_equal(some.n, 2);
	assert_string_equal(some.items[1].text[REPORT_NAME], "big-1");
	rows_done(&some);
	some.nix_pid = 7;
	assert_ok(&e, rows_read(&some, path, &e));
	assert_int_equal(some.n, 1);
}

/* ---- counters ---- */

static char *metrics_of(const struct rows *rows)
{
	scoped_buf struct buf b = BUF_INIT(METRICS_MAX);
	struct err e = ERR_INIT;
	struct metrics m = {{0}};

	for (size_t i = 0; i < rows->n; i++)
		metrics_add(&m, &rows->items[i]);
	assert_ok(&e, metrics_print(&m, &b, &e));
	return buf_steal(&b, &e);
}

static void counters_add_up(void **state)
{
	static const char *const lines[] = {
		"\nnix_oci_hook_builds_total{end=\"success\"} 4\n",
		"\nnix_oci_hook_builds_total{end=\"exit\"} 1\n",
		"\nnix_oci_hook_builds_total{end=\"oom\"} 0\n",
		"\nnix_oci_hook_wait_seconds_total{for=\"slot\"} 5.000000\n",
		"\n# TYPE nix_oci_hook_build_seconds histogram\n",
		"\nnix_oci_hook_build_seconds_bucket{le=\"1\"} 2\n",
		"\nnix_oci_hook_build_seconds_bucket{le=\"10\"} 4\n",
		"\nnix_oci_hook_build_seconds_bucket{le=\"+Inf\"} 5\n",
		"\nnix_oci_hook_build_seconds_sum 106.000000\n",
		"\nnix_oci_hook_build_seconds_count 5\n",
		"\nnix_oci_hook_build_memory_bytes_bucket{le=\"268435456\"} 2\n",
		"\nnix_oci_hook_build_memory_bytes_count 3\n",
		"\nnix_oci_hook_last_end_timestamp_seconds 1764500103.000000\n",
	};
	scoped_rows struct rows rows = ROWS_INIT;

	some_builds(&rows);
	scoped_free char *text = metrics_of(&rows);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("no '%s' in: %s", lines[i], text);
}

static void counters_are_read_as_they_are_printed(void **state)
{
	scoped_rows struct rows rows = ROWS_INIT;
	scoped_buf struct buf b = BUF_INIT(METRICS_MAX);
	struct err e = ERR_INIT;
	struct metrics m;

	some_builds(&rows);
	scoped_free char *text = metrics_of(&rows);
	metrics_parse(text, strlen(text), &m);
	assert_ok(&e, metrics_print(&m, &b, &e));
	assert_string_equal(b.data, text);
	/* What is not understood counts for nothing. */
	static const char odd[] = "nix_oci_hook_retries_total x\nnix_oci_hook_retries_total\n"
				  "nix_oci_hook_build_seconds_sum 1.5\nother 7";
	metrics_parse(odd, sizeof odd - 1, &m);
	for (size_t i = 0; i < METRICS_SERIES_MAX; i++)
		assert_true(m.n[i] == 0);
}

static void eight_processes_count_in_one_file(void **state)
{
	enum { PROCESSES = 8, EACH = 25 };
	static char path[64];
	const struct conf conf = {.metrics_file = path};
	scoped_buf struct buf b = BUF_INIT(METRICS_MAX);
	scoped_rows struct rows rows = ROWS_INIT;
	struct err e = ERR_INIT;

	snprintf(path, sizeof path, "%s/nix.prom", dir);
	add(&rows, "a", 0, 0, 1);
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0) {
			for (int j = 0; j < EACH; j++)
				if (metrics_update(&conf, &rows.items[0], &e) < 0)
					_exit(1);
			_exit(0);
		}
	for (int i = 0, status; i < PROCESSES; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_ok(&e, io_read_file(dirfd_, "nix.prom", &b, &e));
	assert_non_null(strstr(b.data, "\nnix_oci_hook_builds_total{end=\"success\"} 200\n"));
	assert_int_equal(faccessat(dirfd_, "nix.prom.new", F_OK, 0), -1);
}

static void says_why_the_file_cannot_be_written(void **state)
{
	const struct conf none = {.metrics_file = (char *)(uintptr_t) "/proc/none/nix.prom"};
	const struct conf device = {.metrics_file = (char *)(uintptr_t) "/dev/null"};
	scoped_rows struct rows rows = ROWS_INIT;
	struct err e = ERR_INIT;

	add(&rows, "a", 0, 0, 1);
	assert_err(&e, metrics_update(&none, &rows.items[0], &e), "'metrics-file'");
	assert_err(&e, metrics_update(&device, &rows.items[0], &e), "not a regular file");
}

/* ---- the picture ---- */

static void count_is(const char *text, const char *what, unsigned wanted)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	if (n != wanted)
		fail_msg("%u times '%s', expected %u", n, what, wanted);
}

static void timeline_has_a_bar_for_each_build(void **state)
{
	scoped_buf struct buf b = BUF_INIT(TIMELINE_MAX);
	scoped_rows struct rows rows = ROWS_INIT;
	struct err e = ERR_INIT;

	assert_err(&e, timeline_svg(&rows, &b, &e), "there are no builds");
	some_builds(&rows);
	add(&rows, "<&>\"'\xef\xbf\xbe", 20, 0, 50)->n[REPORT_SLOT] = 3;
	assert_ok(&e, timeline_svg(&rows, &b, &e));
	count_is(b.data, "<g><rect class=", 6);
	count_is(b.data, "<g><rect class=\"bad\"", 1);
	count_is(b.data, "&lt;&amp;&gt;\"'?", 2);
	count_is(b.data, ">slot 3<", 1);
	count_is(b.data, "<script", 0);
	count_is(b.data, "waited 5.00s", 1);
}

static void timeline_takes_any_time_and_slot(void **state)
{
	scoped_buf struct buf b = BUF_INIT(TIMELINE_MAX);
	scoped_rows struct rows rows = ROWS_INIT;
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < 2000; i++) {
		struct report *r = add(&rows, "x", 0, i % 3, 10);

		r->n[REPORT_SLOT] = i % 5 ? INT64_MAX : i;
		r->n[REPORT_MEMORY_PEAK_BYTES] = i % 7 ? INT64_MAX : 5;
	}
	rows.items[1].n[REPORT_WALL_US] = REPORT_UNKNOWN;
	rows.items[2].n[REPORT_START_US] = 0;
	rows.items[3].n[REPORT_WALL_US] = 0;
	rows.items[4].n[REPORT_START_US] = INT64_MAX;
	rows.items[4].n[REPORT_WALL_US] = INT64_MAX;
	assert_ok(&e, timeline_svg(&rows, &b, &e));
	count_is(b.data, "<g><rect class=", 1999);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_package_has_a_line),
		cmocka_unit_test(a_terminal_has_a_chart),
		cmocka_unit_test(builds_are_listed_in_order),
		cmocka_unit_test(times_are_read),
		cmocka_unit_test(rows_are_what_ended_since),
		cmocka_unit_test(counters_add_up),
		cmocka_unit_test(counters_are_read_as_they_are_printed),
		cmocka_unit_test(eight_processes_count_in_one_file),
		cmocka_unit_test(says_why_the_file_cannot_be_written),
		cmocka_unit_test(timeline_has_a_bar_for_each_build),
		cmocka_unit_test(timeline_takes_any_time_and_slot),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("stats", tests, setup, teardown);
}

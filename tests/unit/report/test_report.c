/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/report/report.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "hook/report/human.h"
#include "hook/report/line.h"
#include "hook/report/phases.h"
#include "nar/base/scope.h"

static void set(struct report *r, enum report_text which, const char *s)
{
	struct err e = ERR_INIT;

	assert_ok(&e, report_set_text(r, which, s, &e));
}

/* A report of which something of each kind is known. */
static void fill(struct report *r)
{
	struct err e = ERR_INIT;

	report_init(r);
	set(r, REPORT_DERIVATION, "/nix/store/00000000000000000000000000000000-hello-2.12.drv");
	set(r, REPORT_NAME, "hello-2.12");
	set(r, REPORT_SYSTEM, "x86_64-linux");
	r->end = REPORT_SUCCESS;
	r->n[REPORT_START_US] = 1764500000000000;
	r->n[REPORT_WALL_US] = 812000000;
	r->n[REPORT_CPU_USER_US] = 700000000;
	r->n[REPORT_CPU_SYSTEM_US] = 28900000;
	r->n[REPORT_MEMORY_PEAK_BYTES] = UINT64_C(2) << 30;
	r->n[REPORT_EXIT_CODE] = 0;
	assert_ok(&e, strv_add(&r->outputs, "out", &e));
	assert_ok(&e, report_add_phase(r, "buildPhase", 17, &e));
}

static char *print(const struct report *r)
{
	scoped_buf struct buf b = BUF_INIT(REPORT_JSON_MAX);
	struct err e = ERR_INIT;

	assert_ok(&e, report_print(r, &b, &e));
	return buf_steal(&b, &e);
}

static void is_one_line_of_json(void **state)
{
	scoped_report struct report r = REPORT_INIT;

	fill(&r);
	scoped_free char *line = print(&r);
	assert_string_equal(
		line,
		"{\"version\": 1, "
		"\"derivation\": \"/nix/store/00000000000000000000000000000000-hello-2.12.drv\", "
		"\"name\": \"hello-2.12\", \"system\": \"x86_64-linux\", \"outputs\": [\"out\"], "
		"\"end\": \"success\", \"start_us\": 1764500000000000, \"wall_us\": 812000000, "
		"\"cpu_user_us\": 700000000, \"cpu_system_us\": 28900000, "
		"\"memory_peak_bytes\": 2147483648, \"exit_code\": 0, "
		"\"phases\": [{\"phase\": \"buildPhase\", \"us\": 17}]}\n");
}

static void what_is_read_prints_the_same(void **state)
{
	scoped_report struct report r = REPORT_INIT, again = REPORT_INIT;
	struct err e = ERR_INIT;

	fill(&r);
	scoped_free char *line = print(&r);
	assert_ok(&e, report_parse(line, strlen(line), &again, &e));
	scoped_free char *second = print(&again);
	assert_string_equal(line, second);
	assert_false(report_knows(&again, REPORT_SWAP_PEAK_BYTES));
}

static void refuse(const char *json, const char *why)
{
	scoped_report struct report r = REPORT_INIT;
	struct err e = ERR_INIT;

	assert_err(&e, report_parse(json, strlen(json), &r, &e), why);
	assert_null(r.text[REPORT_DERIVATION]);
}

static void refuses_what_is_no_report(void **state)
{
	refuse("", "JSON");
	refuse("[]", "'version'");
	refuse("{\"version\": 2}", "of version 2");
	refuse("{\"version\": 1}", "'derivation'");
	refuse("{\"version\": 1, \"derivation\": 3}", "'derivation'");
	refuse("{\"version\": 1, \"derivation\": \"a\\u0007\"}", "'derivation'");
	refuse("{\"version\": 1, \"derivation\": \"a\"}", "'start_us'");
	refuse("{\"version\": 1, \"derivation\": \"a\", \"start_us\": -1}", "'start_us'");
	refuse("{\"version\": 1, \"derivation\": \"a\", \"start_us\": 1}", "'end'");
	refuse("{\"version\": 1, \"derivation\": \"a\", \"start_us\": 1, \"end\": \"x\"}", "'end'");
	refuse("{\"version\": 1, \"derivation\": \"a\", \"start_us\": 1, \"end\": \"oom\", "
	       "\"wall_us\": 18446744073709551615}",
	       "'wall_us'");
	refuse("{\"version\": 1, \"derivation\": \"a\", \"start_us\": 1, \"end\": \"oom\", "
	       "\"phases\": [{\"phase\": \"x\"}]}",
	       "'phases'");
}

static void ignores_keys_that_it_does_not_know(void **state)
{
	static const char json[] = "{\"version\": 1, \"derivation\": \"a\", \"start_us\": 1, "
				   "\"end\": \"oom\", \"new\": {\"x\": [1]}}";
	scoped_report struct report r = REPORT_INIT;
	struct err e = ERR_INIT;

	assert_ok(&e, report_parse(json, sizeof json - 1, &r, &e));
	assert_int_equal(r.end, REPORT_OOM);
}

static void takes_no_strange_texts(void **state)
{
	scoped_report struct report r = REPORT_INIT;
	char longest[2 * REPORT_TEXT_MAX + 2];

	report_init(&r);
	set(&r, REPORT_PNAME, "a\033[2J");
	set(&r, REPORT_NAME, "\xff");
	assert_null(r.text[REPORT_PNAME]);
	assert_null(r.text[REPORT_NAME]);
	set(&r, REPORT_MESSAGE, "one line\nand another");
	assert_string_equal(r.text[REPORT_MESSAGE], "one line");
	/* Two bytes a character, at an odd place: none is cut through. */
	longest[0] = 'x';
	for (size_t i = 1; i + 1 < sizeof longest; i += 2)
		memcpy(longest + i, "\xc3\xa4", 3);
	set(&r, REPORT_MESSAGE, longest);
	assert_int_equal(strlen(r.text[REPORT_MESSAGE]), REPORT_TEXT_MAX - 1);
	assert_true(str_is_utf8(r.text[REPORT_MESSAGE]));
}

static void group_is(const char *name, const char *pname, const char *wanted)
{
	scoped_report struct report r = REPORT_INIT;
	size_t len;

	report_init(&r);
	set(&r, REPORT_NAME, name);
	if (pname)
		set(&r, REPORT_PNAME, pname);
	const char *group = report_group(&r, &len);
	assert_int_equal(len, strlen(wanted));
	assert_memory_equal(group, wanted, len);
}

static void groups_by_pname_or_name_without_version(void **state)
{
	group_is("chromium-143.0.1", NULL, "chromium");
	group_is("chromium-unwrapped-143", NULL, "chromium-unwrapped");
	group_is("python3.12-requests-2.32", NULL, "python3.12-requests");
	group_is("source", NULL, "source");
	group_is("hello-2.12", "hello-world", "hello-world");
	group_is("-1", NULL, "-1");
}

static void line_is(const struct report *r, const char *wanted)
{
	scoped_buf struct buf b = BUF_INIT(REPORT_LINE_MAX);
	struct err e = ERR_INIT;

	assert_ok(&e, report_line(r, &b, &e));
	assert_string_equal(b.data ? b.data : "", wanted);
}

static void line_says_what_is_known(void **state)
{
	scoped_report struct report r = REPORT_INIT;

	report_init(&r);
	line_is(&r, "");
	fill(&r);
	line_is(&r, "nix-oci-hook: cpu 728.9s in 812.0s, peak memory 2.0 GiB\n");
	r.n[REPORT_MEMORY_MAX_BYTES] = UINT64_C(4) << 30;
	r.n[REPORT_IO_READ_BYTES] = 1181116006;
	r.n[REPORT_IO_WRITTEN_BYTES] = 344 << 20;
	r.n[REPORT_WAIT_SLOT_US] = 1000;
	r.n[REPORT_WAIT_MEMORY_US] = 12000000;
	r.n[REPORT_TRIES] = 2;
	line_is(&r, "nix-oci-hook: cpu 728.9s in 812.0s, peak memory 2.0 GiB of 4.0 GiB, "
		    "read 1.1 GiB, wrote 344 MiB, waited 12.0s for memory, 2 tries\n");
	r.n[REPORT_MEMORY_PEAK_BYTES] = r.n[REPORT_CPU_USER_US] = REPORT_UNKNOWN;
	r.n[REPORT_IO_READ_BYTES] = r.n[REPORT_IO_WRITTEN_BYTES] = 0;
	r.n[REPORT_LARGEST_PROC_BYTES] = 5 << 20;
	r.n[REPORT_WAIT_MEMORY_US] = 0;
	line_is(&r, "nix-oci-hook: time 812.0s, largest process 5.0 MiB of 4.0 GiB, 2 tries\n");
	r.n[REPORT_LARGEST_PROC_BYTES] = REPORT_UNKNOWN;
	line_is(&r, "");
}

static void people_read_sizes_and_times(void **state)
{
	char text[HUMAN_MAX];

	assert_string_equal(human_bytes(0, text), "0 B");
	assert_string_equal(human_bytes(1023, text), "1023 B");
	assert_string_equal(human_bytes(1024, text), "1.0 KiB");
	assert_string_equal(human_bytes((1 << 20) - 1, text), "1.0 MiB");
	assert_string_equal(human_bytes(UINT64_MAX, text), "16 EiB");
	assert_string_equal(human_time(0, text), "0.00s");
	assert_string_equal(human_time(9994999, text), "9.99s");
	assert_string_equal(human_time(9995000, text), "10.0s");
	assert_string_equal(human_time(3600000000, text), "1h00m");
	assert_non_null(human_time(UINT64_MAX, text));
	assert_non_null(human_date(UINT64_MAX, text));
}

/* The phases that TEXT has, fed in pieces of N bytes: their names. */
static char *phases_of(const char *text, size_t n)
{
	scoped_report struct report r = REPORT_INIT;
	scoped_buf struct buf b = BUF_INIT(4096);
	struct err e = ERR_INIT;
	struct phases p;

	report_init(&r);
	phases_init(&p, &r);
	for (size_t at = 0, len = strlen(text); at < len; at += n)
		phases_feed(&p, text + at, n < len - at ? n : len - at);
	phases_end(&p);
	assert_int_equal(p.bytes, strlen(text));
	for (size_t i = 0; i < r.n_phases; i++)
		assert_ok(&e, buf_addf(&b, &e, "%s ", r.phases[i].name));
	return b.data ? buf_steal(&b, &e) : strdup("");
}

static void finds_phases_in_the_log(void **state)
{
	static const char text[] =
		"@nix { \"action\": \"setPhase\", \"phase\": \"unpackPhase\" }\n"
		"something @nix { \"action\": \"setPhase\", \"phase\": \"no\" }\n"
		"@nix { \"action\": \"other\", \"phase\": \"no\" }\n"
		"@nix {\n"
		"@@@\n"
		"@nix {\"phase\":\"buildPhase\",\"action\":\"setPhase\"}\n"
		"more";

	for (size_t n = 1; n < sizeof text; n++) {
		scoped_free char *got = phases_of(text, n);
		assert_string_equal(got, "unpackPhase buildPhase ");
	}
}

static void phases_are_bounded(void **state)
{
	scoped_buf struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < 2 * REPORT_PHASES_MAX; i++)
		assert_ok(&e, buf_adds(&b, "@nix {\"action\":\"setPhase\",\"phase\":\"p\"}\n", &e));
	scoped_free char *many = phases_of(b.data, 4096);
	assert_int_equal(strlen(many), 2 * REPORT_PHASES_MAX);
	buf_reset(&b);
	assert_ok(&e, buf_adds(&b, "@nix {\"action\":\"setPhase\",\"phase\":\"", &e));
	for (unsigned i = 0; i < 2 * PHASES_LINE_MAX; i++)
		assert_ok(&e, buf_addc(&b, 'x', &e));
	assert_ok(&e, buf_adds(&b, "\"}\n@nix {\"action\":\"setPhase\",\"phase\":\"q\"}\n", &e));
	for (size_t n = 1; n < 1000; n++) {
		scoped_free char *got = phases_of(b.data, n);
		assert_string_equal(got, "q ");
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_one_line_of_json),
		cmocka_unit_test(what_is_read_prints_the_same),
		cmocka_unit_test(refuses_what_is_no_report),
		cmocka_unit_test(ignores_keys_that_it_does_not_know),
		cmocka_unit_test(takes_no_strange_texts),
		cmocka_unit_test(groups_by_pname_or_name_without_version),
		cmocka_unit_test(line_says_what_is_known),
		cmocka_unit_test(people_read_sizes_and_times),
		cmocka_unit_test(finds_phases_in_the_log),
		cmocka_unit_test(phases_are_bounded),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}

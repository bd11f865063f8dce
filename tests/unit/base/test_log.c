/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <parson.h>

#include "hook/base/log_internal.h"
#include "tests/unit/capture.h"

static void writes_plain_lines_up_to_the_level(void **state)
{
	struct capture c = capture_start();

	log_init(LOG_INFO, LOG_PLAIN);
	log_msg(LOG_INFO, "one %d", 1);
	log_msg(LOG_TALKATIVE, "two");
	log_warn("three");
	capture_end(&c);
	assert_string_equal(c.text, "one 1\nwarning: three\n");
}

static void replaces_control_bytes(void **state)
{
	struct capture c = capture_start();

	log_init(LOG_INFO, LOG_PLAIN);
	log_msg(LOG_INFO, "a\033[1mb\rc\nd\te\177");
	capture_end(&c);
	assert_string_equal(c.text, "a?[1mb?c\nd\te?\n");
}

static void writes_lines_that_nix_parses(void **state)
{
	struct err e = ERR_INIT;
	struct capture c = capture_start();

	log_init(LOG_ERROR, LOG_NIX);
	err_set(&e, ERR_INPUT, "reading \"x\\y\"\nnext");
	log_err(&e);
	capture_end(&c);
	assert_string_equal(c.text, "@nix {\"action\":\"msg\",\"level\":0,"
				    "\"msg\":\"error: reading \\\"x\\\\y\\\"\\n       next\"}\n");
}

static void writes_errors_to_a_build_log_as_they_are(void **state)
{
	struct err why = ERR_INIT, e = ERR_INIT;
	char text[64] = "";
	int p[2];

	assert_int_equal(pipe(p), 0);
	log_init(LOG_ERROR, LOG_NIX);
	err_set(&why, ERR_INPUT, "reading \"x\"\nnext");
	assert_ok(&e, log_err_to(p[1], &why, &e));
	close(p[1]);
	assert_true(read(p[0], text, sizeof text - 1) > 0);
	assert_string_equal(text, "error: reading \"x\"\n       next\n");
	close(p[0]);
}

/* The text that comes out of Nix's end when MSG goes in at ours. Free it by json_value_free(V). */
static const char *through_json(const char *msg, JSON_Value **v)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(65536);

	assert_ok(&e, log_format_line(&b, LOG_NIX, LOG_INFO, "", msg, &e));
	assert_memory_equal(b.data, "@nix ", 5);
	/* One line only: Nix reads up to the first line feed. */
	assert_ptr_equal(strchr(b.data, '\n'), b.data + b.len - 1);
	*v = json_parse_string(b.data + 5);
	assert_non_null(*v);
	return json_object_get_string(json_value_get_object(*v), "msg");
}

static void keeps_utf8_and_replaces_what_is_none(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"Gr\xc3\xbc\xc3\x9f"
		 "e",
		 "Gr\xc3\xbc\xc3\x9f"
		 "e"},
		{"\xe2\x82\xac \xf0\x9f\x8c\xae", "\xe2\x82\xac \xf0\x9f\x8c\xae"},
		{"latin1 \xe4\xf6", "latin1 ??"},
		{"cut \xe2\x82", "cut ??"},
		{"long \xc0\xaf \xe0\x80\xaf", "long ?? ???"},
		{"surrogate \xed\xa0\x80", "surrogate ???"},
		{"far \xf4\x90\x80\x80 \xff", "far ???? ?"},
		{"\x01\x1f\x7f", "\x01\x1f\x7f"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		JSON_Value *v;

		assert_string_equal(through_json(cases[i].in, &v), cases[i].out);
		json_value_free(v);
	}
}

static void takes_the_longest_message_of_escapes(void **state)
{
	struct err e = ERR_INIT;
	struct capture c;

	memset(e.msg, '"', sizeof e.msg - 1);
	e.kind = ERR_INPUT;
	c = capture_start();
	log_init(LOG_ERROR, LOG_NIX);
	log_err(&e);
	capture_end(&c);
	assert_true(strlen(c.text) > 2 * (sizeof e.msg - 1));
	assert_non_null(strstr(c.text, "\\\"\"}\n"));
}

static void a_reply_is_plain_in_every_format(void **state)
{
	struct err e = ERR_INIT;
	struct capture c = capture_start();
	int rc;

	log_init(LOG_ERROR, LOG_NIX);
	rc = log_reply("# decline", &e);
	capture_end(&c);
	assert_ok(&e, rc);
	assert_string_equal(c.text, "# decline\n");
}

static void a_reply_that_cannot_be_written_is_an_error(void **state)
{
	struct err e = ERR_INIT;
	int saved = dup(2), full = open("/dev/full", O_WRONLY), rc;

	assert_true(saved >= 0 && full >= 0);
	dup2(full, 2);
	log_init(LOG_VOMIT, LOG_PLAIN);
	log_msg(LOG_INFO, "this is lost without harm");
	rc = log_reply("# decline", &e);
	dup2(saved, 2);
	close(saved);
	close(full);
	assert_err(&e, rc, "standard error");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_plain_lines_up_to_the_level),
		cmocka_unit_test(replaces_control_bytes),
		cmocka_unit_test(writes_lines_that_nix_parses),
		cmocka_unit_test(writes_errors_to_a_build_log_as_they_are),
		cmocka_unit_test(keeps_utf8_and_replaces_what_is_none),
		cmocka_unit_test(takes_the_longest_message_of_escapes),
		cmocka_unit_test(a_reply_is_plain_in_every_format),
		cmocka_unit_test(a_reply_that_cannot_be_written_is_an_error),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}

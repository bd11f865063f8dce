/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "hook/base/log.h"
#include "hook/cmd/cli.h"
#include "hook/cmd/cmd.h"
#include "nar/base/scope.h"
#include "tests/unit/capture.h"

/* Everything that a command line of the verb "test" set. */
struct result {
	struct cli c;
	bool pretty, go_on;
	const char *profile;
	struct strv from;
	int rc;
	struct capture err;
	char *argv[16];
};

static void result_done(struct result *r)
{
	cli_done(&r->c);
	strv_done(&r->from);
	log_init(LOG_INFO, LOG_PLAIN);
}
#define scoped_result __attribute__((cleanup(result_done)))

/* Read the words up to a NULL. */
static void parse(struct result *r, ...)
{
	const struct cli_option options[] = {
		{"profile", "NAME", "nix or tvix", .value = &r->profile},
		{"pretty", NULL, "indent", .flag = &r->pretty},
		{"from", "URL", "may be repeated", .values = &r->from},
		{NULL},
	};
	int argc = 0;
	va_list ap;

	*r = (struct result){
		.c = {.synopsis = "DRV",
		      .about = "A test.",
		      .options = options,
		      .min_args = 1,
		      .max_args = 2},
		.rc = -7,
	};
	r->argv[argc++] = (char *)(uintptr_t) "test";
	va_start(ap, r);
	while ((r->argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	r->err = capture_start();
	r->go_on = cli_parse(&r->c, argc, r->argv, &r->rc);
	capture_end(&r->err);
}

static void takes_options_around_operands(void **state)
{
	scoped_result struct result r;

	parse(&r, "--pretty", "a", "--profile", "tvix", "--from=x", "b", "--from", "y=z", NULL);
	assert_true(r.go_on);
	assert_true(r.pretty);
	assert_string_equal(r.profile, "tvix");
	assert_int_equal(r.from.n, 2);
	assert_string_equal(r.from.items[0], "x");
	assert_string_equal(r.from.items[1], "y=z");
	assert_int_equal(r.c.n_args, 2);
	assert_string_equal(r.c.args[0], "a");
	assert_string_equal(r.c.args[1], "b");
	assert_null(r.c.args[2]);
}

static void takes_what_all_verbs_have(void **state)
{
	scoped_result struct result r;

	parse(&r, "--config=/c", "-vv", NULL);
	assert_false(r.go_on); /* no bundling of letters */
	assert_int_equal(r.rc, CMD_USAGE);
	result_done(&r);
	parse(&r, "-v", "--option", "runtime", "crun", "a", "--option=max-jobs", "2", "--config",
	      "/c", NULL);
	assert_true(r.go_on);
	assert_string_equal(r.c.config_path, "/c");
	assert_int_equal(r.c.conf_options.n, 4);
	assert_string_equal(r.c.conf_options.items[2], "max-jobs");
	assert_string_equal(r.c.conf_options.items[3], "2");
	assert_int_equal(log_level(), LOG_TALKATIVE);
}

static void a_dash_and_what_follows_two_are_operands(void **state)
{
	scoped_result struct result r;

	parse(&r, "-", "--", "--pretty", NULL);
	assert_true(r.go_on);
	assert_false(r.pretty);
	assert_int_equal(r.c.n_args, 2);
	assert_string_equal(r.c.args[0], "-");
	assert_string_equal(r.c.args[1], "--pretty");
}

/* One more word than parse() takes: the command line is refused, with TEXT in the message. */
#define refuse(said, ...)                                                               \
	do {                                                                            \
		scoped_result struct result r;                                          \
		parse(&r, __VA_ARGS__, NULL);                                           \
		assert_false(r.go_on);                                                  \
		assert_int_equal(r.rc, CMD_USAGE);                                      \
		if (!strstr(r.err.text, said))                                          \
			fail_msg("said '%s', expected '%s'", r.err.text, said);         \
		assert_non_null(strstr(r.err.text, "Try 'nix-oci-hook test --help'.")); \
	} while (0)

static void refuses_wrong_command_lines(void **state)
{
	refuse("an operand is missing: DRV", "--pretty");
	refuse("one operand too many: 'c'", "a", "b", "c");
	refuse("no option '--wrong'", "a", "--wrong");
	refuse("no option '--wrong=1'", "a", "--wrong=1");
	refuse("no option '-x'", "a", "-x");
	refuse("no option '--='", "a", "--=");
	refuse("no option '--pro'", "a", "--pro", "nix");
	refuse("'--profile' needs a value", "a", "--profile");
	refuse("'--option' needs a value", "a", "--option", "key");
	refuse("'--pretty' takes no value", "a", "--pretty=yes");
	refuse("'--help' takes no value", "--help=yes");
}

static void an_empty_value_is_a_value(void **state)
{
	scoped_result struct result r;

	parse(&r, "--profile=", "a", "--option=k", "", NULL);
	assert_true(r.go_on);
	assert_string_equal(r.profile, "");
	assert_string_equal(r.c.conf_options.items[1], "");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_options_around_operands),
		cmocka_unit_test(takes_what_all_verbs_have),
		cmocka_unit_test(a_dash_and_what_follows_two_are_operands),
		cmocka_unit_test(refuses_wrong_command_lines),
		cmocka_unit_test(an_empty_value_is_a_value),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("cmd", tests, NULL, NULL);
}

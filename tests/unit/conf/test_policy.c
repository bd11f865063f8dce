/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "hook/conf/conf_internal.h"
#include "hook/drv/pname.h"
#include "nar/base/scope.h"

static const char *const no_features[] = {NULL};

/* Parse TEXT as a whole configuration. */
static void parse(struct conf *c, const char *text)
{
	struct err e = ERR_INIT;

	assert_ok(&e, conf_set_defaults(c, &e));
	assert_ok(&e, conf_parse(c, "x.conf", text, strlen(text), &e));
}

static void refuse(const char *text, const char *why)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;

	assert_ok(&e, conf_set_defaults(&c, &e));
	assert_err(&e, conf_parse(&c, "x.conf", text, strlen(text), &e), why);
}

static struct policy_subject hello(const struct strv *features)
{
	return (struct policy_subject){
		.name = "hello-2.12",
		.pname = "hello",
		.system = "x86_64-linux",
		.features = features,
	};
}

/* What memory-max is for hello-2.12, with FEATURES, after the sections of TEXT. */
static uint64_t memory_of_hello(const char *text, const char *const *features)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;
	scoped_strv struct strv list = STRV_INIT;
	const struct policy_subject s = hello(&list);

	for (; *features; features++)
		assert_ok(&e, strv_add(&list, *features, &e));
	parse(&c, text);
	assert_ok(&e, policy_narrow(&c, &s, &e));
	assert_int_equal(c.policy.n, 0);
	return c.memory_max;
}

static void holds_where_all_conditions_are_met(void **state)
{
	assert_int_equal(memory_of_hello("[match pname=hello]\nmemory-max = 1\n", no_features), 1);
	assert_int_equal(memory_of_hello("[match pname=a|hello|b]\nmemory-max = 1\n", no_features),
			 1);
	assert_int_equal(memory_of_hello("[match name=hello-*]\nmemory-max = 1\n", no_features), 1);
	assert_int_equal(
		memory_of_hello("[match name=hello-[0-9].12]\nmemory-max = 1\n", no_features), 1);
	assert_int_equal(
		memory_of_hello("[match fixed-output=false]\nmemory-max = 1\n", no_features), 1);
	assert_int_equal(
		memory_of_hello("[match pname=h* system=x86_64-*]\nmemory-max = 1\n", no_features),
		1);
	assert_int_equal(memory_of_hello("[match pname=hell]\nmemory-max = 1\n", no_features), 0);
	assert_int_equal(
		memory_of_hello("[match pname=hello system=i686-*]\nmemory-max = 1\n", no_features),
		0);
	assert_int_equal(
		memory_of_hello("[match fixed-output=true]\nmemory-max = 1\n", no_features), 0);
	assert_int_equal(memory_of_hello("[match user=*]\nmemory-max = 1\n", no_features), 0);
	assert_int_equal(memory_of_hello("[match feature=*]\nmemory-max = 1\n", no_features), 0);
}

static void a_later_section_wins(void **state)
{
	static const char *const gpu[] = {"kvm", "gpu", NULL};

	assert_int_equal(memory_of_hello("memory-max = 9\n"
					 "[match pname=hello]\nmemory-max = 1\n"
					 "[match name=*]\nmemory-max = 2\npids-max = 3\n"
					 "[match pname=other]\nmemory-max = 4\n",
					 no_features),
			 2);
	assert_int_equal(memory_of_hello("[match feature=gpu]\nmemory-max = 1\n", gpu), 1);
}

static void a_class_is_a_feature(void **state)
{
	static const char *const large[] = {"oci-mem-16g", NULL};
	const char *text = "[class oci-mem-16g]\nmemory-max = 16G\n[class none]\nmemory-max = 1\n";
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;
	scoped_strv struct strv features = STRV_INIT;

	assert_int_equal(memory_of_hello(text, large), UINT64_C(16) << 30);
	assert_int_equal(memory_of_hello(text, no_features), 0);
	parse(&c, text);
	assert_ok(&e, policy_features(&c.policy, &features, &e));
	assert_int_equal(features.n, 2);
	assert_string_equal(features.items[0], "oci-mem-16g");
}

static void what_overrides_the_file_overrides_sections(void **state)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;
	scoped_buf struct buf b = BUF_INIT(1 << 20);
	const struct policy_subject s = hello(NULL);

	parse(&c, "memory-max = 9\n[match pname=hello]\nmemory-max = 1\npids-max = 2\n");
	assert_ok(&e, strv_add(&c.overridden, "memory-max", &e));
	assert_ok(&e, conf_print(&c, &b, &e));
	assert_ok(&e, buf_addc(&b, '\0', &e));
	assert_non_null(strstr(b.data, "\n[match pname=hello]\npids-max = 2\n"));
	assert_ok(&e, policy_narrow(&c, &s, &e));
	assert_int_equal(c.memory_max, 9);
	assert_int_equal(c.pids_max, 2);
}

static void refuses_what_no_section_can_be(void **state)
{
	refuse("[match pname=a\n", "x.conf:1: the section '[match pname=a' does not end with ']'");
	refuse("[]\n", "x.conf:1: there is no section ''");
	refuse("\n[global]\n", "x.conf:2: there is no section 'global'");
	refuse("[match]\n", "x.conf:1: [match] has no condition");
	refuse("[match hello]\n",
	       "x.conf:1: 'hello' is no condition; conditions are name=, pname=");
	refuse("[match colour=red]\n", "x.conf:1: 'colour=red' is no condition");
	refuse("[match pname=]\n", "x.conf:1: the condition 'pname=' has no pattern");
	refuse("[match fixed-output=yes]\n", "'fixed-output' is 'yes', allowed is true or false");
	refuse("[class]\n", "x.conf:1: a class has one name");
	refuse("[class a b]\n", "x.conf:1: a class has one name");
	refuse("[match pname=a]\nmax-jobs = 2\n",
	       "x.conf:2: the key 'max-jobs' holds for the whole machine");
	refuse("[match pname=a]\nmemory-max = much\n", "x.conf:2: key 'memory-max' is 'much'");
	refuse("[match pname=a]\nmemory = 2\n", "x.conf:2: there is no key 'memory'");
	refuse("[match pname=a]\ninclude other\n", "x.conf:2: a section cannot include a file");
}

static void finds_the_package_name(void **state)
{
	static const struct {
		const char *name;
		size_t len;
	} names[] = {
		{"hello-2.12", 5},    {"hello", 5},        {"gtk+-3.0", 4}, {"a-b-1-c", 3},
		{"font-util-1.4", 9}, {"x-", 2},           {"", 0},         {"-1", 0},
		{"linux-6.1-rc3", 5}, {"source-ca-x", 11},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(drv_pname_len(names[i].name), names[i].len);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_where_all_conditions_are_met),
		cmocka_unit_test(a_later_section_wins),
		cmocka_unit_test(a_class_is_a_feature),
		cmocka_unit_test(what_overrides_the_file_overrides_sections),
		cmocka_unit_test(refuses_what_no_section_can_be),
		cmocka_unit_test(finds_the_package_name),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

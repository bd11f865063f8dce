/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "hook/drv/attrs.h"
#include "nar/base/scope.h"

#define PATH "/nix/store/00000000000000000000000000000000-x"

/* The attributes of a derivation with these variables (ATerm). */
static void open_attrs(const char *env, struct drv *d, struct attrs *a, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(10000);

	assert_ok(e,
		  buf_addf(&text, e,
			   "Derive([(\"out\",\"" PATH "\",\"\",\"\")],[],[],\"s\",\"/b\",[],[%s])",
			   env));
	assert_ok(e, drv_parse(text.data, text.len, PATH ".drv", "/nix/store", d, e));
	assert_ok(e, attrs_open(a, d, e));
}

static void finds_them_in_the_environment(void **state)
{
	struct err e = ERR_INIT;
	scoped_drv struct drv d = DRV_INIT;
	scoped_attrs struct attrs a = ATTRS_INIT;
	scoped_strv struct strv v = STRV_INIT;
	bool b;

	open_attrs("(\"empty\",\"\"),(\"list\",\" a\\tb\\nc \"),(\"no\",\"true\"),(\"yes\",\"1\")",
		   &d, &a, &e);
	assert_false(a.structured);
	assert_true(attrs_has(&a, "empty"));
	assert_false(attrs_has(&a, "missing"));
	assert_string_equal(attrs_text(&a, "yes"), "1");
	assert_null(attrs_text(&a, "missing"));
	assert_ok(&e, attrs_list(&a, "list", &v, &e));
	assert_ok(&e, attrs_list(&a, "missing", &v, &e));
	assert_int_equal(v.n, 3);
	assert_string_equal(v.items[2], "c");
	assert_ok(&e, attrs_bool(&a, "yes", false, &b, &e));
	assert_true(b);
	assert_ok(&e, attrs_bool(&a, "no", true, &b, &e));
	assert_false(b);
	assert_ok(&e, attrs_bool(&a, "missing", true, &b, &e));
	assert_true(b);
}

static void finds_them_in_the_document_only_where_there_is_one(void **state)
{
	struct err e = ERR_INIT;
	scoped_drv struct drv d = DRV_INIT;
	scoped_attrs struct attrs a = ATTRS_INIT;
	scoped_strv struct strv v = STRV_INIT;
	bool b;

	open_attrs(
		"(\"__json\",\"{\\\"list\\\":[\\\"a b\\\",\\\"c\\\"],\\\"mixed\\\":[\\\"a\\\",1],"
		"\\\"text\\\":\\\"a b\\\",\\\"yes\\\":true,\\\"one\\\":\\\"1\\\"}\"),"
		"(\"outside\",\"1\")",
		&d, &a, &e);
	assert_true(a.structured);
	assert_false(attrs_has(&a, "outside"));
	assert_string_equal(attrs_text(&a, "text"), "a b");
	assert_null(attrs_text(&a, "yes"));
	assert_true(drv_env_bool(&d, "yes"));
	assert_false(drv_env_bool(&d, "one"));
	assert_false(drv_env_bool(&d, "outside"));
	assert_ok(&e, attrs_list(&a, "list", &v, &e));
	assert_int_equal(v.n, 2);
	assert_string_equal(v.items[0], "a b");
	assert_err(&e, attrs_list(&a, "mixed", &v, &e), "'mixed' of the derivation must be a list");
	assert_err(&e, attrs_list(&a, "text", &v, &e), "'text' of the derivation must be a list");
	assert_ok(&e, attrs_bool(&a, "yes", false, &b, &e));
	assert_true(b);
	assert_err(&e, attrs_bool(&a, "one", false, &b, &e),
		   "'one' of the derivation must be a Bool");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_them_in_the_environment),
		cmocka_unit_test(finds_them_in_the_document_only_where_there_is_one),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

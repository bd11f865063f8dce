/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Derivations in tests/golden/drv are as Nix 2.8 writes them: top wants mid1, mid2 and low, these
 * want outputs of low, low wants fod; def has the floating ca as input; graph has i as input and as
 * source.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hook/drv/derivation.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#define STORE "/nix/store"

static int dir_fd;

/* How the inputs are changed in this case: in the file called NAME, FROM becomes TO. */
static struct change {
	const char *name, *from, *to;
	unsigned reads;
} change;

static int read_drv(void *ctx, const char *path, struct drv *ret, struct err *e)
{
	struct change *c = ctx;
	scoped_buf struct buf text = BUF_INIT(1 << 20);
	scoped_buf struct buf changed = BUF_INIT(1 << 20);
	const char *at;

	c->reads++;
	if (io_read_file(dir_fd, str_base(path), &text, e) < 0)
		return -1;
	at = c->name && str_ends(path, c->name) ? strstr(text.data, c->from) : NULL;
	if (!at)
		return drv_parse(text.data, text.len, path, STORE, ret, e);
	if (buf_add(&changed, text.data, (size_t)(at - text.data), e) < 0 ||
	    buf_adds(&changed, c->to, e) < 0 || buf_adds(&changed, at + strlen(c->from), e) < 0)
		return -1;
	return drv_parse(changed.data, changed.len, path, STORE, ret, e);
}

/* The full path of the only derivation called NAME. */
static char *path_of(const char *name)
{
	struct err e = ERR_INIT;
	scoped_dir DIR *d = fdopendir(openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	scoped_free char *suffix = str_fmt(&e, "-%s.drv", name);
	struct dirent *de;

	assert_non_null(d);
	while ((de = readdir(d)))
		if (str_ends(de->d_name, suffix))
			return str_fmt(&e, STORE "/%s", de->d_name);
	fail_msg("no derivation '%s'", name);
	return NULL;
}

/* Check the derivation NAME, in which (or in an input of which) FROM became TO. */
static int check(const char *name, const char *in, const char *from, const char *to, struct err *e)
{
	scoped_free char *path = path_of(name);
	scoped_drv struct drv d = DRV_INIT;

	change = (struct change){in, from, to, 0};
	assert_ok(e, read_drv(&change, path, &d, e));
	change.reads = 0;
	return drv_check_invariants(&d, STORE, read_drv, &change, e);
}

static void agrees_with_nix(void **state)
{
	static const char *const names[] = {"top", "mid1", "mid2", "low",  "fod",
					    "ca",  "def",  "i",    "graph"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct err e = ERR_INIT;
		scoped_free char *path = path_of(names[i]);
		scoped_drv struct drv d = DRV_INIT;

		assert_ok(&e, check(names[i], NULL, NULL, NULL, &e));
		assert_ok(&e, read_drv(&change, path, &d, &e));
		scoped_free char *own = drv_text_path(&d, STORE, &e);
		assert_string_equal(own, path);
	}
}

static void reads_each_input_once_and_none_of_a_fixed_one(void **state)
{
	struct err e = ERR_INIT;

	assert_ok(&e, check("top", NULL, NULL, NULL, &e));
	assert_int_equal(change.reads, 4);
	assert_ok(&e, check("fod", NULL, NULL, NULL, &e));
	assert_int_equal(change.reads, 0);
}

static void how_a_fixed_input_is_fetched_does_not_count(void **state)
{
	struct err e = ERR_INIT;

	assert_ok(&e, check("top", "fod.drv", "[(\"builder\"", "[(\"another\",\"x\"),(\"builder\"",
			    &e));
}

/* Another path of low: as if its source were fetched in another way. */
#define TWIN STORE "/00000000000000000000000000000000-low.drv"

static int read_twin(void *ctx, const char *path, struct drv *ret, struct err *e)
{
	scoped_free char *low = path_of("low");

	return read_drv(ctx, str_eq(path, TWIN) ? low : path, ret, e);
}

/* Print the hash of a derivation that has INPUTS. */
static char *hash_with(const char *inputs)
{
	struct err e = ERR_INIT;
	scoped_drv struct drv d = DRV_INIT;
	struct hash h;
	char hex[HASH_TEXT_MAX];
	scoped_free char *text = str_fmt(&e,
					 "Derive([(\"out\",\"\",\"\",\"\")],[%s],[],\"s\",\"b\",[],"
					 "[(\"name\",\"x\")])",
					 inputs);

	change = (struct change){.name = NULL};
	assert_ok(&e, drv_parse(text, strlen(text), NULL, STORE, &d, &e));
	assert_ok(&e, drv_hash_modulo(&d, STORE, read_twin, &change, &h, &e));
	hash_print(&h, HASH_BASE16, false, hex);
	return str_dup(hex, &e);
}

static void inputs_of_one_hash_count_as_one_with_the_outputs_of_all(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *low = path_of("low");
	scoped_free char *joined = str_fmt(&e, "(\"%s\",[\"dev\",\"out\"])", low);
	scoped_free char *split = str_fmt(&e, "(\"" TWIN "\",[\"dev\"]),(\"%s\",[\"out\"])", low);
	scoped_free char *swapped = str_fmt(&e, "(\"" TWIN "\",[\"out\"]),(\"%s\",[\"dev\"])", low);
	scoped_free char *less = str_fmt(&e, "(\"" TWIN "\",[\"out\"]),(\"%s\",[\"out\"])", low);
	scoped_free char *hash = hash_with(joined), *of_split = hash_with(split);
	scoped_free char *of_swapped = hash_with(swapped), *of_less = hash_with(less);

	assert_string_equal(of_split, hash);
	assert_string_equal(of_swapped, hash);
	assert_string_not_equal(of_less, hash);
}

static void a_change_anywhere_below_is_noticed(void **state)
{
	struct err e = ERR_INIT;

	assert_err(
		&e,
		check("top", "low.drv", "[(\"builder\"", "[(\"another\",\"x\"),(\"builder\"", &e),
		"derivation has incorrect output '" STORE
		"/a4kw0bxd2q7ns2svb9q2k4alwxzd196j-top-lib', should be '");
	assert_err(&e, check("low", "low.drv", "\"/bin/sh\",[]", "\"/bin/sh\",[\"x\"]", &e),
		   "while checking derivation '");
	assert_err(&e, check("top", "mid1.drv", "[\"dev\"]", "[\"out\"]", &e), "incorrect output");
}

static void the_environment_must_have_the_paths(void **state)
{
	struct err e = ERR_INIT;
	static const char out[] = ",(\"out\",\"/nix/store/4yfk9q43irhw1r79i1pvbva1zd0677j1-fod\")";

	assert_err(&e, check("fod", "fod.drv", out, ",(\"out\",\"/x\")", &e),
		   "incorrect environment variable 'out', should be '/nix/store/"
		   "4yfk9q43irhw1r79i1pvbva1zd0677j1-fod' but is actually '/x'");
	assert_err(&e, check("fod", "fod.drv", out, "", &e), "missing environment variable 'out'");
	/* What stands there does not count for the paths. */
	assert_err(&e, check("low", "low.drv", "-low-dev\"),(\"fod", "-low-dev2\"),(\"fod", &e),
		   "incorrect environment variable 'dev'");
}

static void refuses_outputs_that_an_input_does_not_have(void **state)
{
	struct err e = ERR_INIT;

	assert_err(&e, check("top", "mid1.drv", "[\"dev\"]", "[\"doc\"]", &e),
		   "no hash for output 'doc' of derivation '");
}

static void refuses_inputs_that_lead_back(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *mid2 = path_of("mid2");
	scoped_free char *low = path_of("low");
	scoped_free char *fod = path_of("fod");
	scoped_free char *to_mid2 = str_fmt(&e, "[(\"%s\",[\"out\"])]", mid2);
	scoped_free char *to_low = str_fmt(&e, "[(\"%s\",[\"out\"])]", low);
	scoped_free char *to_fod = str_fmt(&e, "[(\"%s\",[\"out\"])]", fod);

	assert_err(&e, check("top", "low.drv", to_fod, to_mid2, &e), "is an input of itself");
	assert_err(&e, check("top", "low.drv", to_fod, to_low, &e), "is an input of itself");
	assert_err(&e, check("low", "low.drv", to_fod, to_low, &e), "is an input of itself");
}

static void refuses_a_path_that_cannot_be_known(void **state)
{
	struct err e = ERR_INIT;

	assert_err(&e,
		   check("def", "def.drv", "(\"out\",\"\",\"\",\"\")",
			 "(\"out\",\"/nix/store/00000000000000000000000000000000-def\",\"\","
			 "\"\")",
			 &e),
		   "although the paths of an input are known only");
}

static void names_an_input_that_is_missing(void **state)
{
	struct err e = ERR_INIT;

	assert_err(&e,
		   check("low", "low.drv", "mw87kx7z3wx9av4b9dzrhyi2cpyhzb0r-fod",
			 "00000000000000000000000000000000-fod", &e),
		   "opening '00000000000000000000000000000000-fod.drv'");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_nix),
		cmocka_unit_test(reads_each_input_once_and_none_of_a_fixed_one),
		cmocka_unit_test(how_a_fixed_input_is_fetched_does_not_count),
		cmocka_unit_test(inputs_of_one_hash_count_as_one_with_the_outputs_of_all),
		cmocka_unit_test(a_change_anywhere_below_is_noticed),
		cmocka_unit_test(the_environment_must_have_the_paths),
		cmocka_unit_test(refuses_outputs_that_an_input_does_not_have),
		cmocka_unit_test(refuses_inputs_that_lead_back),
		cmocka_unit_test(refuses_a_path_that_cannot_be_known),
		cmocka_unit_test(names_an_input_that_is_missing),
	};
	const char *top = getenv("top_srcdir");
	char path[4096];
	int rc;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	snprintf(path, sizeof path, "%s/tests/golden/drv", top ? top : ".");
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0) {
		printf("1..1\nnot ok 1 - cannot open '%s'\n", path);
		return 1;
	}
	rc = cmocka_run_group_tests_name("drv_hash", tests, NULL, NULL);
	close(dir_fd);
	return rc;
}

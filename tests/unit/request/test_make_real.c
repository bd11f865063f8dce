/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The real derivations of the shared vectors, some 1,500 of nixpkgs: each prints back to its bytes,
 * has its own path and the output paths that follow from it, and becomes a request and a
 * configuration that are read back. Where the vectors are missing this says so as a skip, which
 * TEST_STRICT=1 makes a failure.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <parson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hook/base/subprocess.h"
#include "hook/request/make.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "specgen/spec.h"

#define STORE "/nix/store"
#define DRV_MAX (4u << 20)
#define AT_LEAST 1500

static char dir[] = "/tmp/test_drv_real.XXXXXX";
static int dirfd_;
static struct strv names = STRV_INIT;

static int read_drv(void *ctx, const char *path, struct drv *ret, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(DRV_MAX);

	if (io_read_file(dirfd_, str_base(path), &text, e) < 0)
		return -1;
	return drv_parse(text.data, text.len, path, STORE, ret, e);
}

static void read_name(const char *name, struct drv *ret)
{
	struct err e = ERR_INIT;
	scoped_free char *path = str_fmt(&e, STORE "/%s", name);

	assert_ok(&e, read_drv(NULL, path, ret, &e));
}

static void prints_each_back_to_its_bytes(void **state)
{
	for (size_t i = 0; i < names.n; i++) {
		struct err e = ERR_INIT;
		scoped_buf struct buf text = BUF_INIT(DRV_MAX), back = BUF_INIT(DRV_MAX);
		scoped_drv struct drv d = DRV_INIT;

		read_name(names.items[i], &d);
		assert_ok(&e, io_read_file(dirfd_, names.items[i], &text, &e));
		assert_ok(&e, drv_print(&d, &back, &e));
		assert_int_equal(back.len, text.len);
		assert_memory_equal(back.data, text.data, text.len);
		scoped_free char *path = drv_text_path(&d, STORE, &e);
		assert_string_equal(str_base(path), names.items[i]);
	}
}

static void computes_the_paths_of_their_outputs(void **state)
{
	struct err e = ERR_INIT;
	struct drv_checker *c = drv_checker_new(STORE, read_drv, NULL, &e);

	assert_non_null(c);
	for (size_t i = 0; i < names.n; i++) {
		scoped_drv struct drv d = DRV_INIT;

		read_name(names.items[i], &d);
		if (drv_checker_check(c, &d, &e) < 0)
			fail_msg("%s: %s", names.items[i], e.msg);
	}
	drv_checker_free(c);
}

/* What D takes from its inputs and their outputs; these are valid in ST, and refer to nothing. */
static void add_inputs(struct store *st, const struct drv *d, struct strv *ret)
{
	const struct strv none = STRV_INIT;
	struct err e = ERR_INIT;

	assert_ok(&e, strv_copy(ret, &d->srcs, &e));
	for (size_t i = 0; i < d->n_inputs; i++) {
		const struct strv *wanted = &d->inputs[i].node.outputs;
		scoped_drv struct drv in = DRV_INIT;

		assert_ok(&e, read_drv(NULL, d->inputs[i].path, &in, &e));
		for (size_t k = 0; k < wanted->n; k++) {
			const struct drv_output *o = drv_output(&in, wanted->items[k]);

			assert_non_null(o);
			assert_ok(&e, strv_add(ret, o->path, &e));
		}
	}
	strv_sort(ret);
	strv_uniq(ret);
	for (size_t i = 0; i < ret->n; i++) {
		const struct store_registration reg = {
			.path = ret->items[i],
			.nar_sha256 = {.algo = HASH_SHA256},
			.nar_size_bytes = 1,
			.refs = &none,
		};
		assert_ok(&e, store_mem_add(st, &reg, &e));
	}
}

/* R, read back from what it prints, prints the same. */
static void check_request(const struct request *r)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf text = BUF_INIT(REQ_JSON_MAX), again = BUF_INIT(REQ_JSON_MAX);
	scoped_request struct request back = {0};

	assert_ok(&e, req_print(r, &text, &e));
	assert_ok(&e, req_parse(text.data, text.len, &back, &e));
	assert_ok(&e, req_print(&back, &again, &e));
	assert_string_equal(again.data, text.data);
}

static void check_spec(const struct request *r, enum spec_profile p)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf text = BUF_INIT(REQ_JSON_MAX);
	struct spec_host h;
	JSON_Value *root;

	spec_host_init(&h);
	h.arch = "x86_64";
	assert_ok(&e, spec_print(r, p, &h, &text, &e));
	root = json_parse_string(text.data);
	assert_non_null(root);
	const JSON_Object *process = json_object_get_object(json_value_get_object(root), "process");
	const JSON_Array *args = json_object_get_array(process, "args");
	assert_int_equal(json_array_get_count(args), r->args.n);
	assert_true(json_array_get_count(json_object_get_array(process, "env")) >= r->n_env);
	json_value_free(root);
}

static void makes_requests_and_configurations_of_them(void **state)
{
	static char *const no_environ[] = {NULL};
	const struct settings settings = SETTINGS_INIT;
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	/* Its program has to be there, and that is all that is asked of it. */
	scoped_free char *program = str_fmt(&e, "%s/builtin", dir);
	const struct builtin_program builtin = {program, NULL, STRV_INIT};

	assert_ok(&e, io_write_file(dirfd_, "builtin", 0755, "", 0, &e));
	assert_ok(&e, store_open_mem(&st, STORE, dir, dir, &e));
	for (size_t i = 0; i < names.n; i++) {
		scoped_drv struct drv d = DRV_INIT;
		scoped_strv struct strv inputs = STRV_INIT;
		scoped_request struct request r = {0};
		const struct request_source in = {&d,         &settings, &st,  &inputs,
						  no_environ, &builtin,  false};

		read_name(names.items[i], &d);
		add_inputs(&st, &d, &inputs);
		if (request_make(&in, &r, &e) < 0)
			fail_msg("%s: %s", names.items[i], e.msg);
		assert_int_equal(r.n_outputs, d.n_outputs);
		check_request(&r);
		check_spec(&r, SPEC_NIX);
		check_spec(&r, SPEC_TVIX);
	}
}

static int unpack(const char *archive)
{
	struct err e = ERR_INIT;

	if (!mkdtemp(dir))
		return -1;
	char *const argv[] = {
		(char *)"tar", (char *)"-xJf", (char *)(uintptr_t)archive, (char *)"-C", dir, NULL};
	if (subprocess_run(argv, NULL, 0, NULL, &e) < 0)
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scoped_dir DIR *d = opendir(dir);
	for (struct dirent *de; d && (de = readdir(d));)
		if (str_ends(de->d_name, ".drv") && strv_add(&names, de->d_name, &e) < 0)
			return -1;
	strv_sort(&names);
	return names.n >= AT_LEAST ? 0 : -1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_each_back_to_its_bytes),
		cmocka_unit_test(computes_the_paths_of_their_outputs),
		cmocka_unit_test(makes_requests_and_configurations_of_them),
	};
	const char *shared = getenv("NIH_SHARED"), *top = getenv("top_srcdir");
	const char *strict = getenv("TEST_STRICT");
	struct err e = ERR_INIT;
	char path[4096];
	int rc;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (shared)
		snprintf(path, sizeof path, "%s/vectors/real/drvs.tar.xz", shared);
	else
		snprintf(path, sizeof path, "%s/../shared/vectors/real/drvs.tar.xz",
			 top ? top : ".");
	if (access(path, R_OK) < 0 && !(strict && str_eq(strict, "1"))) {
		printf("1..0 # SKIP there is no '%s'\n", path);
		return 0;
	}
	if (unpack(path) < 0) {
		printf("1..1\nnot ok 1 - '%s' cannot be unpacked, or has not %d derivations\n",
		       path, AT_LEAST);
		(void)!io_rmtree(AT_FDCWD, dir, dir, &e);
		return 1;
	}
	rc = cmocka_run_group_tests_name("drv_real", tests, NULL, NULL);
	strv_done(&names);
	close(dirfd_);
	if (io_rmtree(AT_FDCWD, dir, dir, &e) < 0)
		print_error("%s\n", e.msg);
	return rc;
}

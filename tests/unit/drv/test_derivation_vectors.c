/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The derivations of the shared vectors: each X.drv with an X.drv.json beside it is read as that
 * says and prints back to the same bytes, one without is refused. Where the vectors are missing
 * this says so as a skip, which TEST_STRICT=1 makes a failure.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <parson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hook/drv/derivation.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#define STORE "/nix/store"

static DIR *vectors;
static bool latin1; /* the one at hand */

static void read_vector(const char *name, struct buf *b)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_read_file(dirfd(vectors), name, b, &e));
}

/*
 * Two vectors are in Latin-1 and so is their JSON, which a JSON parser refuses. Bytes beyond ASCII
 * as two of UTF-8 each, on both sides, make them comparable without losing a difference.
 */
static char *widen(const char *s, size_t len)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1 << 20);
	char *out;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x80)
			assert_ok(&e, buf_addc(&b, (char)c, &e));
		else
			assert_ok(&e, buf_addf(&b, &e, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f)));
	}
	out = buf_steal(&b, &e);
	assert_non_null(out);
	return out;
}

static void same(const char *got, size_t len, const char *expected)
{
	scoped_free char *wide = latin1 ? widen(got, len) : NULL;

	assert_non_null(expected);
	assert_int_equal(strlen(got), len);
	assert_string_equal(wide ? wide : got, expected);
}

static void same_outputs(const struct drv *d, const JSON_Object *o)
{
	assert_int_equal(d->n_outputs, json_object_get_count(o));
	for (size_t i = 0; i < d->n_outputs; i++) {
		const struct drv_output *out = &d->outputs[i];
		const JSON_Object *j = json_object_get_object(o, out->name);
		const char *algo = json_object_get_string(j, "hashAlgo");

		assert_string_equal(out->path, json_object_get_string(j, "path"));
		assert_int_equal(out->kind, algo ? DRV_FIXED : DRV_INPUT_ADDRESSED);
		assert_string_equal(out->hash_algo, algo ? algo : "");
		assert_string_equal(out->hash_text, algo ? json_object_get_string(j, "hash") : "");
	}
}

static void same_list(const struct strv *v, const JSON_Array *a)
{
	assert_non_null(a);
	assert_int_equal(v->n, json_array_get_count(a));
	for (size_t i = 0; i < v->n; i++)
		same(v->items[i], strlen(v->items[i]), json_array_get_string(a, i));
}

static void same_drv(const struct drv *d, const JSON_Object *o)
{
	const JSON_Object *env = json_object_get_object(o, "env");
	const JSON_Object *inputs = json_object_get_object(o, "inputDrvs");

	same_outputs(d, json_object_get_object(o, "outputs"));
	assert_int_equal(d->n_inputs, json_object_get_count(inputs));
	for (size_t i = 0; i < d->n_inputs; i++)
		same_list(&d->inputs[i].node.outputs,
			  json_object_get_array(inputs, d->inputs[i].path));
	same_list(&d->srcs, json_object_get_array(o, "inputSrcs"));
	assert_string_equal(d->system, json_object_get_string(o, "system"));
	assert_string_equal(d->builder, json_object_get_string(o, "builder"));
	same_list(&d->args, json_object_get_array(o, "args"));
	assert_int_equal(d->n_env, json_object_get_count(env));
	for (size_t i = 0; i < d->n_env; i++)
		same(d->env[i].value, d->env[i].value_len,
		     json_object_get_string(env, d->env[i].key));
}

/* The input derivation PATH, out of the vectors. */
static int read_input(void *ctx, const char *path, struct drv *ret, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(1 << 20);

	if (io_read_file(dirfd(vectors), str_base(path), &text, e) < 0)
		return -1;
	return drv_parse(text.data, text.len, path, STORE, ret, e);
}

static void accept(const char *name, const char *json_name)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf text = BUF_INIT(1 << 20);
	scoped_buf struct buf json = BUF_INIT(1 << 20);
	scoped_buf struct buf back = BUF_INIT(1 << 20);
	scoped_drv struct drv d = DRV_INIT;
	scoped_free char *path = str_fmt(&e, STORE "/%s", name);

	read_vector(name, &text);
	assert_ok(&e, drv_parse(text.data, text.len, path, STORE, &d, &e));
	assert_ok(&e, drv_print(&d, &back, &e));
	assert_int_equal(back.len, text.len);
	assert_memory_equal(back.data, text.data, text.len);

	assert_ok(&e, drv_check_invariants(&d, STORE, read_input, NULL, &e));
	scoped_free char *own_path = drv_text_path(&d, STORE, &e);
	assert_string_equal(own_path, path);

	read_vector(json_name, &json);
	JSON_Value *root = json_parse_string(json.data);
	latin1 = !root;
	if (latin1) {
		scoped_free char *wide = widen(json.data, json.len);

		root = json_parse_string(wide);
	}
	JSON_Object *o = json_value_get_object(root);
	assert_non_null(o);
	if (json_object_get_object(o, path))
		o = json_object_get_object(o, path);
	same_drv(&d, o);
	json_value_free(root);
}

static void reads_or_refuses_each_as_its_json_says(void **state)
{
	unsigned accepted = 0, refused = 0;
	struct dirent *de;

	rewinddir(vectors);
	while ((de = readdir(vectors))) {
		struct err e = ERR_INIT;
		scoped_free char *json = str_fmt(&e, "%s.json", de->d_name);
		scoped_buf struct buf text = BUF_INIT(1 << 20);
		struct drv d = DRV_INIT;

		if (!str_ends(de->d_name, ".drv"))
			continue;
		print_message("# %s\n", de->d_name);
		if (faccessat(dirfd(vectors), json, F_OK, 0) == 0) {
			accept(de->d_name, json);
			accepted++;
			continue;
		}
		read_vector(de->d_name, &text);
		assert_err(&e, drv_parse(text.data, text.len, NULL, STORE, &d, &e), "stands twice");
		refused++;
	}
	assert_true(accepted >= 10);
	assert_true(refused >= 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_or_refuses_each_as_its_json_says),
	};
	const char *shared = getenv("NIH_SHARED"), *top = getenv("top_srcdir");
	const char *strict = getenv("TEST_STRICT");
	char path[4096];
	int rc;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (shared)
		snprintf(path, sizeof path, "%s/vectors/derivation", shared);
	else
		snprintf(path, sizeof path, "%s/../shared/vectors/derivation", top ? top : ".");
	vectors = opendir(path);
	if (!vectors && !(strict && str_eq(strict, "1"))) {
		printf("1..0 # SKIP there is no '%s'\n", path);
		return 0;
	}
	if (!vectors) {
		printf("1..1\nnot ok 1 - there is no '%s'\n", path);
		return 1;
	}
	rc = cmocka_run_group_tests_name("drv_vectors", tests, NULL, NULL);
	closedir(vectors);
	return rc;
}

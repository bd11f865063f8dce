/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/unit/specgen/spec.h: for tests of specgen/spec.h. Each case has a request and a machine,
 * which it changes, prints and reads back through parson's API.
 */
#ifndef TESTS_SPEC_H
#define TESTS_SPEC_H

#include <parson.h>
#include <stdio.h>
#include <stdlib.h>

#include "nar/base/scope.h"
#include "specgen/spec.h"
#include "tests/unit/unit.h"

#define DIGITS "00000000000000000000000000000000"
#define TEXT_MAX (1u << 20)

/* A request and a machine, printed, and the result read back. */
struct fixture {
	struct request r;
	struct spec_host h;
	enum spec_profile profile;
	char *text;
	JSON_Value *root;
};

static inline int setup(void **state)
{
	struct err e = ERR_INIT;
	struct fixture *f = calloc(1, sizeof *f);
	struct request *r = &f->r;

	*state = f;
	spec_host_init(&f->h);
	f->h.arch = "x86_64";
	r->name = str_dup("x", &e);
	r->working_dir = str_dup("build", &e);
	r->inputs_dir = str_dup("nix/store", &e);
	r->constraints.system = str_dup("x86_64-linux", &e);
	assert_ok(&e, req_add_input(r, DIGITS "-a", "/nix/store/" DIGITS "-a", NULL, &e));
	assert_ok(&e, req_add_input(r, DIGITS "-b", NULL, NULL, &e));
	assert_ok(&e, strv_add(&r->args, "/nix/store/" DIGITS "-a/bin/sh", &e));
	assert_ok(&e, strv_add(&r->args, "-c", &e));
	assert_ok(&e, strv_add(&r->scratch_paths, "build", &e));
	assert_ok(&e, strv_add(&r->scratch_paths, "nix/store", &e));
	assert_ok(&e, req_add_output(r, "out", "nix/store/" DIGITS "-x", &e));
	assert_ok(&e, req_set_env(r, "A", "1\n\xc3\xa4", 4, &e));
	assert_ok(&e, req_set_env(r, "PATH", "/path-not-set", 13, &e));
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->root)
		json_value_free(f->root);
	free(f->text);
	req_done(&f->r);
	free(f);
	return 0;
}

static inline const JSON_Object *print(struct fixture *f)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(TEXT_MAX);

	assert_ok(&e, spec_print(&f->r, f->profile, &f->h, &b, &e));
	if (f->root)
		json_value_free(f->root);
	free(f->text);
	f->text = b.data;
	f->root = json_parse_string(f->text);
	assert_non_null(f->root);
	return json_value_get_object(f->root);
}

/* The value at "a.b.c" below O. */
static inline const JSON_Value *at(const JSON_Object *o, const char *path)
{
	const JSON_Value *v = NULL;
	char key[64];

	for (; o; path += strcspn(path, ".") + 1) {
		size_t n = strcspn(path, ".");
		memcpy(key, path, n);
		key[n] = '\0';
		v = json_object_get_value(o, key);
		if (!path[n])
			return v;
		o = json_value_get_object(v);
	}
	return NULL;
}

/* The strings of an array as "a b c". */
static inline const char *words(const JSON_Value *v)
{
	static char text[4096];
	const JSON_Array *a = json_value_get_array(v);
	size_t len = 0;

	text[0] = '\0';
	if (!a)
		return "(none)";
	for (size_t i = 0; i < json_array_get_count(a); i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "",
					json_array_get_string(a, i));
	return text;
}

/* A member of each object of an array, as "a b c". */
static inline const char *column(const JSON_Value *v, const char *key)
{
	static char text[4096];
	const JSON_Array *a = json_value_get_array(v);
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < json_array_get_count(a); i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "",
					json_object_get_string(json_array_get_object(a, i), key));
	return text;
}

static inline const JSON_Object *mount_at(const JSON_Object *o, const char *destination)
{
	const JSON_Array *a = json_value_get_array(at(o, "mounts"));

	for (size_t i = 0; i < json_array_get_count(a); i++) {
		const JSON_Object *m = json_array_get_object(a, i);
		if (str_eq(json_object_get_string(m, "destination"), destination))
			return m;
	}
	return NULL;
}

static inline void assert_mount(const JSON_Object *o, const char *destination, const char *source,
				const char *options)
{
	const JSON_Object *m = mount_at(o, destination);

	if (!m)
		fail_msg("nothing is mounted at %s", destination);
	assert_string_equal(json_object_get_string(m, "source"), source);
	assert_string_equal(words(json_object_get_value(m, "options")), options);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif

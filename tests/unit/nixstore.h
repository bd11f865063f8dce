/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/unit/nixstore.h: a store of its own, made by the real Nix, for a test program.
 *
 * Without Nix there is nothing to test against: main() calls nixstore_missing() first, which says
 * so in TAP (a failure where TEST_STRICT=1).
 */
#ifndef TESTS_NIXSTORE_H
#define TESTS_NIXSTORE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/base/subprocess.h"
#include "hook/nix/settings.h"
#include "hook/store/store.h"
#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

static char nixstore_root[] = "/tmp/test_nixstore.XXXXXX";

static inline bool nixstore_missing(int *ret_status)
{
	struct err e = ERR_INIT;
	char *const argv[] = {(char *)"nix-store", (char *)"--version", NULL};
	const char *strict = getenv("TEST_STRICT");

	if (subprocess_run(argv, NULL, 0, NULL, &e) == 0)
		return false;
	printf("1..0 # SKIP nix-store cannot be run: %s\n", e.msg);
	*ret_status = strict && str_eq(strict, "1");
	return true;
}

/* Run `PROGRAM --store <root> ARGS..` and return what it printed, without the last line feed. */
static inline char *nixstore_run(const char *program, const char *const *args)
{
	struct err e = ERR_INIT;
	scoped_strv struct strv argv = STRV_INIT;
	scoped_buf struct buf out = BUF_INIT(64u << 20);

	assert_ok(&e, strv_add(&argv, program, &e));
	assert_ok(&e, strv_add(&argv, "--store", &e));
	assert_ok(&e, strv_add(&argv, nixstore_root, &e));
	for (; *args; args++)
		assert_ok(&e, strv_add(&argv, *args, &e));
	assert_ok(&e, subprocess_run(argv.items, NULL, 0, &out, &e));
	while (out.len && out.data[out.len - 1] == '\n')
		out.data[--out.len] = '\0';
	char *s = out.len ? buf_steal(&out, &e) : str_dup("", &e);
	assert_non_null(s);
	return s;
}
#define NIXSTORE(...) nixstore_run("nix-store", (const char *const[]){__VA_ARGS__, NULL})

static inline int nixstore_setup(void **state)
{
	if (!mkdtemp(nixstore_root))
		return -1;
	free(NIXSTORE("--init"));
	return 0;
}

static inline int nixstore_teardown(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, nixstore_root, nixstore_root, &e);
}

/* Add a file of these contents; its store path. */
static inline char *nixstore_add(const char *name, const char *contents)
{
	struct err e = ERR_INIT;
	scoped_free char *file = str_fmt(&e, "%s/%s", nixstore_root, name);

	assert_non_null(file);
	assert_ok(&e, io_write_file(AT_FDCWD, file, 0644, contents, strlen(contents), &e));
	char *path = NIXSTORE("--add", file);
	unlink(file);
	return path;
}

/* The .drv that the Nix expression EXPR evaluates to. */
static inline char *nixstore_instantiate(const char *expr)
{
	char *path = nixstore_run("nix-instantiate", (const char *const[]){"-E", expr, NULL});
	char *end = strchr(path, '!'); /* "!<output>" follows where it is not out */

	if (end)
		*end = '\0';
	return path;
}

/* Open it by our own means. */
static inline void nixstore_open(struct store *st, enum conf_registration how)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = {0};

	assert_ok(&e, settings_set(&s, "store", nixstore_root, &e));
	assert_ok(&e, store_open(st, &s, how, &e));
}

#endif

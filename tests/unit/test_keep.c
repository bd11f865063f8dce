/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/keep.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/keep_internal.h"
#include "nar/io.h"
#include "nar/scope.h"

static char dir[32];
static char name[] = "a", builder[] = "/bin/sh", builtin[] = "builtin:fetchurl";

static int setup(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/test_keep.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	setenv("TMPDIR", dir, 1);
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

static const char *in(const char *below)
{
	static char paths[4][256];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", dir, below);
	return path;
}

static void make_build_dir(void)
{
	struct err e = ERR_INIT;

	assert_int_equal(mkdir(in("b"), 0700), 0);
	assert_ok(&e, io_write_file(AT_FDCWD, in("b/file"), 0640, "text", 4, &e));
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void moves_to_the_first_free_name(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_free char *kept = NULL;
	struct drv d = {.name = name, .builder = builder};

	make_build_dir();
	assert_int_equal(mkdir(in("nix-build-a.drv-0"), 0700), 0);
	assert_ok(&e, settings_set(&s, "keep-failed", "true", &e));
	assert_ok(&e, keep_build_dir(&d, &s, in("state"), in("b"), &kept, &e));
	assert_string_equal(kept, in("nix-build-a.drv-1"));
	assert_int_equal(mode_of(kept), 0755);
	assert_int_equal(mode_of(in("nix-build-a.drv-1/file")), 0640);
	assert_int_equal(access(in("b"), F_OK), -1);
}

static void moves_below_a_directory_for_newer_nix(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_free char *kept = NULL;
	struct drv d = {.name = name, .builder = builder};

	make_build_dir();
	assert_int_equal(mkdir(in("builds"), 0755), 0);
	assert_ok(&e, settings_set(&s, "build-dir", in("builds"), &e));
	assert_ok(&e, settings_set(&s, "keep-failed", "true", &e));
	assert_ok(&e, keep_build_dir(&d, &s, in("state"), in("b"), &kept, &e));
	assert_string_equal(kept, in("builds/nix-build-a.drv-0/build"));
	assert_int_equal(mode_of(in("builds/nix-build-a.drv-0")), 0755);
	assert_int_equal(mode_of(kept), 0755);
	assert_int_equal(mode_of(in("builds/nix-build-a.drv-0/build/file")), 0640);
}

static void moves_to_the_state_directory_for_nix_2_32(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_free char *kept = NULL;
	struct drv d = {.name = name, .builder = builder};
	char want[256];

	make_build_dir();
	assert_ok(&e, settings_set(&s, "build-dir", "", &e));
	assert_ok(&e, settings_set(&s, "external-builders", "[]", &e));
	assert_ok(&e, settings_set(&s, "keep-failed", "true", &e));
	assert_ok(&e, keep_build_dir(&d, &s, in("state"), in("b"), &kept, &e));
	snprintf(want, sizeof want, "%s/nix-%ld-0/build", in("state/builds"), (long)getpid());
	assert_string_equal(kept, want);
	assert_int_equal(mode_of(in("state/builds")), 0755);
	assert_int_equal(mode_of(kept), 0755);
}

static void keeps_nothing_unless_told(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_free char *kept = NULL;
	struct drv d = {.name = name, .builder = builder};

	make_build_dir();
	assert_ok(&e, keep_build_dir(&d, &s, in("state"), in("b"), &kept, &e));
	assert_null(kept);
	assert_ok(&e, settings_set(&s, "keep-failed", "true", &e));
	d.builder = builtin;
	assert_ok(&e, keep_build_dir(&d, &s, in("state"), in("b"), &kept, &e));
	assert_null(kept);
	assert_int_equal(access(in("b/file"), F_OK), 0);
}

static void leaves_nothing_where_it_cannot_move(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_free char *kept = NULL;
	struct drv d = {.name = name, .builder = builder};

	assert_ok(&e, settings_set(&s, "keep-failed", "true", &e));
	assert_int_equal(keep_build_dir(&d, &s, in("state"), in("nothing"), &kept, &e), -1);
	assert_non_null(strstr(e.msg, "nothing"));
	assert_null(kept);
	assert_int_equal(access(in("nix-build-a.drv-0"), F_OK), -1);
}

static void copies_every_type_of_file(void **state)
{
	struct err e = ERR_INIT;
	struct stat a, b;
	char target[64] = "";
	const struct timespec old[2] = {{1000, 0}, {2000, 0}};

	make_build_dir();
	assert_int_equal(mkdir(in("b/d"), 0700), 0);
	assert_ok(&e, io_write_file(AT_FDCWD, in("b/d/x"), 0755, "", 0, &e));
	assert_int_equal(symlink("/nowhere", in("b/d/link")), 0);
	assert_int_equal(mkfifo(in("b/d/fifo"), 0600), 0);
	assert_int_equal(utimensat(AT_FDCWD, in("b/file"), old, 0), 0);
	assert_int_equal(chmod(in("b/d"), 0511), 0);
	assert_int_equal(mkdir(in("copy"), 0700), 0);
	scoped_fd int from = io_opendir(AT_FDCWD, in("b"), &e);
	scoped_fd int to = io_opendir(AT_FDCWD, in("copy"), &e);
	assert_ok(&e, keep_copy_tree(from, to, in("b"), &e));
	assert_int_equal(mode_of(in("copy/d")), 0511);
	assert_int_equal(mode_of(in("copy/d/x")), 0755);
	assert_int_equal(mode_of(in("copy/d/fifo")), 0600);
	assert_true(readlink(in("copy/d/link"), target, sizeof target - 1) > 0);
	assert_string_equal(target, "/nowhere");
	assert_int_equal(stat(in("b/file"), &a), 0);
	assert_int_equal(stat(in("copy/file"), &b), 0);
	assert_int_equal(b.st_size, 4);
	assert_int_equal(b.st_mtime, 2000);
	assert_int_equal(b.st_mode, a.st_mode);
}

static void refuses_to_go_too_deep(void **state)
{
	struct err e = ERR_INIT;

	make_build_dir();
	assert_int_equal(mkdir(in("copy"), 0700), 0);
	scoped_fd int from = io_opendir(AT_FDCWD, in("b"), &e);
	scoped_fd int to = io_opendir(AT_FDCWD, in("copy"), &e);
	int at = dup(from);
	for (int i = 0; i < 300; i++) {
		int next = io_mkdir(at, "d", 0700, &e);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	close(at);
	assert_int_equal(keep_copy_tree(from, to, in("b"), &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(moves_to_the_first_free_name),
		CASE(moves_below_a_directory_for_newer_nix),
		CASE(moves_to_the_state_directory_for_nix_2_32),
		CASE(keeps_nothing_unless_told),
		CASE(leaves_nothing_where_it_cannot_move),
		CASE(copies_every_type_of_file),
		CASE(refuses_to_go_too_deep),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/keep/keep_failed.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

static char dir[32], on_list[256];
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

static int owned(struct run *run, const char *path, struct err *e)
{
	snprintf(on_list, sizeof on_list, "%s", path);
	return access(path, F_OK) == 0 ? err_set(e, ERR_INPUT, "'%s' is there already", path) : 0;
}

static int disowned(struct run *run, const char *path, struct err *e)
{
	assert_string_equal(path, on_list);
	on_list[0] = '\0';
	return 0;
}

/* *RET_KEPT stays NULL where nothing is to be kept. */
static int keep(const struct settings *s, char *program, char **ret_kept, struct err *e)
{
	const struct drv d = {.name = name, .builder = program};
	const struct build_user u = {geteuid(), getegid(), 1, -1};
	const struct keep_list list = {NULL, owned, disowned};
	scoped_keep_plan struct keep_plan p = KEEP_PLAN_INIT;

	assert_ok(e, keep_plan(&d, s, in("state"), &u, &p, e));
	if (!p.dir)
		return 0;
	const int rc = keep_move(&p, in("b"), &list, NULL, ret_kept, e);
	assert_string_equal(on_list, "");
	return rc;
}

/* All that a case has made has one of these names. */
static void assert_nothing_new(void)
{
	scoped_dir DIR *d = opendir(dir);

	for (const struct dirent *de; (de = readdir(d));)
		assert_true(str_eq(de->d_name, ".") || str_eq(de->d_name, "..") ||
			    str_eq(de->d_name, "b") || str_eq(de->d_name, "other"));
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

	make_build_dir();
	assert_int_equal(mkdir(in("nix-build-a.drv-0"), 0700), 0);
	assert_ok(&e, settings_set(&s, "keep-failed", "true", &e));
	assert_ok(&e, keep(&s, builder, &kept, &e));
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

	make_build_dir();
	assert_int_equal(mkdir(in("builds"), 0755), 0);
	assert_ok(&e, settings_set(&s, "build-dir", in("builds"), &e));
	assert_ok(&e, settings_set(&s, "keep-failed", "true", &e));
	assert_ok(&e, keep(&s, builder, &kept, &e));
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
	char want[256];

	make_build_dir();
	assert_ok(&e, settings_set(&s, "build-dir", "", &e));
	assert_ok(&e, settings_set(&s, "external-builders", "[]", &e));
	assert_ok(&e, settings_set(&s, "keep-failed", "true", &e));
	assert_ok(&e, keep(&s, builder, &kept, &e));
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

	make_build_dir();
	assert_ok(&e, keep(&s, builder, &kept, &e));
	assert_null(kept);
	assert_ok(&e, settings_set(&s, "keep-failed", "true", &e));
	assert_ok(&e, keep(&s, builtin, &kept, &e));
	assert_null(kept);
	assert_int_equal(access(in("b/file"), F_OK), 0);
}

static void leaves_nothing_where_it_cannot_move(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_free char *kept = NULL;

	assert_ok(&e, settings_set(&s, "keep-failed", "true", &e));
	assert_err(&e, keep(&s, builder, &kept, &e), "/b'");
	assert_null(kept);
	assert_nothing_new();
}

static void keeps_a_build_directory_that_gives_no_rights(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_free char *kept = NULL;

	make_build_dir();
	assert_int_equal(chmod(in("b/file"), 02755), 0);
	assert_int_equal(chmod(in("b"), 02777), 0);
	assert_ok(&e, settings_set(&s, "keep-failed", "true", &e));
	assert_ok(&e, keep(&s, builder, &kept, &e));
	assert_int_equal(mode_of(kept), 0755);
	assert_int_equal(mode_of(in("nix-build-a.drv-0/file")), 0755);
}

static void follows_no_link_in_the_place_of_the_build_directory(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_free char *kept = NULL;

	assert_int_equal(mkdir(in("other"), 0700), 0);
	assert_int_equal(symlink("other", in("b")), 0);
	assert_ok(&e, settings_set(&s, "keep-failed", "true", &e));
	assert_err(&e, keep(&s, builder, &kept, &e), "opening directory");
	assert_int_equal(mode_of(in("other")), 0700);
	assert_nothing_new();
}

/* /dev/shm is another file system than /tmp, if it is there. */
static void copies_to_another_file_system(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_free char *kept = NULL;
	char other[] = "/dev/shm/test_keep.XXXXXX";

	if (!mkdtemp(other))
		return;
	make_build_dir();
	assert_int_equal(link(in("b/file"), in("b/again")), 0);
	setenv("TMPDIR", other, 1);
	assert_ok(&e, settings_set(&s, "keep-failed", "true", &e));
	assert_ok(&e, keep(&s, builder, &kept, &e));
	assert_true(str_starts(kept, other));
	assert_int_equal(mode_of(kept), 0755);
	scoped_fd int fd = io_opendir(AT_FDCWD, kept, &e);
	struct stat st;
	assert_int_equal(fstatat(fd, "again", &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_ok(&e, io_rmtree(AT_FDCWD, other, other, &e));
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
		CASE(keeps_a_build_directory_that_gives_no_rights),
		CASE(follows_no_link_in_the_place_of_the_build_directory),
		CASE(copies_to_another_file_system),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}

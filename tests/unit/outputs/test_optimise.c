/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/outputs/optimise.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/nar.h"

static char dir[32];
static int store_fd;

static int setup(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/test_optimise.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	store_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return store_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	close(store_fd);
	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

static void make_file(const char *name, const char *contents, mode_t mode)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_write_file(store_fd, name, mode, contents, strlen(contents), &e));
	assert_int_equal(fchmodat(store_fd, name, mode, 0), 0);
}

static void make_dir(const char *name)
{
	assert_int_equal(mkdirat(store_fd, name, 0755), 0);
}

static struct stat status(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(store_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static bool same(const char *a, const char *b)
{
	return status(a).st_ino == status(b).st_ino;
}

static void optimise(const char *name)
{
	struct err e = ERR_INIT;

	assert_ok(&e, optimise_tree(store_fd, store_fd, name, name, &e));
}

static void makes_equal_files_one(void **state)
{
	make_dir("d");
	make_dir("d/e");
	make_file("d/a", "x", 0444);
	make_file("d/e/b", "x", 0444);
	make_file("d/program", "x", 0555);
	make_file("d/other", "y", 0444);
	assert_int_equal(symlinkat("x", store_fd, "d/link"), 0);
	assert_int_equal(symlinkat("x", store_fd, "d/e/link"), 0);
	optimise("d");
	assert_true(same("d/a", "d/e/b"));
	assert_true(same("d/link", "d/e/link"));
	assert_false(same("d/a", "d/program"));
	assert_false(same("d/a", "d/other"));
	assert_int_equal(status("d/a").st_nlink, 3); /* and in .links */
	assert_int_equal(status("d/other").st_nlink, 2);
	make_file("f", "x", 0444);
	optimise("f");
	assert_true(same("f", "d/a"));
	optimise("d");
	assert_int_equal(status("d/a").st_nlink, 4);
}

static void leaves_times_canonical_and_nothing_else(void **state)
{
	const struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 1}};

	make_dir("d");
	make_file("d/a", "x", 0444);
	make_file("d/b", "x", 0444);
	assert_int_equal(utimensat(store_fd, "d", times, 0), 0);
	optimise("d");
	assert_true(same("d/a", "d/b"));
	assert_int_equal(status("d").st_mtime, 1);
	/* "d", ".links" and no link that stood for a moment. */
	assert_int_equal(status(".").st_nlink, 4);
}

static void replaces_a_damaged_link(void **state)
{
	make_file("a", "x", 0444);
	optimise("a");
	make_file("b", "x", 0444);
	assert_int_equal(status("a").st_nlink, 2);
	{
		scoped_fd int fd = openat(store_fd, "a", O_WRONLY | O_CLOEXEC);
		if (fd < 0) { /* without root, 0444 holds */
			assert_int_equal(fchmodat(store_fd, "a", 0644, 0), 0);
			fd = openat(store_fd, "a", O_WRONLY | O_CLOEXEC);
		}
		assert_int_equal(write(fd, "damaged", 7), 7);
	}
	optimise("b");
	assert_false(same("a", "b"));
	assert_int_equal(status("a").st_nlink, 1);
	assert_int_equal(status("b").st_nlink, 2);
}

static void goes_as_deep_as_the_tree(void **state)
{
	struct err e = ERR_INIT;
	struct stat st;
	scoped_fd int at = dup(store_fd);

	for (int i = 0; i < 300; i++) {
		assert_int_equal(mkdirat(at, "d", 0755), 0);
		assert_ok(&e, io_write_file(at, "f", 0444, "same", 4, &e));
		int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	assert_ok(&e, io_write_file(at, "f", 0444, "same", 4, &e));
	assert_ok(&e, optimise_tree(store_fd, store_fd, "d", "d", &e));
	assert_int_equal(fstatat(at, "f", &st, 0), 0);
	/* All but the one beside the root; and the link in .links. */
	assert_int_equal(st.st_nlink, 301);
	/* The deepest was the first, and is as it was. */
	assert_int_equal(fstatat(store_fd, "d", &st, 0), 0);
	assert_int_equal(st.st_mtime, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(makes_equal_files_one),
		CASE(leaves_times_canonical_and_nothing_else),
		CASE(replaces_a_damaged_link),
		CASE(goes_as_deep_as_the_tree),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("optimise", tests, NULL, NULL);
}

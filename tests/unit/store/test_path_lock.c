/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/store/path_lock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

static char dir[32], path[64], file[80];

static int setup(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/test_pathlock.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/path", dir);
	snprintf(file, sizeof file, "%s.lock", path);
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

static void is_a_locked_file_until_it_is_given_up(void **state)
{
	struct err e = ERR_INIT;
	scoped_pathlock struct pathlock a = PATHLOCK_INIT, b = PATHLOCK_INIT;

	assert_int_equal(pathlock_take(path, true, &a, &e), 1);
	assert_string_equal(a.file, file);
	assert_int_equal(pathlock_take(path, false, &b, &e), 0);
	assert_int_equal(b.fd, -1);
	assert_false(err_is_set(&e));
	/* Who waits for it has the file open, and must see that it is none any more. */
	scoped_fd int other = open(file, O_RDWR | O_CLOEXEC);
	struct stat st;
	pathlock_done(&a);
	assert_int_equal(access(file, F_OK), -1);
	assert_int_equal(fstat(other, &st), 0);
	assert_int_equal(st.st_size, 1);
	assert_int_equal(pathlock_take(path, false, &b, &e), 1);
}

static void makes_a_new_file_where_one_was_given_up(void **state)
{
	struct err e = ERR_INIT;
	scoped_pathlock struct pathlock a = PATHLOCK_INIT;

	assert_ok(&e, io_write_file(AT_FDCWD, file, 0600, "d", 1, &e));
	assert_int_equal(pathlock_take(path, false, &a, &e), 1);
	struct stat st;
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void follows_no_link(void **state)
{
	struct err e = ERR_INIT;
	scoped_pathlock struct pathlock a = PATHLOCK_INIT;

	assert_int_equal(symlink("/etc/passwd", file), 0);
	assert_err(&e, pathlock_take(path, false, &a, &e), "opening the lock file");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(is_a_locked_file_until_it_is_given_up),
		CASE(makes_a_new_file_where_one_was_given_up),
		CASE(follows_no_link),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pathlock", tests, NULL, NULL);
}

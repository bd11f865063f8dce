/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "tests/unit/tmpdir.h"

static void creates_files_only_where_there_is_none(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(100);
	struct stat st;

	assert_ok(&e, io_write_file(dirfd_, "f", 0444, "abc", 3, &e));
	assert_err(&e, io_write_file(dirfd_, "f", 0444, "xyz", 3, &e), "File exists");
	assert_ok(&e, io_read_file(dirfd_, "f", &b, &e));
	assert_string_equal(b.data, "abc");
	assert_int_equal(fstatat(dirfd_, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
}

static void reads_no_link_and_no_fifo(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(100);

	assert_int_equal(symlinkat("/etc/passwd", dirfd_, "l"), 0);
	assert_err(&e, io_read_file(dirfd_, "l", &b, &e), "symbolic links");
	assert_int_equal(mkfifoat(dirfd_, "p", 0600), 0);
	assert_err(&e, io_read_file(dirfd_, "p", &b, &e), "not a regular file");
}

static void removes_directories_without_permissions(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(mkdirat(dirfd_, "m", 0755), 0);
	assert_int_equal(mkdirat(dirfd_, "m/n", 0755), 0);
	assert_ok(&e, io_write_file(dirfd_, "m/n/f", 0, "", 0, &e));
	assert_int_equal(fchmodat(dirfd_, "m/n", 0, 0), 0);
	assert_int_equal(fchmodat(dirfd_, "m", 0, 0), 0);
	assert_ok(&e, io_rmtree(dirfd_, "m", "m", &e));
	assert_int_equal(faccessat(dirfd_, "m", F_OK, 0), -1);
}

static void nested(const char *path, mode_t mode)
{
	char p[64];

	for (int i = 0; i < 3; i++) {
		snprintf(p, sizeof p, "%s%.*s", path, 2 * i, "/d/d/d");
		assert_int_equal(mkdirat(dirfd_, p, 0755), 0);
	}
	snprintf(p, sizeof p, "%s/d/d/f", path);
	struct err e = ERR_INIT;
	assert_ok(&e, io_write_file(dirfd_, p, mode & 0444, "", 0, &e));
	for (int i = 2; i >= 0; i--) {
		snprintf(p, sizeof p, "%s%.*s", path, 2 * i, "/d/d/d");
		assert_int_equal(fchmodat(dirfd_, p, mode, 0), 0);
	}
}

/* As somebody who is not root, for whom a mode is more than a word. */
static void removes_read_only_trees_without_root(void **state)
{
	static const mode_t modes[] = {0555, 0, 0100, 0444};
	int status = -1;
	pid_t pid;

	assert_int_equal(fchmod(dirfd_, 0777), 0);
	pid = fork();
	if (pid == 0) {
		struct err e = ERR_INIT;
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(2);
		for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
			nested("ro", modes[i]);
			if (io_rmtree(dirfd_, "ro", "ro", &e) < 0)
				_exit(3);
			if (faccessat(dirfd_, "ro", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
				_exit(4);
		}
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void removing_what_is_not_there_is_fine(void **state)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_rmtree(dirfd_, "nothing", "nothing", &e));
}

static void a_lock_is_held_once(void **state)
{
	scoped_fd int a = openat(dirfd_, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	scoped_fd int b = openat(dirfd_, "lock", O_RDWR | O_CLOEXEC);

	assert_int_equal(io_lock(a, LOCK_EX), 1);
	assert_int_equal(io_lock(b, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(errno, EWOULDBLOCK);
	assert_int_equal(io_lock(a, LOCK_UN), 1);
	assert_int_equal(io_lock(b, LOCK_EX | LOCK_NB), 1);
	assert_int_equal(io_lock(-1, LOCK_EX), -1);
}

static void ignore_signal(int sig)
{
	(void)sig;
}

static void a_lock_is_waited_for_through_signals(void **state)
{
	const struct sigaction sa = {.sa_handler = ignore_signal};
	const struct itimerval soon = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
	scoped_fd int a = openat(dirfd_, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		int mine = openat(dirfd_, "lock", O_RDWR | O_CLOEXEC);
		_exit(io_lock(mine, LOCK_EX) == 1 && write(mine, "x", 1) == 1 && usleep(50000) == 0
			      ? 0
			      : 1);
	}
	assert_true(pid > 0);
	for (struct stat st = {0}; st.st_size == 0;)
		assert_int_equal(fstat(a, &st), 0);
	assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(io_lock(a, LOCK_EX), 1);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(creates_files_only_where_there_is_none),
		cmocka_unit_test(reads_no_link_and_no_fifo),
		cmocka_unit_test(removes_directories_without_permissions),
		cmocka_unit_test(removes_read_only_trees_without_root),
		cmocka_unit_test(removing_what_is_not_there_is_fine),
		cmocka_unit_test(a_lock_is_held_once),
		cmocka_unit_test(a_lock_is_waited_for_through_signals),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("io", tests, setup, teardown);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/base/fds.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nar/base/scope.h"

#define FIRST 20
#define LAST 29

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void open_all(void)
{
	for (int fd = FIRST; fd <= LAST; fd++)
		if (dup2(STDERR_FILENO, fd) < 0)
			_exit(2);
}

/* As on Linux before 5.9. */
static void refuse_close_range(void)
{
#ifdef SYS_close_range
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = {ARRAY_SIZE(filter), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		_exit(3);
#endif
}

static int close_some(bool refused)
{
	struct err e = ERR_INIT;

	open_all();
	if (refused)
		refuse_close_range();
	if (fds_close(FIRST + 2, FIRST + 4, &e) < 0 || fds_close(FIRST + 1, FIRST, &e) < 0)
		return 4;
	for (int fd = FIRST; fd <= LAST; fd++)
		if (is_open(fd) == (fd >= FIRST + 2 && fd <= FIRST + 4))
			return 5;
	if (fds_close(FIRST + 6, INT_MAX, &e) < 0)
		return 6;
	for (int fd = FIRST + 5; fd <= LAST; fd++)
		if (is_open(fd) != (fd == FIRST + 5))
			return 7;
	return 0;
}

static void in_a_child(bool refused)
{
	const pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(close_some(refused));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void closes_a_range_of_descriptors(void **state)
{
	(void)state;
	in_a_child(false);
}

static void closes_what_proc_lists_without_close_range(void **state)
{
	(void)state;
	in_a_child(true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closes_a_range_of_descriptors),
		cmocka_unit_test(closes_what_proc_lists_without_close_range),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("fds", tests, NULL, NULL);
}

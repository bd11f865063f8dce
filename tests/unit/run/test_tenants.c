/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/run/tenants.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

static char dir[64], place[80];

static void make(const char *side)
{
	struct err e = ERR_INIT;
	scoped_free char *path = str_fmt(&e, "%s/%s/x.chroot/scratch/build", dir, side);
	scoped_fd int fd = io_mkdir_p(path, 0755, &e);

	assert_ok(&e, fd);
}

static int setup(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/test_tenants.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(place, sizeof place, "%s/at \\ here", dir);
	make("a");
	make("b");
	return mkdir(place, 0755);
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

/* A process that has what is in dir/SIDE mounted, and a child that has it, too. */
static pid_t start_tenant(const char *side)
{
	struct err e = ERR_INIT;
	scoped_free char *what = str_fmt(&e, "%s/%s/x.chroot/scratch/build", dir, side);
	int ready[2];
	char c;

	assert_int_equal(pipe(ready), 0);
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(what, place, NULL, MS_BIND, NULL) < 0 || fork() < 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	/* Both of them. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void those_of_the_directory_are_killed_and_no_others(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *a = str_fmt(&e, "%s/a/x.chroot", dir);
	int status;

	if (geteuid() != 0)
		skip(); /* mounts */
	const pid_t mine = start_tenant("a"), other = start_tenant("b");
	assert_ok(&e, tenants_kill(a, "scratch", &e));
	assert_int_equal(waitpid(mine, &status, 0), mine);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(waitpid(other, &status, WNOHANG), 0);
	scoped_free char *b = str_fmt(&e, "%s/b/x.chroot", dir);
	assert_ok(&e, tenants_kill(b, "scratch", &e));
	assert_int_equal(waitpid(other, &status, 0), other);
	/* None, and no such directory. */
	assert_ok(&e, tenants_kill(b, "scratch", &e));
	assert_ok(&e, tenants_kill(b, "nothing", &e));
}

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(those_of_the_directory_are_killed_and_no_others),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

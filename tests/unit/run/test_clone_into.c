/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/run/clone_into.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

#include "hook/cgroup/cgroup.h"
#include "hook/cgroup/group.h"
#include "tests/unit/tmpdir.h"

struct note {
	pid_t pid; /* the child writes it: memory is shared */
	int pipe[2];
};

/* Wait for the test's word in a program that it is looked at in. */
static void be_child(void *arg)
{
	struct note *n = arg;

	n->pid = getpid();
	dup2(n->pipe[0], STDIN_FILENO);
	close(n->pipe[1]);
	execl("/bin/cat", "cat", (char *)NULL);
	_exit(127);
}

static void a_directory_that_is_no_group_is_refused(void **state)
{
	struct note n = {0, {-1, -1}};

	assert_int_equal(clone_into(dirfd_, be_child, &n), -1);
	assert_true(errno == EBADF || errno == ENOSYS || errno == EINVAL || errno == E2BIG);
	assert_int_equal(n.pid, 0);
}

/* Where we can make a group of v2 and the kernel starts processes in one: not before Linux 5.7. */
static void a_child_begins_in_the_group(void **state)
{
	static const struct cgroup_limits none;
	struct note n = {0, {-1, -1}};
	struct cgroup_group g;
	struct err e = ERR_INIT;
	bool unbounded;
	char name[64];
	int status;

	snprintf(name, sizeof name, CGROUP_BUILD_PREFIX "clone-%d", (int)getpid());
	const struct cgroup_wish w = {.name = name, .limits = &none, .v2 = true};
	if (geteuid() != 0 || cgroup_choose(&w, &g, &e) < 0)
		return;
	assert_ok(&e, cgroup_make(&g, &none, &unbounded, &e));
	scoped_fd int fd = open(g.v2, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pipe2(n.pipe, O_CLOEXEC), 0);
	const pid_t pid = clone_into(fd, be_child, &n);
	close(n.pipe[0]);
	if (pid > 0) {
		scoped_strv struct strv found = STRV_INIT;

		/* It has executed its program by now, as with vfork(2). */
		assert_int_equal(n.pid, pid);
		assert_ok(&e, cgroup_find(pid, name, &found, &e));
		assert_int_equal(found.n, 1);
		assert_string_equal(found.items[0], g.v2);
		close(n.pipe[1]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	} else {
		assert_true(errno == ENOSYS || errno == EINVAL || errno == E2BIG);
		close(n.pipe[1]);
	}
	assert_ok(&e, cgroup_remove(&g.dirs, &e));
	cgroup_group_done(&g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_that_is_no_group_is_refused),
		cmocka_unit_test(a_child_begins_in_the_group),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("clone into", tests, setup, teardown);
}

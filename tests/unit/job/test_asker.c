/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/job/asker.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether a process that may have LIMIT descriptors, and has USED and CHILDREN, has room. */
static bool has_room(rlim_t limit, int used, int children)
{
	int p[2], status;
	char c;

	assert_int_equal(pipe(p), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		const struct rlimit r = {limit, limit};

		dup2(p[1], 0);
		for (int fd = 1; fd < 1024; fd++)
			close(fd);
		for (int fd = 1; fd < used; fd++)
			if (dup(0) != fd)
				_exit(1);
		for (int i = 0; i < children; i++)
			if (fork() == 0)
				_exit(0); /* which stays a zombie, and so a child */
		if (setrlimit(RLIMIT_NOFILE, &r) < 0 || write(0, "x", 1) != 1)
			_exit(1);
		pause();
	}
	close(p[1]);
	assert_int_equal(read(p[0], &c, 1), 1);
	close(p[0]);
	const bool room = asker_has_room(pid);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return room;
}

static void an_eighth_is_kept_free(void **state)
{
	assert_true(has_room(160, 10, 2));
	assert_true(has_room(160, 139, 2));
	assert_false(has_room(160, 140, 2));
	assert_false(has_room(160, 160, 2));
}

static void who_has_no_other_build_gets_one(void **state)
{
	assert_true(has_room(160, 160, 1));
	assert_false(has_room(160, 160, 2));
}

static void what_cannot_be_known_is_no_bound(void **state)
{
	assert_true(asker_has_room(-1));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_eighth_is_kept_free),
		cmocka_unit_test(who_has_no_other_build_gets_one),
		cmocka_unit_test(what_cannot_be_known_is_no_bound),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("asker", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/host/users.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hook/host/users_internal.h"
#include "nar/base/io.h"

static char dir[32];
/* struct group wants its strings writable. */
static char builders[] = "builders", bin[] = "bin", daemon_[] = "daemon", root[] = "root",
	    stranger_[] = "no-such-user";

static int setup(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/test_users.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

static void takes_members_of_the_group_in_order(void **state)
{
	struct err e = ERR_INIT;
	/* Users that every Debian has: uid 2 and 1. */
	struct group g = {builders, NULL, 77, (char *[]){bin, daemon_, NULL}};
	scoped_user_pool struct user_pool p = {0};
	scoped_build_user struct build_user a = BUILD_USER_INIT, b = BUILD_USER_INIT,
					    c = BUILD_USER_INIT;
	char path[64];
	struct stat st;

	assert_ok(&e, user_pool_from_group(&p, &g, 0, &e));
	assert_int_equal(user_pool_try(&p, dir, &a, &e), 1);
	assert_int_equal(user_pool_try(&p, dir, &b, &e), 1);
	assert_int_equal(user_pool_try(&p, dir, &c, &e), 0);
	assert_int_equal(a.uid, 2);
	assert_int_equal(b.uid, 1);
	assert_int_equal(a.gid, 77);
	assert_int_equal(a.count, 1);
	snprintf(path, sizeof path, "%s/userpool/2", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	snprintf(path, sizeof path, "%s/userpool", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	build_user_done(&a);
	assert_int_equal(user_pool_try(&p, dir, &c, &e), 1);
	assert_int_equal(c.uid, 2);
}

static void refuses_groups_that_cannot_be_used(void **state)
{
	struct err e = ERR_INIT;
	scoped_build_user struct build_user u = BUILD_USER_INIT, v = BUILD_USER_INIT;
	struct group none = {.gr_name = builders, .gr_mem = (char *[]){NULL}};
	struct group stranger = {.gr_name = builders, .gr_mem = (char *[]){stranger_, NULL}};
	struct group self = {.gr_name = builders, .gr_mem = (char *[]){daemon_, root, NULL}};
	scoped_user_pool struct user_pool p = {0}, q = {0}, r = {0};

	assert_err(&e, user_pool_from_group(&p, &none, 0, &e), "has no members");
	assert_ok(&e, user_pool_from_group(&q, &stranger, 0, &e));
	assert_err(&e, user_pool_try(&q, dir, &u, &e),
		   "the user 'no-such-user' in the group 'builders' does not exist");
	assert_ok(&e, user_pool_from_group(&r, &self, 0, &e));
	assert_int_equal(user_pool_try(&r, dir, &u, &e), 1);
	assert_err(&e, user_pool_try(&r, dir, &v, &e), "should not be a member of 'builders'");
}

static void cuts_ranges_into_slots(void **state)
{
	struct err e = ERR_INIT;
	scoped_user_pool struct user_pool p = {0};
	scoped_build_user struct build_user a = BUILD_USER_INIT, b = BUILD_USER_INIT;
	char path[64];

	assert_ok(&e, user_pool_from_range(&p, 872415232, 8388608, &e));
	assert_int_equal(p.n, 128);
	assert_int_equal(user_pool_try(&p, dir, &a, &e), 1);
	assert_int_equal(user_pool_try(&p, dir, &b, &e), 1);
	assert_int_equal(a.uid, 872415232);
	assert_int_equal(b.uid, 872415232 + 65536);
	assert_int_equal(b.gid, b.uid);
	assert_int_equal(b.count, 65536);
	snprintf(path, sizeof path, "%s/userpool2/slot-1", dir);
	assert_int_equal(access(path, F_OK), 0);
}

static void refuses_ranges_of_ids_that_mean_something(void **state)
{
	static const uint64_t bad[][2] = {
		{872415232, 65535},          /* less than one slot */
		{0, 65536},                  /* root */
		{1000, 65536},               /* a person */
		{UINT32_MAX - 65536, 65536}, /* ends in (uid_t)-1 */
		{UINT64_MAX, 65536},
		{872415232, UINT64_MAX},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err e = ERR_INIT;
		scoped_user_pool struct user_pool p = {0};

		assert_err(&e, user_pool_from_range(&p, bad[i][0], bad[i][1], &e), "'");
	}
}

static void a_map_has_ranges(void **state)
{
	static const char all[] = "         0          0 4294967295\n";
	static const char some[] = "0 100000 1000\n 1000 0 1\n1001 101000 64535\n";

	assert_true(user_map_has(all, 872415232, 8388608));
	assert_true(user_map_has(some, 0, 65536));
	assert_true(user_map_has(some, 999, 3));
	assert_false(user_map_has(some, 0, 65537));
	assert_false(user_map_has(some, 65536, 1));
	assert_false(user_map_has("0 0 1\n", 872415232, 8388608));
	assert_false(user_map_has("", 0, 1));
}

static void range_is_taken_where_the_group_is_missing(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = {0};
	scoped_build_user struct build_user u = BUILD_USER_INIT, v = BUILD_USER_INIT,
					    w = BUILD_USER_INIT;

	assert_ok(&e, settings_set(&s, "build-users-group", "no-such-group", &e));
	assert_ok(&e, build_user_acquire(&s, dir, false, -1, &u, &e));
	if (geteuid() != 0) {
		assert_int_equal(u.uid, geteuid());
		assert_int_equal(u.lock_fd, -1);
		assert_err(&e, build_user_acquire(&s, dir, true, -1, &v, &e), "uid-range");
		return;
	}
	assert_int_equal(u.uid, 872415232);
	assert_ok(&e, settings_set(&s, "build-users-group", "", &e));
	assert_ok(&e, build_user_acquire(&s, dir, false, -1, &v, &e));
	assert_int_equal(v.uid, 872415232 + 65536);
	assert_ok(&e, settings_set(&s, "build-users-group", "daemon", &e));
	assert_ok(&e, settings_set(&s, "start-id", "1000000", &e));
	assert_ok(&e, build_user_acquire(&s, dir, true, -1, &w, &e));
	assert_int_equal(w.uid, 1000000 + 2 * 65536);
}

static int lowest_free_fd(void)
{
	int fd = dup(STDIN_FILENO);

	close(fd);
	return fd;
}

static void keeps_no_descriptor_but_the_lock(void **state)
{
	struct err e = ERR_INIT;
	struct group g = {builders, NULL, 77, (char *[]){bin, NULL}};
	scoped_user_pool struct user_pool p = {0};
	scoped_build_user struct build_user a = BUILD_USER_INIT, b = BUILD_USER_INIT;
	int before = lowest_free_fd();

	assert_ok(&e, user_pool_from_group(&p, &g, 0, &e));
	assert_int_equal(user_pool_try(&p, dir, &a, &e), 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(user_pool_try(&p, dir, &b, &e), 0);
	build_user_done(&a);
	assert_int_equal(lowest_free_fd(), before);
}

static void stops_waiting_when_told(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = {0};
	scoped_build_user struct build_user u = BUILD_USER_INIT, v = BUILD_USER_INIT;
	int p[2];

	assert_ok(&e, settings_set(&s, "build-users-group", "", &e));
	assert_ok(&e, settings_set(&s, "id-count", "65536", &e));
	assert_ok(&e, build_user_acquire(&s, dir, false, -1, &u, &e));
	if (geteuid() != 0)
		return; /* nothing is locked, so nobody waits */
	assert_int_equal(pipe(p), 0);
	close(p[1]);
	assert_int_equal(build_user_acquire(&s, dir, false, p[0], &v, &e), -1);
	assert_int_equal(e.kind, ERR_STOPPED);
	close(p[0]);
}

/* A process with the ids UID, which lives until it is killed. */
static pid_t start_as(uid_t uid)
{
	int ready[2];
	char c;

	assert_int_equal(pipe(ready), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		close(ready[0]);
		if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void assert_killed(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void kills_what_runs_as_the_user(void **state)
{
	struct err e = ERR_INIT;
	/* Nobody's on any machine, and another in each run of this test. */
	const uid_t uid = 3000000000u + (uid_t)getpid() % 1000000 * 4;

	if (geteuid() != 0) {
		assert_err(&e, user_kill_all(uid, &e), "killing the processes");
		return;
	}
	const pid_t a = start_as(uid), b = start_as(uid), other = start_as(uid + 1);
	assert_ok(&e, user_kill_all(uid, &e));
	assert_killed(a);
	assert_killed(b);
	assert_int_equal(waitpid(other, NULL, WNOHANG), 0);
	/* Where there is none. */
	assert_ok(&e, user_kill_all(uid, &e));
	kill(other, SIGKILL);
	assert_killed(other);
}

static void kills_what_has_any_id_of_a_range(void **state)
{
	struct err e = ERR_INIT;
	const uid_t uid = 3100000000u + (uid_t)getpid() % 1000000 * 4;

	if (geteuid() != 0) {
		/* Processes of others are not ours to kill; there are none. */
		assert_ok(&e, user_kill_range(uid, 2, &e));
		return;
	}
	const pid_t a = start_as(uid), b = start_as(uid + 1), other = start_as(uid + 2);
	assert_ok(&e, user_kill_range(uid, 2, &e));
	assert_killed(a);
	assert_killed(b);
	assert_int_equal(waitpid(other, NULL, WNOHANG), 0);
	kill(other, SIGKILL);
	assert_killed(other);
}

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(takes_members_of_the_group_in_order),
		CASE(refuses_groups_that_cannot_be_used),
		CASE(cuts_ranges_into_slots),
		CASE(refuses_ranges_of_ids_that_mean_something),
		CASE(a_map_has_ranges),
		CASE(range_is_taken_where_the_group_is_missing),
		CASE(keeps_no_descriptor_but_the_lock),
		CASE(stops_waiting_when_told),
		CASE(kills_what_runs_as_the_user),
		CASE(kills_what_has_any_id_of_a_range),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/host/reservation_internal.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

static char dir[40];
static const struct conf_amount hundred = {AMOUNT_BYTES, 100};

static int setup(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/test_reservation.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

/* ---- which claim may start ---- */

#define RUNS(ticket, bytes, used) ((struct claim){ticket, bytes, used, 0, true})
#define WAITS(ticket, bytes, waits_s) ((struct claim){ticket, bytes, 0, waits_s, false})

/* Whether the last of the N claims at C may start within 100. */
static bool last_may_start(const struct claim *c, size_t n)
{
	uint64_t left;

	return claim_may_start(c, n, &c[n - 1], 100, &left);
}
#define MAY_START(...)                                      \
	last_may_start((const struct claim[]){__VA_ARGS__}, \
		       sizeof((const struct claim[]){__VA_ARGS__}) / sizeof(struct claim))

static void starts_what_fits(void **state)
{
	assert_true(MAY_START(WAITS(1, 100, 0)));
	assert_true(MAY_START(RUNS(1, 40, 0), WAITS(2, 60, 0)));
	assert_false(MAY_START(RUNS(1, 41, 0), WAITS(2, 60, 0)));
	assert_false(MAY_START(RUNS(1, UINT64_MAX, 0), RUNS(2, 2, 0), WAITS(3, 1, 0)));
}

static void counts_what_is_used_where_that_is_more(void **state)
{
	assert_false(MAY_START(RUNS(1, 10, 50), WAITS(2, 60, 0)));
	assert_true(MAY_START(RUNS(1, 40, 10), WAITS(2, 60, 0)));
}

static void what_is_too_large_runs_alone(void **state)
{
	assert_true(MAY_START(WAITS(1, 1000, 0)));
	assert_false(MAY_START(RUNS(1, 1, 0), WAITS(2, 1000, 0)));
	assert_false(MAY_START(RUNS(1, 1000, 0), WAITS(2, 1, 0)));
}

static void an_earlier_claim_goes_first(void **state)
{
	/* Both fit. */
	assert_false(MAY_START(RUNS(1, 10, 0), WAITS(2, 10, 0), WAITS(3, 10, 0)));
	/* The earlier one does not, so the later one may pass it, but not for ever. */
	assert_true(MAY_START(RUNS(1, 50, 0), WAITS(2, 60, 5), WAITS(3, 10, 0)));
	assert_false(
		MAY_START(RUNS(1, 50, 0), WAITS(2, 60, RESERVATION_PATIENCE_S), WAITS(3, 10, 0)));
	/* Nothing runs: the earlier one starts, however large. */
	assert_false(MAY_START(WAITS(2, 1000, 0), WAITS(3, 10, 0)));
}

/* ---- processes ---- */

static struct reservation reserve(uint64_t bytes)
{
	struct err e = ERR_INIT;
	struct reservation r = RESERVATION_INIT;

	assert_ok(&e, reservation_make_in(dir, &hundred, 0, bytes, -1, &r, &e));
	assert_true(r.runs);
	return r;
}

/* Whether BYTES can be had before STOP_FD, which is readable, is looked at. */
static void cannot_reserve(uint64_t bytes)
{
	struct err e = ERR_INIT;
	scoped_reservation struct reservation r = RESERVATION_INIT;
	int p[2];

	assert_int_equal(pipe(p), 0);
	close(p[1]);
	assert_err(&e, reservation_make_in(dir, &hundred, 0, bytes, p[0], &r, &e),
		   "stopped while waiting for memory");
	close(p[0]);
}

static size_t entries(void)
{
	scoped_dir DIR *d = opendir(dir);
	size_t n = 0;

	assert_non_null(d);
	for (const struct dirent *de; (de = readdir(d));)
		n += de->d_name[0] != '.' && strcmp(de->d_name, "lock") != 0;
	return n;
}

static void gives_back_what_was_reserved(void **state)
{
	struct reservation a = reserve(60);

	cannot_reserve(50);
	struct reservation b = reserve(40);
	reservation_done(&a);
	struct reservation c = reserve(60);
	reservation_done(&b);
	reservation_done(&c);
	reservation_done(&c);
	assert_int_equal(entries(), 0);
}

static void a_copy_of_the_descriptor_holds_it(void **state)
{
	struct reservation a = reserve(60);
	int copy = dup(reservation_fd(&a));

	reservation_done(&a);
	cannot_reserve(50);
	close(copy);
	struct reservation b = reserve(50);
	reservation_done(&b);
	assert_int_equal(entries(), 0);
}

static void a_group_tells_what_is_used(void **state)
{
	struct err e = ERR_INIT;
	struct reservation a = reserve(10);
	char group[64];

	snprintf(group, sizeof group, "%s/group", dir);
	assert_int_equal(mkdir(group, 0700), 0);
	scoped_fd int fd = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(&e, io_write_file(fd, "memory.current", 0600, "70\n", 3, &e));
	assert_ok(&e, reservation_note(&a, group, &e));
	cannot_reserve(40);
	struct reservation b = reserve(30);
	reservation_done(&a);
	reservation_done(&b);
	assert_int_equal(entries(), 1); /* the group */
}

static void a_group_that_an_earlier_claim_left_is_replaced(void **state)
{
	struct err e = ERR_INIT;
	scoped_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_ok(&e, io_write_file(fd, "1.group", 0600, "/elsewhere", 10, &e));
	struct reservation a = reserve(10);
	assert_int_equal(a.ticket, 1);
	assert_ok(&e, reservation_note(&a, dir, &e));
	reservation_done(&a);
	assert_int_equal(entries(), 0);
}

/* A process that reserves BYTES and is killed. */
static pid_t hold(uint64_t bytes, int *ret_ready)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		struct err e = ERR_INIT;
		struct reservation r = RESERVATION_INIT;

		if (reservation_make_in(dir, &hundred, 0, bytes, -1, &r, &e) < 0 ||
		    write(p[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(p[1]);
	*ret_ready = p[0];
	return pid;
}

static void is_given_back_by_a_kill_and_wakes_who_waits(void **state)
{
	int ready, other;
	char c;
	pid_t first = hold(60, &ready);

	assert_int_equal(read(ready, &c, 1), 1);
	pid_t second = hold(50, &other);
	cannot_reserve(90);
	assert_int_equal(kill(first, SIGKILL), 0);
	assert_int_equal(waitpid(first, NULL, 0), first);
	assert_int_equal(read(other, &c, 1), 1);
	assert_int_equal(kill(second, SIGKILL), 0);
	assert_int_equal(waitpid(second, NULL, 0), second);
	close(ready);
	close(other);
	struct reservation r = reserve(100);
	reservation_done(&r);
	assert_int_equal(entries(), 0);
}

static void without_a_budget_nothing_is_reserved(void **state)
{
	struct err e = ERR_INIT;
	struct conf c = CONF_INIT;
	scoped_reservation struct reservation r = RESERVATION_INIT;

	c.state_dir = dir;
	assert_ok(&e, reservation_make(&c, 0, -1, &r, &e));
	assert_int_equal(reservation_fd(&r), -1);
	assert_int_equal(entries(), 0);
}

static void tasks_are_read_less_the_reader(void **state)
{
	uint64_t n;

	assert_true(load_parse("0.20 0.18 0.12 3/80 11206\n", &n));
	assert_int_equal(n, 2);
	assert_true(load_parse("0.20 0.18 0.12 0/80 11206\n", &n));
	assert_int_equal(n, 0);
	assert_false(load_parse("", &n));
	assert_false(load_parse("0.20 0.18", &n));
	assert_false(load_parse("0.20 0.18 0.12 x/80", &n));
}

static void a_loaded_machine_has_one_build_at_least(void **state)
{
	const struct claim waits = {.ticket = 1}, old = {.ticket = 1, .runs = true, .since_s = 60},
			   fresh = {.ticket = 2, .runs = true, .since_s = 1};
	const struct claim two[] = {old, fresh};

	assert_true(load_allows(&waits, 1, 100, 4000));
	assert_false(load_allows(&old, 1, 4, 4000));
	assert_true(load_allows(&old, 1, 3, 4000));
	assert_true(load_allows(&old, 1, 4, 4500));
	/* One that has just started may not be seen yet. */
	assert_false(load_allows(two, 2, 3, 4000));
	assert_true(load_allows(two, 2, 2, 4000));
	assert_true(load_allows(two, 2, 1000, 0));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tasks_are_read_less_the_reader),
		cmocka_unit_test(a_loaded_machine_has_one_build_at_least),
		cmocka_unit_test(starts_what_fits),
		cmocka_unit_test(counts_what_is_used_where_that_is_more),
		cmocka_unit_test(what_is_too_large_runs_alone),
		cmocka_unit_test(an_earlier_claim_goes_first),
		cmocka_unit_test_setup_teardown(gives_back_what_was_reserved, setup, teardown),
		cmocka_unit_test_setup_teardown(a_copy_of_the_descriptor_holds_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_group_tells_what_is_used, setup, teardown),
		cmocka_unit_test_setup_teardown(a_group_that_an_earlier_claim_left_is_replaced,
						setup, teardown),
		cmocka_unit_test_setup_teardown(is_given_back_by_a_kill_and_wakes_who_waits, setup,
						teardown),
		cmocka_unit_test_setup_teardown(without_a_budget_nothing_is_reserved, setup,
						teardown),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

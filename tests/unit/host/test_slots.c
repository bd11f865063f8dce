/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/host/slots.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

static char dir[32];

static int setup(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/test_slots.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

static struct slots *open_slots(unsigned n, unsigned max_queued)
{
	struct err e = ERR_INIT;
	struct slots *s = slots_open(dir, n, max_queued, &e);

	assert_ok(&e, s ? 0 : -1);
	return s;
}

static unsigned in_queue(void)
{
	char path[64];
	unsigned n = 0;

	snprintf(path, sizeof path, "%s/queue", dir);
	scoped_dir DIR *d = opendir(path);
	assert_non_null(d);
	for (const struct dirent *de; (de = readdir(d));)
		n += de->d_name[0] != '.';
	return n;
}

static void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static void gives_free_slots_without_a_queue(void **state)
{
	struct err e = ERR_INIT;
	struct slots *a = open_slots(2, 5), *b = open_slots(2, 5), *c = open_slots(2, 5);

	assert_int_equal(slots_enter(a, &e), SLOTS_OK);
	assert_int_equal(slots_enter(b, &e), SLOTS_OK);
	assert_true(slots_fd(a) >= 0 && slots_fd(b) >= 0);
	assert_ok(&e, slots_wait(a, -1, &e));
	assert_int_equal(slots_enter(c, &e), SLOTS_OK);
	assert_true(slots_queued(c));
	assert_int_equal(slots_fd(c), -1);
	assert_int_equal(in_queue(), 1);
	slots_free(b);
	assert_ok(&e, slots_wait(c, -1, &e));
	assert_true(slots_fd(c) >= 0 && !slots_queued(c));
	assert_int_equal(in_queue(), 0);
	slots_free(a);
	slots_free(c);
}

static void refuses_beyond_the_bound(void **state)
{
	struct err e = ERR_INIT;
	struct slots *a = open_slots(1, 1), *b = open_slots(1, 1), *c = open_slots(1, 1);

	assert_int_equal(slots_enter(a, &e), SLOTS_OK);
	assert_int_equal(slots_enter(b, &e), SLOTS_OK);
	assert_int_equal(slots_enter(c, &e), SLOTS_FULL);
	slots_free(b);
	assert_int_equal(slots_enter(c, &e), SLOTS_OK);
	slots_free(c);
	slots_free(a);
}

static void without_a_queue_it_is_a_slot_or_nothing(void **state)
{
	struct err e = ERR_INIT;
	struct slots *a = open_slots(1, 0), *b = open_slots(1, 0);

	assert_int_equal(slots_enter(a, &e), SLOTS_OK);
	assert_int_equal(slots_enter(b, &e), SLOTS_FULL);
	slots_free(a);
	assert_int_equal(slots_enter(b, &e), SLOTS_OK);
	slots_free(b);
}

static void stops_waiting_when_told(void **state)
{
	struct err e = ERR_INIT;
	struct slots *a = open_slots(1, 5), *b = open_slots(1, 5), *c = open_slots(1, 5);
	int p[2];

	assert_int_equal(pipe(p), 0);
	close(p[1]);
	assert_int_equal(slots_enter(a, &e), SLOTS_OK);
	assert_int_equal(slots_enter(b, &e), SLOTS_OK);
	assert_int_equal(slots_enter(c, &e), SLOTS_OK);
	assert_int_equal(slots_wait(c, p[0], &e), -1); /* behind b */
	assert_int_equal(e.kind, ERR_STOPPED);
	err_clear(&e);
	assert_int_equal(slots_wait(b, p[0], &e), -1); /* the head */
	assert_int_equal(e.kind, ERR_STOPPED);
	err_clear(&e);
	slots_free(c);
	slots_free(b);
	slots_free(a);
	assert_int_equal(in_queue(), 0);
	close(p[0]);
}

static void a_copy_of_the_descriptor_keeps_the_slot(void **state)
{
	struct err e = ERR_INIT;
	struct slots *a = open_slots(1, 0), *b = open_slots(1, 0);

	assert_int_equal(slots_enter(a, &e), SLOTS_OK);
	int copy = dup(slots_fd(a));
	slots_free(a);
	assert_int_equal(slots_enter(b, &e), SLOTS_FULL);
	close(copy);
	assert_int_equal(slots_enter(b, &e), SLOTS_OK);
	slots_free(b);
}

static void names_what_cannot_be_used(void **state)
{
	struct err e = ERR_INIT;
	char path[64];

	snprintf(path, sizeof path, "%s/file", dir);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_null(slots_open(path, 1, 1, &e));
	assert_non_null(strstr(e.msg, path));
	err_clear(&e);
	struct slots *a = open_slots(1, 1);
	snprintf(path, sizeof path, "%s/slot-0", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_err(&e, slots_enter(a, &e), "is not a FIFO");
	slots_free(a);
}

/* What the processes of a stress test tell each other. */
struct shared {
	int holding, most, done, turn, overtakes;
};

static void hold_slot_a_while(struct shared *sh, unsigned ms)
{
	int now = __atomic_add_fetch(&sh->holding, 1, __ATOMIC_SEQ_CST);
	int most = __atomic_load_n(&sh->most, __ATOMIC_SEQ_CST);

	while (now > most && !__atomic_compare_exchange_n(&sh->most, &most, now, false,
							  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	sleep_ms(ms);
	__atomic_sub_fetch(&sh->holding, 1, __ATOMIC_SEQ_CST);
}

static struct shared *share(void)
{
	struct shared *sh =
		mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(sh != MAP_FAILED);
	return sh;
}

/* Children enter one after the other, so their order is known; slots must come in that order. */
static void first_come_first_served(void **state)
{
	enum { N = 60 };
	struct shared *sh = share();
	struct err e = ERR_INIT;
	struct slots *gate = open_slots(1, N);
	pid_t pid[N];

	assert_int_equal(slots_enter(gate, &e), SLOTS_OK);
	for (int i = 0; i < N; i++) {
		int p[2];
		char c;

		assert_int_equal(pipe(p), 0);
		pid[i] = fork();
		if (pid[i] == 0) {
			close(slots_fd(gate));
			struct slots *s = slots_open(dir, 1, N, &e);
			if (!s || slots_enter(s, &e) != SLOTS_OK || write(p[1], "x", 1) != 1 ||
			    slots_wait(s, -1, &e) < 0)
				_exit(1);
			if (sh->turn++ != i)
				sh->overtakes++;
			hold_slot_a_while(sh, 0);
			_exit(0); /* gives the slot back as a killed process does */
		}
		close(p[1]);
		assert_int_equal(read(p[0], &c, 1), 1);
		close(p[0]);
	}
	assert_int_equal(in_queue(), N);
	slots_free(gate);
	for (int i = 0; i < N; i++) {
		int status;

		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(sh->overtakes, 0);
	assert_int_equal(sh->most, 1);
	munmap(sh, sizeof *sh);
}

/* Wherever a process is killed, no slot and no place is lost, and the bound holds. */
static void survives_random_kills(void **state)
{
	enum { N = 150, SLOTS = 3 };
	struct shared *sh = share();
	struct err e = ERR_INIT;
	bool victim[N];
	pid_t pid[N];

	srand(7);
	for (int i = 0; i < N; i++) {
		victim[i] = rand() % 3 == 0;
		pid[i] = fork();
		if (pid[i] == 0) {
			struct slots *s = slots_open(dir, SLOTS, N, &e);
			if (!s || slots_enter(s, &e) != SLOTS_OK || slots_wait(s, -1, &e) < 0)
				_exit(1);
			if (victim[i])
				pause(); /* for the killer */
			else
				hold_slot_a_while(sh, (unsigned)i % 5);
			_exit(0);
		}
	}
	for (int i = 0; i < N; i++)
		if (victim[i]) {
			sleep_ms((unsigned)rand() % 6);
			kill(pid[i], SIGKILL);
		}
	for (int i = 0; i < N; i++) {
		int status;

		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_true(victim[i] ? WIFSIGNALED(status) : status == 0);
	}
	assert_true(sh->most <= SLOTS && sh->most >= 1);
	/* All slots are free again. */
	struct slots *s[SLOTS];
	for (int i = 0; i < SLOTS; i++) {
		s[i] = open_slots(SLOTS, 1);
		assert_int_equal(slots_enter(s[i], &e), SLOTS_OK);
		assert_ok(&e, slots_wait(s[i], -1, &e));
	}
	for (int i = 0; i < SLOTS; i++)
		slots_free(s[i]);
	assert_int_equal(in_queue(), 0);
	munmap(sh, sizeof *sh);
}

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(gives_free_slots_without_a_queue),
		CASE(refuses_beyond_the_bound),
		CASE(without_a_queue_it_is_a_slot_or_nothing),
		CASE(stops_waiting_when_told),
		CASE(a_copy_of_the_descriptor_keeps_the_slot),
		CASE(names_what_cannot_be_used),
		CASE(first_come_first_served),
		CASE(survives_random_kills),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}

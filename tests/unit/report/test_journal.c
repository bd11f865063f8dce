/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/report/journal.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/tmpdir.h"

#define WRITERS 8
#define EACH 400

static char path[64];
static struct conf conf;

static int new_journal(void **state)
{
	static unsigned n;

	snprintf(path, sizeof path, "%s/%u/builds.jsonl", dir, n++);
	conf = (struct conf){.journal = path, .journal_size = 64 << 20};
	return 0;
}

static void make(struct report *r, const char *name, uint64_t start)
{
	struct err e = ERR_INIT;

	report_init(r);
	assert_ok(&e, report_set_text(r, REPORT_DERIVATION, "/nix/store/x.drv", &e));
	assert_ok(&e, report_set_text(r, REPORT_NAME, name, &e));
	assert_ok(&e, report_set_text(r, REPORT_SYSTEM, "x86_64-linux", &e));
	assert_ok(&e, strv_add(&r->outputs, "out", &e));
	r->n[REPORT_START_US] = start;
	r->end = REPORT_SUCCESS;
}

static int append_as(const char *name, uint64_t start, uint64_t peak, struct err *e)
{
	scoped_report struct report r = REPORT_INIT;

	make(&r, name, start);
	r.n[REPORT_MEMORY_PEAK_BYTES] = peak;
	return journal_append(&conf, &r, e);
}

static void append(uint64_t start)
{
	struct err e = ERR_INIT;

	assert_ok(&e, append_as("a-1", start, 5, &e));
}

/* Text that is no report's. */
static void append_text(const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

struct found {
	uint64_t n, skipped;
	uint64_t starts[WRITERS * EACH];
};

static int found_one(void *ctx, struct report *r, struct err *e)
{
	struct found *f = ctx;

	if (f->n < WRITERS * EACH)
		f->starts[f->n] = r->n[REPORT_START_US];
	f->n++;
	return 0;
}

static struct found read_all(void)
{
	static struct found f;
	struct err e = ERR_INIT;

	f = (struct found){0};
	assert_ok(&e, journal_read(path, found_one, &f, &f.skipped, &e));
	return f;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	return st.st_mode & 0777;
}

static void one_that_is_not_there_is_empty(void **state)
{
	assert_int_equal(read_all().n, 0);
}

static void off_means_off(void **state)
{
	struct err e = ERR_INIT;

	conf.journal = (char *)(uintptr_t) "off";
	assert_ok(&e, append_as("a", 1, 1, &e));
	assert_null(journal_path(&conf));
	assert_int_equal(access(path, F_OK), -1);
}

static void keeps_the_order(void **state)
{
	append(1);
	append(2);
	const struct found f = read_all();
	assert_int_equal(f.n, 2);
	assert_int_equal(f.starts[0], 1);
	assert_int_equal(f.starts[1], 2);
	assert_int_equal(f.skipped, 0);
}

static void is_for_its_owner_unless_the_key_says_more(void **state)
{
	char *slash = strrchr(path, '/');

	append(1);
	assert_int_equal(mode_of(path), 0600);
	*slash = '\0';
	assert_int_equal(mode_of(path), 0700);
	*slash = '/';
	conf.journal_readable = READABLE_ALL;
	append(2);
	assert_int_equal(mode_of(path), 0644);
	conf.journal_readable = READABLE_OWNER;
	append(3);
	assert_int_equal(mode_of(path), 0600);
}

static void skips_what_is_torn_or_foreign(void **state)
{
	append(1);
	append_text("{\"version\": 1, \"derivation\": \"/nix/st");
	append(2);
	append_text("not JSON\n\n{\"version\": 7}\n");
	append(3);
	append_text("{\"version\": 1");
	const struct found f = read_all();
	assert_int_equal(f.n, 3);
	assert_int_equal(f.skipped, 4);
	assert_int_equal(f.starts[1], 2);
}

/* What ASan takes for itself is data as well. */
#ifdef __SANITIZE_ADDRESS__
#define DATA_MAX RLIM_INFINITY
#else
#define DATA_MAX (64 << 20)
#endif

static void skips_a_line_without_end_in_bounded_memory(void **state)
{
	static char many[1 << 20];
	struct rlimit old, small = {DATA_MAX, RLIM_INFINITY};

	append(1);
	memset(many, 'x', sizeof many - 1);
	for (unsigned i = 0; i < 100; i++)
		append_text(many);
	assert_int_equal(getrlimit(RLIMIT_DATA, &old), 0);
	small.rlim_max = old.rlim_max;
	if (small.rlim_cur > old.rlim_max)
		small.rlim_cur = old.rlim_cur;
	assert_int_equal(setrlimit(RLIMIT_DATA, &small), 0);
	conf.journal_size = UINT64_C(1) << 40;
	append(2);
	const struct found f = read_all();
	assert_int_equal(setrlimit(RLIMIT_DATA, &old), 0);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.skipped, 1);
}

static void is_rotated_by_size(void **state)
{
	char old[80];
	struct stat st[2];

	snprintf(old, sizeof old, "%s.1", path);
	conf.journal_size = 8192;
	for (uint64_t i = 0; i < 200; i++) {
		append(i);
		assert_int_equal(stat(path, &st[0]), 0);
		if (stat(old, &st[1]) == 0)
			assert_true(st[0].st_size + st[1].st_size <= 8192);
	}
	const struct found f = read_all();
	assert_int_equal(f.skipped, 0);
	assert_true(f.n >= 10 && f.n < 200);
	/* The newest ones, without a gap. */
	for (uint64_t i = 0; i < f.n; i++)
		assert_int_equal(f.starts[i], 200 - f.n + i);
}

static void refuse(const char *why)
{
	struct err e = ERR_INIT;

	assert_err(&e, append_as("a", 1, 1, &e), why);
}

static void says_why_it_cannot_be_written(void **state)
{
	char link[80];

	append(1);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	refuse("is not a regular file");
	unlink(path);
	snprintf(link, sizeof link, "%s/target", dir);
	assert_int_equal(symlink(link, path), 0);
	refuse(path);
	assert_int_equal(access(link, F_OK), -1);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	refuse(path);
	conf.journal = (char *)(uintptr_t) "/dev/full";
	refuse("/dev/full");
	conf.journal = (char *)(uintptr_t) "/proc/none/x";
	refuse("/proc/none");
}

/* As on a full disk, a write that goes in by half; then there is room again. */
static void a_torn_line_costs_only_itself(void **state)
{
	struct rlimit old, small;
	struct err e = ERR_INIT;
	struct stat st;

	append(1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){(rlim_t)st.st_size + 20, old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	const int rc = append_as("a-1", 2, 5, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_err(&e, rc, "is full");
	append(3);
	const struct found f = read_all();
	assert_int_equal(f.n, 2);
	assert_int_equal(f.starts[1], 3);
	assert_int_equal(f.skipped, 1);
}

static void write_many(unsigned writer)
{
	for (unsigned i = 0; i < EACH; i++) {
		struct err e = ERR_INIT;

		if (append_as("a-1", writer * EACH + i, 5, &e) < 0)
			_exit(1);
	}
	_exit(0);
}

static void wait_for_all(const pid_t *pids)
{
	for (unsigned i = 0; i < WRITERS; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
}

static void eight_writers_lose_and_mix_nothing(void **state)
{
	static bool seen[WRITERS * EACH];
	pid_t pids[WRITERS];

	for (unsigned i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			write_many(i);
	}
	wait_for_all(pids);
	const struct found f = read_all();
	assert_int_equal(f.n, WRITERS * EACH);
	assert_int_equal(f.skipped, 0);
	for (uint64_t i = 0; i < f.n; i++) {
		assert_false(seen[f.starts[i]]);
		seen[f.starts[i]] = true;
	}
}

static void eight_writers_rotate_without_a_torn_line(void **state)
{
	pid_t pids[WRITERS];

	conf.journal_size = 100000;
	for (unsigned i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			write_many(i);
	}
	/* A line that is being written may be seen by half, at the end of each file. */
	for (unsigned i = 0; i < 20; i++)
		assert_true(read_all().skipped <= 2);
	wait_for_all(pids);
	const struct found f = read_all();
	assert_int_equal(f.skipped, 0);
	assert_true(f.n > 100);
}

static struct learned learn(const char *group, const char *system)
{
	struct err e = ERR_INIT;
	struct learned l;

	assert_ok(&e, journal_learned(path, group, system, NULL, &l, &e));
	return l;
}

static void learns_the_highest_of_the_last_peaks(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(learn("a", NULL).builds, 0);
	assert_true(learn("a", NULL).peak_bytes == REPORT_UNKNOWN);
	assert_ok(&e, append_as("a-1", 1, 1000, &e));
	for (uint64_t i = 2; i < 2 + LEARNED_BUILDS; i++)
		assert_ok(&e, append_as("a-1.1", i, 10 * i, &e));
	assert_ok(&e, append_as("aa-1", 100, 5000, &e));
	assert_ok(&e, append_as("b-a", 101, 5000, &e));
	assert_ok(&e, append_as("a-2", 50, REPORT_UNKNOWN, &e));
	const struct learned l = learn("a", "x86_64-linux");
	assert_int_equal(l.builds, LEARNED_BUILDS);
	assert_int_equal(l.peak_bytes, 10 * (1 + LEARNED_BUILDS));
	assert_int_equal(l.last_us, 50);
	assert_int_equal(learn("a", "i686-linux").builds, 0);
	assert_int_equal(learn("aa", NULL).peak_bytes, 5000);
}

static void forgets_when_told(void **state)
{
	struct err e = ERR_INIT;

	assert_ok(&e, append_as("a-1", 1, 1000, &e));
	assert_ok(&e, append_as("b-1", 1, 2000, &e));
	assert_ok(&e, journal_forget(&conf, "a", &e));
	assert_int_equal(learn("a", NULL).builds, 0);
	assert_int_equal(learn("b", NULL).peak_bytes, 2000);
	assert_ok(&e, append_as("a-1", 2, 300, &e));
	assert_int_equal(learn("a", NULL).peak_bytes, 300);
	assert_err(&e, journal_forget(&conf, "a\033", &e), "is no name");
}

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup(f, new_journal)
	const struct CMUnitTest tests[] = {
		CASE(one_that_is_not_there_is_empty),
		CASE(off_means_off),
		CASE(keeps_the_order),
		CASE(is_for_its_owner_unless_the_key_says_more),
		CASE(skips_what_is_torn_or_foreign),
		CASE(skips_a_line_without_end_in_bounded_memory),
		CASE(is_rotated_by_size),
		CASE(says_why_it_cannot_be_written),
		CASE(a_torn_line_costs_only_itself),
		CASE(eight_writers_lose_and_mix_nothing),
		CASE(eight_writers_rotate_without_a_torn_line),
		CASE(learns_the_highest_of_the_last_peaks),
		CASE(forgets_when_told),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("journal", tests, setup, teardown);
}

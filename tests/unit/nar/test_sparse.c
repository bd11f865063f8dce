/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/sparse.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/clock.h"
#include "nar/base/scope.h"

#define BIG (UINT64_C(1) << 40)

static char path[2][40];
static int in, out;

static int setup(void **state)
{
	snprintf(path[0], sizeof path[0], "/tmp/test_sparse.XXXXXX");
	snprintf(path[1], sizeof path[1], "/tmp/test_sparse.XXXXXX");
	in = mkstemp(path[0]);
	out = mkstemp(path[1]);
	return in < 0 || out < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	close(in);
	close(out);
	return unlink(path[0]) | unlink(path[1]);
}

static uint64_t allocated(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void assert_size(int fd, uint64_t size)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, size);
}

static void writes_what_it_was_given(void **state)
{
	char data[20000], got[sizeof data + 1];

	/* Zeroes at both ends, and pieces that are no blocks. */
	for (size_t piece = 1; piece < sizeof data; piece = piece * 3 + 1) {
		for (size_t i = 0; i < sizeof data; i++)
			data[i] = (char)(i % 6000 < 2000 || i > 15000 ? 0 : (char)i);
		assert_int_equal(ftruncate(out, 0), 0);
		for (size_t at = 0; at < sizeof data; at += piece) {
			const size_t n = sizeof data - at < piece ? sizeof data - at : piece;

			assert_true(sparse_write(out, at, data + at, n, at + n == sizeof data) >=
				    0);
		}
		assert_int_equal(pread(out, got, sizeof got, 0), sizeof data);
		assert_memory_equal(got, data, sizeof data);
	}
	assert_int_equal(ftruncate(out, 0), 0);
	assert_int_equal(sparse_write(out, 0, "", 0, true), 0);
	assert_size(out, 0);
}

static void writes_no_zeroes(void **state)
{
	static char data[1 << 20];

	assert_int_equal(sparse_write(out, 0, data, sizeof data, false), 0);
	assert_int_equal(sparse_write(out, sizeof data, data, sizeof data, true), 0);
	assert_size(out, 2 * sizeof data);
	assert_true(allocated(out) < 65536);
}

static void copies_holes_as_holes(void **state)
{
	struct err e = ERR_INIT;
	struct budget b = BUDGET_INIT;
	char got[5];

	b.left_bytes = 1 << 20;
	assert_int_equal(pwrite(in, "first", 5, 0), 5);
	assert_int_equal(pwrite(in, "later", 5, BIG / 2), 5);
	assert_int_equal(ftruncate(in, BIG), 0);
	assert_ok(&e, sparse_copy(in, out, BIG, &b, "in", &e));
	assert_size(out, BIG);
	assert_true(allocated(out) < 1 << 20);
	assert_int_equal(pread(out, got, 5, 0), 5);
	assert_memory_equal(got, "first", 5);
	assert_int_equal(pread(out, got, 5, BIG / 2), 5);
	assert_memory_equal(got, "later", 5);
}

static void copies_no_more_than_it_may(void **state)
{
	static char data[1 << 20];
	struct err e = ERR_INIT;
	struct budget b = BUDGET_INIT;

	memset(data, 1, sizeof data);
	assert_int_equal(write(in, data, sizeof data), sizeof data);
	b.left_bytes = sizeof data - 1;
	assert_int_equal(sparse_copy(in, out, sizeof data, &b, "in", &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	err_clear(&e);
	b = (struct budget)BUDGET_INIT;
	b.deadline_ms = clock_now_ms() - 1;
	assert_int_equal(sparse_copy(in, out, sizeof data, &b, "in", &e), -1);
	assert_true(b.timed_out);
	err_clear(&e);
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	close(ends[1]);
	b = (struct budget)BUDGET_INIT;
	b.stop_fd = ends[0];
	assert_int_equal(sparse_copy(in, out, sizeof data, &b, "in", &e), -1);
	assert_int_equal(e.kind, ERR_STOPPED);
	close(ends[0]);
}

static void has_the_size_of_a_file_that_shrank(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(write(in, "short", 5), 5);
	assert_ok(&e, sparse_copy(in, out, 10000, NULL, "in", &e));
	assert_size(out, 10000);
}

static void leaves_some_of_a_disk(void **state)
{
	struct err e = ERR_INIT;
	struct budget b = BUDGET_INIT;

	assert_ok(&e, budget_fit_disk(&b, out, "out", &e));
	assert_true(b.left_bytes < UINT64_MAX);
	b.left_bytes = 1;
	assert_ok(&e, budget_fit_disk(&b, out, "out", &e));
	assert_int_equal(b.left_bytes, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(writes_what_it_was_given),
		CASE(writes_no_zeroes),
		CASE(copies_holes_as_holes),
		CASE(copies_no_more_than_it_may),
		CASE(has_the_size_of_a_file_that_shrank),
		CASE(leaves_some_of_a_disk),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("sparse", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/durable_internal.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "tests/unit/tmpdir.h"

/* Directories t, t/d and t/d/e, three files, two links. */
static struct durable_tree make_tree(void)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_rmtree(dirfd_, "t", "t", &e)); /* of the case before */
	assert_int_equal(mkdirat(dirfd_, "t", 0755), 0);
	assert_int_equal(mkdirat(dirfd_, "t/d", 0755), 0);
	assert_int_equal(mkdirat(dirfd_, "t/d/e", 0755), 0);
	make_file("t/a", 0444, "x");
	make_file("t/d/b", 0444, "x");
	make_file("t/d/e/c", 0444, "x");
	assert_int_equal(symlinkat("/", dirfd_, "t/root"), 0);
	assert_int_equal(symlinkat("nothing", dirfd_, "t/d/dangling"), 0);
	return (struct durable_tree){dirfd_, "t", "the/t"};
}

static void counts_files_and_directories_up_to_a_bound(void **state)
{
	const struct durable_tree t = make_tree();
	struct err e = ERR_INIT;

	assert_int_equal(durable_each(&t, 1, 6, false, &e), 1);
	assert_int_equal(durable_each(&t, 1, 5, false, &e), 0);
	assert_int_equal(durable_each(&t, 1, 6, true, &e), 1);
}

static void counts_all_trees_together(void **state)
{
	const struct durable_tree t = make_tree();
	const struct durable_tree both[] = {t, {dirfd_, "f", "the/f"}, {dirfd_, "l", "the/l"}};
	struct err e = ERR_INIT;

	make_file("f", 0444, "x");
	assert_int_equal(symlinkat("/etc/passwd", dirfd_, "l"), 0);
	assert_int_equal(durable_each(both, 3, 7, true, &e), 1);
	assert_int_equal(durable_each(both, 3, 6, false, &e), 0);
	assert_ok(&e, durable_trees(both, 3, 4, &e));
	assert_ok(&e, durable_trees(both, 0, 0, &e));
}

static void leaves_deep_trees_to_the_whole_file_system(void **state)
{
	const struct durable_tree t = {dirfd_, "deep", "the/deep"};
	struct err e = ERR_INIT;
	char path[256] = "deep";
	size_t len = strlen(path);

	for (int i = 0; i < 20; i++) {
		assert_int_equal(mkdirat(dirfd_, path, 0755), 0);
		len += (size_t)snprintf(path + len, sizeof path - len, "/d");
	}
	assert_int_equal(durable_each(&t, 1, 1000, false, &e), 0);
	assert_ok(&e, durable_trees(&t, 1, 0, &e));
}

static void names_what_cannot_be_written(void **state)
{
	const struct durable_tree t = {dirfd_, "missing", "the/missing"};
	struct err e = ERR_INIT;
	int fds[2];

	assert_err(&e, durable_trees(&t, 1, 0, &e), "the/missing");
	assert_int_equal(pipe(fds), 0);
	assert_err(&e, durable_fd(fds[0], "a/pipe", &e), "writing 'a/pipe' to the disk: ");
	close(fds[0]);
	close(fds[1]);
	assert_ok(&e, durable_fd(dirfd_, "the directory", &e));
}

static void reads_how_much_is_to_be_written(void **state)
{
	assert_int_equal(durable_unwritten("MemTotal:  24683620 kB\n"
					   "Dirty:            2048 kB\n"
					   "Writeback:           4 kB\n"
					   "WritebackTmp:     1000 kB\n"),
			 2052 * 1024);
	assert_int_equal(durable_unwritten("Dirty: 3 kB"), 3 * 1024);
	assert_int_equal(durable_unwritten(""), 0);
	assert_int_equal(durable_unwritten("Dirty:\nWriteback: x\nDirty: 99999999999999999999 kB"),
			 0);
}

static void writes_one_by_one_where_others_have_much_to_write(void **state)
{
	const uint64_t mib = 1 << 20, gib = 1 << 30;

	assert_int_equal(durable_files_max(0, 0), 1);
	assert_int_equal(durable_files_max(100 * mib, 100 * mib), 1);
	assert_int_equal(durable_files_max(100 * mib, gib), 1);
	assert_int_equal(durable_files_max(110 * mib, 100 * mib), 11);
	assert_int_equal(durable_files_max(5 * gib, gib), 4097);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_files_and_directories_up_to_a_bound),
		cmocka_unit_test(counts_all_trees_together),
		cmocka_unit_test(leaves_deep_trees_to_the_whole_file_system),
		cmocka_unit_test(names_what_cannot_be_written),
		cmocka_unit_test(reads_how_much_is_to_be_written),
		cmocka_unit_test(writes_one_by_one_where_others_have_much_to_write),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("durable", tests, setup, teardown);
}

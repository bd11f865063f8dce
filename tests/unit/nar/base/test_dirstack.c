/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nar/base/dirstack.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "tests/unit/tmpdir.h"

static unsigned opened;

/* The C library's, but counted. Nothing is created here. */
int openat(int at, const char *name, int flags, ...)
{
	opened++;
	assert_string_not_equal(name, "..");
	return (int)syscall(SYS_openat, at, name, flags, 0600);
}

static unsigned open_fds(void)
{
	unsigned n = 0;
	scoped_dir DIR *d = opendir("/proc/self/fd");

	while (readdir(d))
		n++;
	return n;
}

static const char *name_d(void *ctx, size_t level)
{
	return "d";
}

static void push_new(struct dirstack *d)
{
	struct err e = ERR_INIT;
	int at = d->n ? dirstack_fd(d) : dirfd_;

	assert_true(at >= 0);
	assert_int_equal(mkdirat(at, "d", 0755), 0);
	int fd = io_opendir(at, "d", &e);
	assert_ok(&e, fd);
	assert_ok(&e, dirstack_push(d, fd, &e));
}

static ino_t inode_at(struct dirstack *d)
{
	struct stat st;
	int fd = dirstack_fd(d);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* Down and up and down in between, with each directory as it was. */
static void is_deep_with_few_descriptors_and_few_calls(void **state)
{
	enum { DEPTH = 5000, UP = 700 };
	struct err e = ERR_INIT;
	scoped_dirstack struct dirstack d = {.name_of = name_d};
	scoped_free ino_t *inodes = mem_new(DEPTH, sizeof *inodes, &e);
	unsigned before = open_fds(), most = 0;

	for (size_t i = 0; i < DEPTH; i++) {
		push_new(&d);
		inodes[i] = inode_at(&d);
		if (i % 100 == 0 && open_fds() > most)
			most = open_fds();
	}
	assert_in_range(most - before, 16, 4 * 16 + 1);
	opened = 0;
	while (d.n > UP) {
		assert_int_equal(inode_at(&d), inodes[d.n - 1]);
		assert_in_range(open_fds() - before, 1, 4 * 16 + 1);
		dirstack_pop(&d);
	}
	assert_in_range(opened, DEPTH / 2, 4 * DEPTH);
	/* And down again from there. */
	for (size_t i = UP; i < UP + 300; i++) {
		int fd = openat(dirstack_fd(&d), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_ok(&e, dirstack_push(&d, fd, &e));
		assert_int_equal(inode_at(&d), inodes[i]);
		assert_in_range(open_fds() - before, 1, 4 * 16 + 1);
	}
	while (d.n) {
		assert_int_equal(inode_at(&d), inodes[d.n - 1]);
		dirstack_pop(&d);
	}
	assert_int_equal(open_fds(), before);
	assert_ok(&e, io_rmtree(dirfd_, "d", "d", &e));
}

static void another_directory_of_the_name_is_found_out(void **state)
{
	struct err e = ERR_INIT;
	scoped_dirstack struct dirstack d = {.name_of = name_d};

	for (size_t i = 0; i < 40; i++)
		push_new(&d);
	/* The eleventh goes, and another one with all that was in it comes. */
	assert_int_equal(renameat(dirfd_, "d/d/d/d/d/d/d/d/d/d/d", dirfd_, "old"), 0);
	assert_int_equal(mkdirat(dirfd_, "d/d/d/d/d/d/d/d/d/d/d", 0755), 0);
	assert_int_equal(renameat(dirfd_, "old/d", dirfd_, "d/d/d/d/d/d/d/d/d/d/d/d"), 0);
	while (d.n > 17) {
		assert_true(dirstack_fd(&d) >= 0);
		dirstack_pop(&d);
	}
	assert_true(dirstack_fd(&d) >= 0); /* the sixteenth stayed open */
	dirstack_pop(&d);
	assert_int_equal(dirstack_fd(&d), -1);
	assert_int_equal(errno, ESTALE);
	/* Nor is a link followed to the one that it was. */
	assert_int_equal(renameat(dirfd_, "d/d/d/d/d/d/d/d/d/d/d", dirfd_, "new"), 0);
	assert_int_equal(
		symlinkat("../../../../../../../../../../old", dirfd_, "d/d/d/d/d/d/d/d/d/d/d"), 0);
	assert_int_equal(dirstack_fd(&d), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_ok(&e, io_rmtree(dirfd_, "d", "d", &e));
	assert_ok(&e, io_rmtree(dirfd_, "old", "old", &e));
	assert_ok(&e, io_rmtree(dirfd_, "new", "new", &e));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_deep_with_few_descriptors_and_few_calls),
		cmocka_unit_test(another_directory_of_the_name_is_found_out),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("dirstack", tests, setup, teardown);
}

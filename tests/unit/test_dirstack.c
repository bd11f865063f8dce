/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/dirstack.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/io.h"
#include "nar/scope.h"

#define DESCRIPTORS_MAX 80

static char dir[40];

static int setup(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/test_dirstack.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

static ino_t inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static size_t open_levels(const struct dirstack *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->levels[i].fd >= 0;
	return n;
}

/* Names that say how deep they are. */
static const char *name_of(void *ctx, size_t level)
{
	static char name[24];

	snprintf(name, sizeof name, "%zu", level);
	return name;
}

static void go_down(struct dirstack *s, size_t to, ino_t *inodes)
{
	struct err e = ERR_INIT;

	while (s->n < to) {
		const int fd = s->n ? io_mkdir(dirstack_fd(s), name_of(NULL, s->n), 0700, &e)
				    : io_opendir(AT_FDCWD, dir, &e);
		assert_true(fd >= 0);
		inodes[s->n] = inode(fd);
		assert_ok(&e, dirstack_push(s, fd, &e));
		assert_true(open_levels(s) <= DESCRIPTORS_MAX);
	}
}

static void comes_up_where_it_went_down(void **state)
{
	enum { DEPTH = 3000 };
	static ino_t inodes[DEPTH];
	scoped_dirstack struct dirstack s = {.name_of = name_of};
	struct err e = ERR_INIT;

	go_down(&s, DEPTH, inodes);
	/* Down again from the middle of what is closed. */
	while (s.n > DEPTH / 2) {
		dirstack_pop(&s);
		assert_true(inode(dirstack_fd(&s)) == inodes[s.n - 1]);
	}
	assert_ok(&e, io_rmtree(dirstack_fd(&s), "1500", "1500", &e));
	go_down(&s, DEPTH / 2 + 500, inodes);
	while (s.n > 1) {
		dirstack_pop(&s);
		assert_true(inode(dirstack_fd(&s)) == inodes[s.n - 1]);
		assert_true(open_levels(&s) <= DESCRIPTORS_MAX);
	}
	dirstack_pop(&s);
	assert_int_equal(s.n, 0);
}

static void refuses_another_directory_on_the_way_up(void **state)
{
	enum { DEPTH = 300 };
	static ino_t inodes[DEPTH];
	scoped_dirstack struct dirstack s = {.name_of = name_of};
	size_t closed = 1;
	int fd = 0;

	go_down(&s, DEPTH, inodes);
	while (s.levels[closed].fd >= 0)
		closed++;
	const int above = s.levels[closed - 1].fd;
	assert_int_equal(renameat(above, name_of(NULL, closed), above, "away"), 0);
	assert_int_equal(symlinkat("away", above, name_of(NULL, closed)), 0);
	while (fd >= 0 && s.n > 1) {
		dirstack_pop(&s);
		fd = dirstack_fd(&s);
	}
	assert_int_equal(fd, -1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(comes_up_where_it_went_down),
		CASE(refuses_another_directory_on_the_way_up),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("dirstack", tests, NULL, NULL);
}

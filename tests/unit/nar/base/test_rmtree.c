/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * io_rmtree() on trees that a build could leave. Some calls of the C library stand here again, so
 * that they can be counted, and fail as a file system could have them fail.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "tests/unit/tmpdir.h"

/* ---- the calls ---- */

static struct {
	unsigned opened, opened_again, renamed;
	bool no_renames;
	unsigned skip_every; /* entry of a directory, as long as there are more */
	const char *stuck;   /* a name that cannot be unlinked */
	const char *mounted; /* a directory that is a mount point */
} seam;

int openat(int at, const char *name, int flags, ...)
{
	mode_t mode = 0;

	if (flags & O_CREAT) {
		va_list args;

		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	seam.opened++;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		seam.opened_again++;
	return (int)syscall(SYS_openat, at, name, flags, mode);
}

int renameat(int from, const char *name, int to, const char *new_name)
{
	seam.renamed++;
	if (seam.no_renames) {
		errno = EXDEV;
		return -1;
	}
	return (int)syscall(SYS_renameat2, from, name, to, new_name, 0);
}

int unlinkat(int at, const char *name, int flags)
{
	if (seam.stuck && strcmp(name, seam.stuck) == 0) {
		errno = EIO;
		return -1;
	}
	if (seam.mounted && strcmp(name, seam.mounted) == 0) {
		errno = flags & AT_REMOVEDIR ? EBUSY : EISDIR;
		return -1;
	}
	return (int)syscall(SYS_unlinkat, at, name, flags);
}

struct dirent *readdir(DIR *d)
{
	static unsigned n;
	struct dirent64 *de = readdir64(d);

	if (de && seam.skip_every && ++n % seam.skip_every == 0)
		de = readdir64(d);
	_Static_assert(sizeof(struct dirent) == sizeof(struct dirent64), "other offsets");
	return (struct dirent *)de;
}

/* ---- trees ---- */

static int new_case(void **state)
{
	memset(&seam, 0, sizeof seam);
	return 0;
}

/* DEPTH directories, each in the one before; with WITH_MORE each has a link and two files, too. */
static void make_chain(const char *name, unsigned depth, bool with_more)
{
	struct err e = ERR_INIT;
	scoped_fd int fd = io_mkdir(dirfd_, name, 0755, &e);

	assert_ok(&e, fd);
	for (unsigned i = 0; i < depth; i++) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		if (with_more) {
			assert_int_equal(symlinkat("/", fd, "link"), 0);
			assert_int_equal(mkdirat(fd, "e", 0755), 0);
			assert_ok(&e, io_write_file(fd, "e/f", 0444, "", 0, &e));
			assert_ok(&e, io_write_file(fd, "f", 0444, "", 0, &e));
		}
		int next = io_opendir(fd, "d", &e);
		assert_ok(&e, next);
		close(fd);
		fd = next;
	}
}

static void remove_all(const char *name)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_rmtree(dirfd_, name, name, &e));
	assert_int_equal(faccessat(dirfd_, name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

/* ---- cases ---- */

/* To open ".." on a bind mount costs as much as it is deep, and to open "." reads anew. */
static void opens_each_directory_of_a_deep_tree_once(void **state)
{
	make_chain("deep", 1000, true);
	seam.opened = seam.opened_again = 0;
	remove_all("deep");
	assert_int_equal(seam.opened_again, 0);
	assert_int_equal(seam.opened, 2000);
	assert_in_range(seam.renamed, 1000 / 64, 1000 / 8);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void opens_each_directory_of_a_wide_tree_once(void **state)
{
	struct err e = ERR_INIT;
	scoped_fd int fd = io_mkdir(dirfd_, "wide", 0755, &e);

	assert_ok(&e, fd);
	for (unsigned i = 0; i < 300; i++) {
		char name[32];

		snprintf(name, sizeof name, "%u", i);
		assert_int_equal(mkdirat(fd, name, 0755), 0);
		snprintf(name, sizeof name, "%u/f", i);
		assert_ok(&e, io_write_file(fd, name, 0444, "", 0, &e));
	}
	seam.opened = seam.opened_again = 0;
	remove_all("wide");
	assert_int_equal(seam.opened_again, 0);
	assert_int_equal(seam.opened, 301);
	assert_int_equal(seam.renamed, 0);
}

/* As the names that directories get that are renamed. */
static void names_of_a_tree_may_be_the_ones_that_removing_uses(void **state)
{
	struct err e = ERR_INIT;

	make_chain("names", 100, true);
	assert_ok(&e, io_write_file(dirfd_, "names/.removing-0", 0444, "", 0, &e));
	assert_int_equal(mkdirat(dirfd_, "names/.removing-1", 0755), 0);
	make_chain("names/.removing-2", 70, true);
	assert_int_equal(symlinkat("/", dirfd_, "names/.removing-3"), 0);
	remove_all("names");
	assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void with_few(rlim_t n)
{
	const struct rlimit few = {n, n};

	if (setrlimit(RLIMIT_NOFILE, &few) < 0)
		_exit(2);
	remove_all("few");
	_exit(0);
}

static void needs_few_descriptors(void **state)
{
	make_chain("few", 100, true);
	/* The lowest that is free, and seven more. */
	int free_fd = fcntl(dirfd_, F_DUPFD_CLOEXEC, 0);
	int status = -1;
	pid_t pid;

	assert_true(free_fd >= 0);
	close(free_fd);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		with_few((rlim_t)free_fd + 8);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void removes_where_directories_cannot_be_renamed(void **state)
{
	make_chain("fixed", 100, true);
	seam.no_renames = true;
	remove_all("fixed");
	assert_true(seam.renamed > 0);
}

static void removes_where_reading_skips_entries(void **state)
{
	make_chain("skips", 50, true);
	seam.skip_every = 5;
	remove_all("skips");
}

static void names_what_cannot_be_removed_and_removes_the_rest(void **state)
{
	struct err e = ERR_INIT;

	make_chain("rest", 10, true);
	make_chain("rest/d/d/d/d/x", 0, false);
	assert_ok(&e, io_write_file(dirfd_, "rest/d/d/d/d/x/stuck", 0444, "", 0, &e));
	seam.stuck = "stuck";
	assert_err(&e, io_rmtree(dirfd_, "rest", "/some/rest", &e),
		   "removing 'stuck' in '/some/rest': Input/output error");
	seam.stuck = NULL;
	assert_int_equal(faccessat(dirfd_, "rest/d/d/d/d/x/stuck", F_OK, 0), 0);
	assert_int_equal(faccessat(dirfd_, "rest/d/d/d/d/d", F_OK, 0), -1);
	assert_int_equal(faccessat(dirfd_, "rest/d/f", F_OK, 0), -1);
	remove_all("rest");

	make_chain("stuck", 2, false);
	seam.stuck = "stuck";
	/* What it is called in the message does not tell the root from an entry. */
	assert_err(&e, io_rmtree(dirfd_, "stuck", "/some/stuck", &e),
		   "removing '/some/stuck': Input/output error");
}

/* Nor where it is a bind mount of the same file system, which the device does not tell. */
static void what_is_mounted_in_the_tree_is_not_entered(void **state)
{
	struct err e = ERR_INIT;

	make_chain("host", 3, true);
	make_chain("host/d/d/mounted", 3, true);
	seam.mounted = "mounted";
	assert_err(&e, io_rmtree(dirfd_, "host", "/some/host", &e),
		   "removing 'mounted' in '/some/host': Device or resource busy");
	assert_int_equal(faccessat(dirfd_, "host/d/d/mounted/d/d/f", F_OK, 0), 0);
	assert_int_equal(faccessat(dirfd_, "host/d/d/f", F_OK, 0), -1);
	seam.mounted = NULL;
	remove_all("host");
}

static void nothing_but_the_root_itself_may_be_a_long_path(void **state)
{
	struct err e = ERR_INIT;
	char path[NAME_MAX * 2];

	make_chain("long", 40, false);
	snprintf(path, sizeof path, "%s/%*s", dir, 300, "");
	memset(path + sizeof dir, '/', 300);
	strcpy(path + sizeof dir + 299, "long");
	assert_ok(&e, io_rmtree(AT_FDCWD, path, path, &e));
	assert_int_equal(faccessat(dirfd_, "long", F_OK, 0), -1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(opens_each_directory_of_a_deep_tree_once, new_case),
		cmocka_unit_test_setup(opens_each_directory_of_a_wide_tree_once, new_case),
		cmocka_unit_test_setup(names_of_a_tree_may_be_the_ones_that_removing_uses,
				       new_case),
		cmocka_unit_test_setup(needs_few_descriptors, new_case),
		cmocka_unit_test_setup(removes_where_directories_cannot_be_renamed, new_case),
		cmocka_unit_test_setup(removes_where_reading_skips_entries, new_case),
		cmocka_unit_test_setup(names_what_cannot_be_removed_and_removes_the_rest, new_case),
		cmocka_unit_test_setup(what_is_mounted_in_the_tree_is_not_entered, new_case),
		cmocka_unit_test_setup(nothing_but_the_root_itself_may_be_a_long_path, new_case),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("rmtree", tests, setup, teardown);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/keep/keep_tree.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

static char dir[40];
static int from = -1, to = -1;
static struct budget budget;
static struct keeptree tree;

static const char *in(const char *below)
{
	static char paths[4][256];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", dir, below);
	return path;
}

static int setup(void **state)
{
	struct err e = ERR_INIT;

	snprintf(dir, sizeof dir, "/tmp/test_keeptree.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	from = io_mkdir(AT_FDCWD, in("b"), 0700, &e);
	to = io_mkdir(AT_FDCWD, in("copy"), 0700, &e);
	budget = (struct budget)BUDGET_INIT;
	tree = (struct keeptree){geteuid(), geteuid(), &budget};
	return from < 0 || to < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	close(from);
	close(to);
	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

static struct stat look(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st;
}

static unsigned mode_of(const char *path)
{
	return look(path).st_mode & 07777;
}

static void make_file(const char *path, mode_t mode)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_write_file(AT_FDCWD, path, mode, "text", 4, &e));
}

/* The user with id 4242 may do all; the mask, and so the mode's group bits, are RWX. */
static bool give_acl(const char *path)
{
	static const unsigned char acl[] = {
		2, 0,    0,    0,   1,   0,   6,    0, 255, 255, 255, 255, 2,   0,   7,
		0, 0x92, 0x10, 0,   0,   4,   0,    0, 0,   255, 255, 255, 255, 16,  0,
		7, 0,    255,  255, 255, 255, 0x20, 0, 0,   0,   255, 255, 255, 255,
	};

	if (setxattr(path, "system.posix_acl_access", acl, sizeof acl, 0) == 0)
		return true;
	assert_int_equal(errno, ENOTSUP);
	return false;
}

static bool has_acl(const char *path)
{
	return getxattr(path, "system.posix_acl_access", NULL, 0) >= 0;
}

static void takes_rights_away(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(mkdir(in("b/d"), 0700), 0);
	make_file(in("b/d/plain"), 0644);
	make_file(in("b/d/uid"), 04755);
	make_file(in("b/d/gid"), 02755);
	assert_int_equal(chmod(in("b/d"), 03777), 0);
	make_file(in("b/acl"), 0600);
	const bool acls = give_acl(in("b/acl"));
	assert_ok(&e, keeptree_strip(from, in("b"), &tree, &e));
	assert_int_equal(mode_of(in("b/d/plain")), 0644);
	assert_int_equal(mode_of(in("b/d/uid")), 0755);
	assert_int_equal(mode_of(in("b/d/gid")), 0755);
	assert_int_equal(mode_of(in("b/d")), 01777);
	assert_false(has_acl(in("b/acl")));
	if (acls) /* the mask is not the group's right */
		assert_int_equal(mode_of(in("b/acl")), 0600);
}

static void copies_without_rights(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(mkdir(in("b/d"), 0700), 0);
	make_file(in("b/d/ids"), 06755);
	make_file(in("b/d/acl"), 0600);
	give_acl(in("b/d/acl"));
	assert_int_equal(chmod(in("b/d"), 02711), 0);
	assert_int_equal(chmod(in("b"), 06777), 0);
	assert_ok(&e, keeptree_copy(from, to, in("b"), &tree, &e));
	assert_int_equal(mode_of(in("copy/d/ids")), 0755);
	assert_int_equal(mode_of(in("copy/d")), 0711);
	assert_int_equal(mode_of(in("copy/d/acl")), 0600);
	assert_false(has_acl(in("copy/d/acl")));
	const struct stat st = look(in("b"));
	assert_ok(&e, keeptree_like(to, &st, in("b"), &e));
	assert_int_equal(mode_of(in("copy")), 0777);
}

static void copies_every_kind_of_file(void **state)
{
	struct err e = ERR_INIT;
	char target[64] = "";
	const struct timespec old[2] = {{1000, 0}, {2000, 7}};
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	const int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", in("b/socket"));
	assert_int_equal(bind(s, (struct sockaddr *)&sun, sizeof sun), 0);
	close(s);
	make_file(in("b/file"), 0640);
	assert_int_equal(mkdir(in("b/d"), 0700), 0);
	make_file(in("b/d/none"), 0);
	assert_int_equal(symlink("/nowhere", in("b/d/link")), 0);
	assert_int_equal(mkfifo(in("b/d/fifo"), 0600), 0);
	assert_int_equal(mkdir(in("b/odd\n\377"), 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, in("b/file"), old, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, in("b/d"), old, 0), 0);
	assert_int_equal(chmod(in("b/d"), 0511), 0);
	assert_ok(&e, keeptree_copy(from, to, in("b"), &tree, &e));
	assert_true(S_ISSOCK(look(in("copy/socket")).st_mode));
	assert_int_equal(mode_of(in("copy/d")), 0511);
	assert_int_equal(look(in("copy/d")).st_mtime, 2000);
	assert_int_equal(mode_of(in("copy/d/none")), 0);
	assert_true(S_ISFIFO(look(in("copy/d/fifo")).st_mode));
	assert_int_equal(mode_of(in("copy/d/fifo")), 0600);
	assert_int_equal(mode_of(in("copy/odd\n\377")), 0);
	assert_true(readlink(in("copy/d/link"), target, sizeof target - 1) > 0);
	assert_string_equal(target, "/nowhere");
	const struct stat st = look(in("copy/file"));
	assert_int_equal(st.st_size, 4);
	assert_int_equal(st.st_mtim.tv_nsec, 7);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void keeps_hard_links_and_holes(void **state)
{
	struct err e = ERR_INIT;

	make_file(in("b/a"), 0600);
	assert_int_equal(truncate(in("b/a"), INT64_C(1) << 38), 0);
	assert_int_equal(mkdir(in("b/d"), 0700), 0);
	assert_int_equal(mkdir(in("b/.links-0"), 0700), 0);
	assert_int_equal(link(in("b/a"), in("b/d/b")), 0);
	assert_int_equal(link(in("b/a"), in("b/.links-0/c")), 0);
	budget.left_bytes = 1 << 20;
	assert_ok(&e, keeptree_copy(from, to, in("b"), &tree, &e));
	const struct stat a = look(in("copy/a")), b = look(in("copy/d/b"));
	assert_int_equal(a.st_nlink, 3);
	assert_true(a.st_ino == b.st_ino);
	assert_true(a.st_size == INT64_C(1) << 38 && a.st_blocks * 512 < 1 << 20);
	assert_int_equal(look(in("copy/.links-0")).st_nlink, 2);
	assert_int_equal(access(in("copy/.links-1"), F_OK), -1);
}

static void goes_as_deep_as_the_tree(void **state)
{
	enum { DEPTH = 5000 };
	struct err e = ERR_INIT;
	struct stat st;
	scoped_fd int at = dup(from);

	for (int i = 0; i < DEPTH; i++) {
		const int next = io_mkdir(at, "d", 0700, &e);
		assert_true(next >= 0);
		assert_ok(&e, io_write_file(next, "f", 02600, "", 0, &e));
		close(at);
		at = next;
	}
	assert_ok(&e, keeptree_copy(from, to, in("b"), &tree, &e));
	assert_ok(&e, keeptree_strip(from, in("b"), &tree, &e));
	assert_int_equal(fstatat(at, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	scoped_fd int copied = dup(to);
	for (int i = 0; i < DEPTH; i++) {
		const int next = io_opendir(copied, "d", &e);
		assert_true(next >= 0);
		close(copied);
		copied = next;
	}
	assert_int_equal(fstatat(copied, "f", &st, 0), 0);
}

static void leaves_alone_what_is_not_the_builds(void **state)
{
	struct err e = ERR_INIT;

	make_file(in("b/mine"), 0600);
	make_file(in("b/other"), 0600);
	if (geteuid() == 0) {
		assert_int_equal(chown(in("b/other"), 4242, 0), 0);
		assert_int_equal(chmod(in("b/other"), 04755), 0);
		assert_ok(&e, keeptree_strip(from, in("b"), &tree, &e));
		assert_int_equal(mode_of(in("b/other")), 04755);
		assert_ok(&e, keeptree_copy(from, to, in("b"), &tree, &e));
		assert_int_equal(access(in("copy/other"), F_OK), -1);
		assert_int_equal(access(in("copy/mine"), F_OK), 0);
	}
	tree.uid_min = tree.uid_max = geteuid() + 1;
	assert_err(&e, keeptree_strip(from, in("b"), &tree, &e), "not to the build");
	assert_err(&e, keeptree_copy(from, to, in("b"), &tree, &e), "not to the build");
}

static void copies_no_more_than_it_may(void **state)
{
	struct err e = ERR_INIT;

	make_file(in("b/file"), 0640);
	budget.left_bytes = 3;
	assert_err(&e, keeptree_copy(from, to, in("b"), &tree, &e), "free");
	budget = (struct budget)BUDGET_INIT;
	budget.deadline_ms = 1;
	assert_int_equal(keeptree_strip(from, in("b"), &tree, &e), -1);
	assert_true(budget.timed_out);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(takes_rights_away),          CASE(copies_without_rights),
		CASE(copies_every_kind_of_file),  CASE(keeps_hard_links_and_holes),
		CASE(goes_as_deep_as_the_tree),   CASE(leaves_alone_what_is_not_the_builds),
		CASE(copies_no_more_than_it_may),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("keeptree", tests, NULL, NULL);
}

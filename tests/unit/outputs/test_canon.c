/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "hook/outputs/canon.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

/* A uid that builds could have. */
#define BUILDER 30001

static char dir[32];
static int dfd = -1;
static struct pairset seen;

static int setup(void **state)
{
	struct err e = ERR_INIT;

	snprintf(dir, sizeof dir, "/tmp/test_canon.XXXXXX");
	seen = (struct pairset)PAIRSET_INIT;
	if (!mkdtemp(dir))
		return -1;
	dfd = io_opendir(AT_FDCWD, dir, &e);
	return dfd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	pairset_done(&seen);
	close(dfd);
	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

static struct canon anybody(void)
{
	return (struct canon){.uid_min = 1, .uid_max = 0, .quote = "'", .seen = &seen};
}

static struct canon builder(void)
{
	return (struct canon){.uid_min = BUILDER, .uid_max = BUILDER, .quote = "'", .seen = &seen};
}

static void make_file(const char *name, mode_t mode)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_write_file(dfd, name, 0600, "x", 1, &e));
	assert_int_equal(fchmodat(dfd, name, mode, 0), 0);
}

static struct stat look(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static void only_the_owners_x_decides_of_files(void **state)
{
	static const struct {
		mode_t before, after;
	} cases[] = {
		{0755, 0555},  {0640, 0444},  {0010, 0444}, {0001, 0444},  {0, 0444},
		{0100, 0555},  {0444, 0444},  {0555, 0555}, {04555, 0555}, {02644, 0444},
		{01777, 0555}, {07777, 0555}, {0066, 0444},
	};
	struct err e = ERR_INIT;
	struct canon c = anybody();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make_file("f", cases[i].before);
		assert_ok(&e, canon_path(dfd, "f", "f", &c, &e));
		assert_int_equal(look("f").st_mode & 07777, cases[i].after);
		unlinkat(dfd, "f", 0);
	}
}

static void directories_are_0555_and_entered(void **state)
{
	static const mode_t modes[] = {0, 0700, 0444, 0555, 01777, 02755, 0200};
	struct err e = ERR_INIT;
	struct canon c = anybody();

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(mkdirat(dfd, "d", 0755), 0);
		make_file("d/f", 0600);
		assert_int_equal(fchmodat(dfd, "d", modes[i], 0), 0);
		assert_ok(&e, canon_path(dfd, "d", "d", &c, &e));
		assert_int_equal(look("d").st_mode & 07777, 0555);
		assert_int_equal(look("d/f").st_mode & 07777, 0444);
		assert_ok(&e, io_rmtree(dfd, "d", "d", &e));
	}
}

static void set_times(const char *name, long atime_s, long mtime_s, long nsec)
{
	const struct timespec t[2] = {{atime_s, 0}, {mtime_s, nsec}};

	assert_int_equal(utimensat(dfd, name, t, AT_SYMLINK_NOFOLLOW), 0);
}

static void times_are_one_second_of_files_directories_and_links(void **state)
{
	struct err e = ERR_INIT;
	struct canon c = anybody();

	assert_int_equal(mkdirat(dfd, "d", 0755), 0);
	make_file("d/f", 0644);
	make_file("d/g", 0644);
	assert_int_equal(symlinkat("nowhere", dfd, "d/l"), 0);
	set_times("d/f", 1000, 2000, 5);
	set_times("d/g", 1000, 1, 500000000);
	set_times("d/l", 1000, 2000, 0);
	set_times("d", 1000, 0, 0);
	assert_ok(&e, canon_path(dfd, "d", "d", &c, &e));
	assert_int_equal(look("d").st_mtime, 1);
	assert_int_equal(look("d/f").st_mtime, 1);
	assert_int_equal(look("d/f").st_mtim.tv_nsec, 0);
	assert_int_equal(look("d/f").st_atime, 1000);
	assert_int_equal(look("d/g").st_mtim.tv_nsec, 500000000);
	assert_int_equal(look("d/l").st_mtime, 1);
}

static void links_are_changed_themselves_never_their_target(void **state)
{
	struct err e = ERR_INIT;
	struct canon c = builder();

	make_file("outside", 0640);
	set_times("outside", 5, 5, 0);
	assert_int_equal(symlinkat("outside", dfd, "l"), 0);
	assert_int_equal(fchownat(dfd, "l", BUILDER, BUILDER, AT_SYMLINK_NOFOLLOW), 0);
	assert_ok(&e, canon_path(dfd, "l", "l", &c, &e));
	assert_int_equal(look("l").st_uid, geteuid());
	assert_int_equal(look("l").st_mtime, 1);
	assert_int_equal(look("outside").st_mode & 07777, 0640);
	assert_int_equal(look("outside").st_mtime, 5);
}

static void owner_and_group_become_ours(void **state)
{
	struct err e = ERR_INIT;
	struct canon c = builder();

	assert_int_equal(mkdirat(dfd, "d", 0755), 0);
	make_file("d/f", 04755);
	assert_int_equal(fchownat(dfd, "d", BUILDER, 12345, 0), 0);
	assert_int_equal(fchownat(dfd, "d/f", BUILDER, 12345, 0), 0);
	assert_int_equal(fchmodat(dfd, "d/f", 06755, 0), 0);
	assert_ok(&e, canon_path(dfd, "d", "d", &c, &e));
	assert_int_equal(look("d").st_uid, geteuid());
	assert_int_equal(look("d/f").st_gid, getegid());
	assert_int_equal(look("d/f").st_mode & 07777, 0555);
}

static void foreign_owners_are_refused_before_anything_changes(void **state)
{
	struct err e = ERR_INIT;
	struct canon c = builder();
	struct stat before;

	assert_int_equal(mkdirat(dfd, "d", 0755), 0);
	assert_int_equal(fchownat(dfd, "d", BUILDER, BUILDER, 0), 0);
	make_file("secret", 0600);
	assert_int_equal(linkat(dfd, "secret", dfd, "d/x", 0), 0);
	before = look("secret");
	assert_err(&e, canon_check(dfd, "d", "/out", &c, &e), "invalid ownership on file '/out/x'");
	assert_err(&e, canon_path(dfd, "d", "/out", &c, &e), "invalid ownership on file '/out/x'");
	assert_int_equal(look("secret").st_mode, before.st_mode);
	assert_int_equal(look("secret").st_mtime, before.st_mtime);
}

static void hard_links_stay_and_are_fine(void **state)
{
	struct err e = ERR_INIT;
	struct canon c = builder();

	assert_int_equal(mkdirat(dfd, "d", 0755), 0);
	make_file("d/a", 0755);
	assert_int_equal(linkat(dfd, "d/a", dfd, "d/b", 0), 0);
	assert_int_equal(linkat(dfd, "d/a", dfd, "other", 0), 0);
	assert_int_equal(fchownat(dfd, "d/a", BUILDER, BUILDER, 0), 0);
	assert_int_equal(fchownat(dfd, "d", BUILDER, BUILDER, 0), 0);
	assert_ok(&e, canon_path(dfd, "d", "d", &c, &e));
	/* A second output of the same build. */
	assert_ok(&e, canon_path(dfd, "other", "other", &c, &e));
	assert_int_equal(look("d/a").st_nlink, 3);
	assert_int_equal(look("d/b").st_mode & 07777, 0555);
}

static void other_kinds_are_refused_by_name(void **state)
{
	struct err e = ERR_INIT;
	struct canon c = anybody();
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	assert_int_equal(mkdirat(dfd, "d", 0755), 0);
	assert_int_equal(mkfifoat(dfd, "d/p", 0644), 0);
	assert_err(&e, canon_path(dfd, "d", "/out", &c, &e),
		   "file '/out/p' has an unsupported type");
	assert_int_equal(fchmodat(dfd, "d", 0755, 0), 0);
	assert_int_equal(unlinkat(dfd, "d/p", 0), 0);

	scoped_fd int s = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(addr.sun_path, sizeof addr.sun_path, "%s/d/s", dir);
	assert_int_equal(bind(s, (struct sockaddr *)&addr, sizeof addr), 0);
	assert_err(&e, canon_path(dfd, "d", "/out", &c, &e),
		   "file '/out/s' has an unsupported type");
	assert_err(&e, canon_path(dfd, "nothing", "/out", &c, &e), "No such file");
}

static bool has_xattr(const char *name, const char *attr)
{
	scoped_fd int fd = openat(dfd, name, O_RDONLY);
	char value[100];

	return fgetxattr(fd, attr, value, sizeof value) >= 0;
}

static void extended_attributes_go_except_ignored_ones(void **state)
{
	struct err e = ERR_INIT;
	scoped_strv struct strv ignored = STRV_INIT;
	struct canon c = anybody();
	/* An access ACL with one named user, as setfacl -m u:30001:r writes it. */
	static const unsigned char acl[] = {
		2, 0,    0,    0,    1,    0,    6,    0, 0xff, 0xff, 0xff, 0xff, 2,    0,    4,
		0, 0x31, 0x75, 0,    0,    4,    0,    4, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
		4, 0,    0xff, 0xff, 0xff, 0xff, 0x20, 0, 4,    0,    0xff, 0xff, 0xff, 0xff};

	assert_ok(&e, strv_add(&ignored, "user.keep", &e));
	c.ignored_xattrs = &ignored;
	assert_int_equal(mkdirat(dfd, "d", 0755), 0);
	make_file("d/f", 0644);
	scoped_fd int fd = openat(dfd, "d/f", O_RDONLY);
	assert_int_equal(fsetxattr(fd, "user.drop", "1", 1, 0), 0);
	assert_int_equal(fsetxattr(fd, "user.keep", "1", 1, 0), 0);
	assert_int_equal(fsetxattr(fd, "system.posix_acl_access", acl, sizeof acl, 0), 0);
	assert_true(has_xattr("d/f", "system.posix_acl_access"));
	scoped_fd int d = openat(dfd, "d", O_RDONLY);
	assert_int_equal(fsetxattr(d, "user.drop", "1", 1, 0), 0);

	assert_ok(&e, canon_path(dfd, "d", "d", &c, &e));
	assert_false(has_xattr("d/f", "user.drop"));
	assert_false(has_xattr("d/f", "system.posix_acl_access"));
	assert_true(has_xattr("d/f", "user.keep"));
	assert_false(has_xattr("d", "user.drop"));
	assert_int_equal(look("d/f").st_mode & 07777, 0444);
}

/* Needs root: so do attributes on links at all. */
static void extended_attributes_of_links_go_too(void **state)
{
	struct err e = ERR_INIT;
	struct canon c = anybody();
	char path[64], value[10];

	make_file("target", 0644);
	assert_int_equal(symlinkat("target", dfd, "l"), 0);
	snprintf(path, sizeof path, "%s/l", dir);
	assert_int_equal(lsetxattr(path, "trusted.x", "1", 1, 0), 0);
	snprintf(path, sizeof path, "%s/target", dir);
	assert_int_equal(lsetxattr(path, "trusted.x", "1", 1, 0), 0);
	assert_ok(&e, canon_path(dfd, "l", "l", &c, &e));
	assert_true(lgetxattr(path, "trusted.x", value, sizeof value) == 1);
	snprintf(path, sizeof path, "%s/l", dir);
	assert_int_equal(lgetxattr(path, "trusted.x", value, sizeof value), -1);
}

static void the_settings_name_what_is_ignored(void **state)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_strv struct strv def = STRV_INIT, set = STRV_INIT;

	assert_ok(&e, canon_ignored_xattrs(&s, &def, &e));
	assert_true(strv_has(&def, "security.selinux") && strv_has(&def, "system.nfs4_acl"));
	assert_ok(&e, settings_set(&s, "ignored-acls", "a.b c.d", &e));
	assert_ok(&e, canon_ignored_xattrs(&s, &set, &e));
	assert_int_equal(set.n, 2);
	assert_string_equal(set.items[1], "c.d");
}

static void make_deep(unsigned depth)
{
	int fd = dup(dfd);

	for (unsigned i = 0; i < depth; i++) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		int next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
}

static unsigned open_fds(void)
{
	unsigned n = 0;
	scoped_dir DIR *d = opendir("/proc/self/fd");

	while (readdir(d))
		n++;
	return n;
}

static void only_the_length_of_a_path_bounds_the_depth(void **state)
{
	struct err e = ERR_INIT;
	struct canon c = anybody();
	unsigned before = open_fds();
	size_t depth = 0;

	c.depth = &depth;
	make_deep(300);
	assert_ok(&e, canon_check(dfd, "d", "/out", &c, &e));
	assert_int_equal(depth, 300);
	assert_ok(&e, canon_path(dfd, "d", "/out", &c, &e));
	assert_ok(&e, io_rmtree(dfd, "d", "d", &e));
	/* "/out" and 2045 times "/d" are 4094 bytes; the kernel takes 4095. */
	make_deep(2046);
	assert_ok(&e, canon_path(dfd, "d", "/out", &c, &e));
	assert_err(&e, canon_path(dfd, "d", "/out/x", &c, &e), "(4096 bytes): File name too long");
	assert_int_equal(open_fds(), before);
}

static void checking_changes_nothing(void **state)
{
	struct err e = ERR_INIT;
	struct canon c = anybody();

	assert_int_equal(mkdirat(dfd, "d", 0700), 0);
	make_file("d/f", 0640);
	set_times("d", 7, 7, 0);
	assert_ok(&e, canon_check(dfd, "d", "d", &c, &e));
	assert_int_equal(look("d").st_mode & 07777, 0700);
	assert_int_equal(look("d/f").st_mode & 07777, 0640);
	assert_int_equal(look("d").st_mtime, 7);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define ROOT_CASES 5

int main(int argc, char **argv)
{
	/* Owners can only be changed by root; those cases come last. */
	const struct CMUnitTest tests[] = {
		CASE(only_the_owners_x_decides_of_files),
		CASE(directories_are_0555_and_entered),
		CASE(times_are_one_second_of_files_directories_and_links),
		CASE(other_kinds_are_refused_by_name),
		CASE(extended_attributes_go_except_ignored_ones),
		CASE(the_settings_name_what_is_ignored),
		CASE(only_the_length_of_a_path_bounds_the_depth),
		CASE(checking_changes_nothing),
		CASE(links_are_changed_themselves_never_their_target),
		CASE(owner_and_group_become_ours),
		CASE(foreign_owners_are_refused_before_anything_changes),
		CASE(hard_links_stay_and_are_fine),
		CASE(extended_attributes_of_links_go_too),
	};
	size_t n = ARRAY_SIZE(tests) - (geteuid() == 0 ? 0 : ROOT_CASES);

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("canon", tests, n, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/githash.h"
#include "nar/restore.h"
#include "tests/unit/nar_words.h"
#include "tests/unit/tmpdir.h"

/* A file with the NAR of these words. */
static int nar_of(const char *words)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1 << 20);
	int fd = memfd_create("nar", MFD_CLOEXEC);

	nar_words(&b, words);
	assert_ok(&e, io_write(fd, b.data, b.len, "memfd", &e));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int restore(const char *words, const char *name, unsigned flags, struct err *e)
{
	scoped_fd int fd = nar_of(words);

	scoped_nar_reader struct nar_reader *r = nar_reader_new(fd, NULL, e);
	assert_non_null(r);
	return nar_restore(r, dirfd_, name, name, flags, e);
}

static bool exists(const char *name)
{
	return faccessat(dirfd_, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd_, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

static time_t mtime_of(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd_, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mtim.tv_nsec * (st.st_mtim.tv_sec == 1), 0);
	return st.st_mtim.tv_sec;
}

static int add(void *ctx, const void *data, size_t n, struct err *e)
{
	return buf_add(ctx, data, n, e);
}

/* NAME dumps to the NAR of these words. */
static void check_dump(const char *name, const char *words)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf want = BUF_INIT(1 << 20), got = BUF_INIT(1 << 20);
	struct nar_sink sink = {add, &got};

	nar_words(&want, words);
	assert_ok(&e, nar_dump(NAR_TREE(name), &sink, &e));
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
}

#define TREE                                                                      \
	"M ( type directory entry ( name dir node ( type directory "              \
	"entry ( name link node ( type symlink target /nowhere ) ) "              \
	"entry ( name tool node ( type regular executable ~ contents #! ) ) ) ) " \
	"entry ( name empty node ( type regular contents ~ ) ) "                  \
	"entry ( name f node ( type regular contents hello ) ) )"

static void restores_what_was_dumped(void **state)
{
	struct err e = ERR_INIT;

	assert_ok(&e, restore(TREE, "tree", 0, &e));
	check_dump("tree", TREE);
	assert_int_equal(mode_of("tree/dir"), 0755);
	assert_int_equal(mode_of("tree/dir/tool"), 0755);
	assert_int_equal(mode_of("tree/f"), 0644);
	assert_true(mtime_of("tree/f") > 1);
	for (size_t i = 0; i < ARRAY_SIZE(nar_cases); i++) {
		if (nar_cases[i].refusal)
			continue;
		assert_ok(&e, restore(nar_cases[i].words, nar_cases[i].name, 0, &e));
		check_dump(nar_cases[i].name, nar_cases[i].words);
	}
}

static void restores_as_things_look_in_a_store(void **state)
{
	struct err e = ERR_INIT;
	static const char *const paths[] = {"canon",          "canon/dir", "canon/dir/link",
					    "canon/dir/tool", "canon/f",   "canon/empty"};

	umask(077);
	assert_ok(&e, restore(TREE, "canon", NAR_RESTORE_CANONICAL, &e));
	umask(022);
	check_dump("canon", TREE);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		assert_int_equal(mtime_of(paths[i]), 1);
	assert_int_equal(mode_of("canon"), 0555);
	assert_int_equal(mode_of("canon/dir"), 0555);
	assert_int_equal(mode_of("canon/dir/tool"), 0555);
	assert_int_equal(mode_of("canon/f"), 0444);
	assert_int_equal(mode_of("canon/empty"), 0444);
}

static void leaves_nothing_of_what_it_refuses(void **state)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(nar_cases); i++) {
		if (!nar_cases[i].refusal)
			continue;
		for (unsigned flags = 0; flags <= NAR_RESTORE_CANONICAL; flags++) {
			assert_err(&e, restore(nar_cases[i].words, "refused", flags, &e),
				   nar_cases[i].refusal);
			assert_false(exists("refused"));
		}
	}
	/* Also where much was written before. */
	assert_err(&e, restore(TREE " =x", "refused", NAR_RESTORE_CANONICAL, &e), "after its end");
	assert_false(exists("refused"));
}

/* DIRS directories of FILES small files each, the last of them of LAST_BYTES. */
static void many(struct buf *b, int dirs, int files, size_t last_bytes)
{
	struct err e = ERR_INIT;
	scoped_free char *last = malloc(last_bytes + 1);

	assert_non_null(last);
	memset(last, 'x', last_bytes);
	last[last_bytes] = '\0';
	assert_ok(&e, buf_adds(b, "M ( type directory ", &e));
	for (int i = 0; i < dirs; i++) {
		assert_ok(&e, buf_addf(b, &e, "entry ( name d%04d node ( type directory ", i));
		for (int j = 0; j < files; j++)
			assert_ok(&e, buf_addf(b, &e,
					       "entry ( name f%04d node ( type regular %s%s ) ) ",
					       j, j % 3 ? "contents " : "executable ~ contents ",
					       j < files - 1 || i < dirs - 1 ? "small" : last));
		assert_ok(&e, buf_adds(b, ") ) ", &e));
	}
	assert_ok(&e, buf_adds(b, ")", &e));
}

static void restores_many_small_files(void **state)
{
	struct err e = ERR_INIT;

	for (unsigned flags = 0; flags <= NAR_RESTORE_CANONICAL; flags++) {
		const char *name = flags ? "many-canonical" : "many";
		scoped_buf struct buf words = BUF_INIT(1 << 20);

		many(&words, 40, 25, 60000);
		assert_ok(&e, restore(words.data, name, flags, &e));
		check_dump(name, words.data);
	}
	assert_int_equal(mode_of("many/d0039/f0000"), 0755);
	assert_int_equal(mode_of("many/d0039/f0001"), 0644);
	static const char *const paths[] = {"many-canonical", "many-canonical/d0039",
					    "many-canonical/d0039/f0000",
					    "many-canonical/d0039/f0024"};
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		assert_int_equal(mtime_of(paths[i]), 1);
		assert_int_equal(mode_of(paths[i]), 0555);
	}
	assert_int_equal(mode_of("many-canonical/d0039/f0022"), 0444);
}

/* Whichever thread it is that cannot write. */
static void says_which_small_file_failed(void **state)
{
	struct err e = ERR_INIT;
	struct rlimit old, low;
	scoped_buf struct buf words = BUF_INIT(1 << 20);

	many(&words, 3, 20, 60000);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	low = (struct rlimit){20000, old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	scoped_fd int fd = nar_of(words.data);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	scoped_nar_reader struct nar_reader *r = nar_reader_new(fd, NULL, &e);
	assert_non_null(r);
	int rc = nar_restore(r, dirfd_, "failed", "/a/failed", 0, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_err(&e, rc, "writing to '/a/failed/d0002/f0019': File too large");
	assert_false(exists("failed"));
}

static void touches_nothing_that_exists(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(100);

	assert_ok(&e, io_write_file(dirfd_, "precious", 0644, "abc", 3, &e));
	assert_int_equal(symlinkat("precious", dirfd_, "to-file"), 0);
	assert_int_equal(mkdirat(dirfd_, "full", 0755), 0);
	assert_int_equal(mkdirat(dirfd_, "full/x", 0755), 0);
	assert_int_equal(symlinkat("full", dirfd_, "to-dir"), 0);
	static const char *const names[] = {"precious", "to-file", "full", "to-dir"};
	static const char *const nars[] = {"M ( type directory )", "M ( type symlink target x )",
					   "M ( type regular contents evil )"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		for (size_t j = 0; j < ARRAY_SIZE(nars); j++)
			assert_err(&e, restore(nars[j], names[i], 0, &e), "already exists");
	assert_ok(&e, io_read_file(dirfd_, "precious", &b, &e));
	assert_string_equal(b.data, "abc");
	assert_true(exists("full/x") && exists("to-dir") && exists("to-file"));
}

static void copies_and_hashes_in_one_pass(void **state)
{
	struct err e = ERR_INIT;
	struct refscan *s = refscan_new(&e);
	struct nar_digest want, got;
	scoped_free char *big = malloc(3000000);

	assert_non_null(s);
	assert_non_null(big);
	assert_ok(&e, refscan_add(s, "4q0pg5zpfmznxscq3avycvf9xdvx50n3", &e));
	assert_ok(&e, refscan_add(s, "9zicq1m4wy4bv50xa4l1jk4kpyy41kih", &e));
	for (size_t i = 0; i < 3000000; i++)
		big[i] = (char)(i * i >> 3);
	memcpy(big + 2000000, "4q0pg5zpfmznxscq3avycvf9xdvx50n3", 32);
	assert_ok(&e, restore(TREE, "from", 0, &e));
	assert_ok(&e, io_write_file(dirfd_, "from/big", 0600, big, 3000000, &e));
	assert_ok(&e, nar_digest(NAR_TREE("from"), NULL, &want, &e));
	struct nar_copy c = {*NAR_TREE("from"), dirfd_, "to", "to", NAR_RESTORE_CANONICAL};
	assert_ok(&e, nar_copy(&c, s, &got, &e));
	assert_true(hash_equal(&want.sha256, &got.sha256));
	assert_int_equal(want.size_bytes, got.size_bytes);
	assert_true(refscan_found(s, 0));
	assert_false(refscan_found(s, 1));
	assert_ok(&e, nar_digest(NAR_TREE("to"), NULL, &got, &e));
	assert_true(hash_equal(&want.sha256, &got.sha256));
	assert_int_equal(mode_of("to/big"), 0444);
	assert_err(&e, nar_copy(&c, NULL, &got, &e), "path 'to' already exists");
	assert_true(exists("to/big"));
	refscan_free(s);
}

static void leaves_nothing_of_a_copy_that_fails(void **state)
{
	struct err e = ERR_INIT;
	struct nar_digest got;

	assert_ok(&e, restore(TREE, "bad", 0, &e));
	assert_int_equal(mkfifoat(dirfd_, "bad/zz", 0644), 0);
	struct nar_copy c = {*NAR_TREE("bad"), dirfd_, "badcopy", "badcopy", 0};
	assert_err(&e, nar_copy(&c, NULL, &got, &e), "file 'bad/zz' has an unsupported type");
	assert_false(exists("badcopy"));
	c.from.name = "nothing";
	assert_err(&e, nar_copy(&c, NULL, &got, &e), "No such file");
	assert_false(exists("badcopy"));
}

/* Three names of one file with a hole of 1 GiB, and a file that has nothing to do with it. */
static void make_links_and_holes(const char *name)
{
	struct err e = ERR_INIT;
	scoped_fd int d = io_mkdir(dirfd_, name, 0755, &e);

	assert_ok(&e, io_write_file(d, "a", 0755, "start", 5, &e));
	scoped_fd int fd = openat(d, "a", O_WRONLY);
	assert_int_equal(pwrite(fd, "end", 3, 1 << 30), 3);
	assert_int_equal(mkdirat(d, "d", 0755), 0);
	assert_int_equal(linkat(d, "a", d, "d/b", 0), 0);
	assert_int_equal(linkat(d, "a", d, "e", 0), 0);
	assert_ok(&e, io_write_file(d, "z", 0644, "", 0, &e));
	assert_int_equal(linkat(d, "z", d, "zz", 0), 0);
}

static void a_copy_has_the_holes_and_links_of_its_tree(void **state)
{
	struct err e = ERR_INIT;
	struct nar_digest want, got;
	struct budget b = BUDGET_INIT;
	struct nar_copy c = {*NAR_TREE("links"), dirfd_, "links2", "links2", NAR_RESTORE_CANONICAL};
	struct stat st, again;

	make_links_and_holes("links");
	b.left_bytes = 1 << 20;
	c.keeps_links = true;
	c.budget = &b;
	assert_ok(&e, nar_copy(&c, NULL, &got, &e));
	assert_ok(&e, nar_digest(NAR_TREE("links2"), NULL, &want, &e));
	assert_true(hash_equal(&got.sha256, &want.sha256));
	assert_ok(&e, nar_digest(NAR_TREE("links"), NULL, &want, &e));
	assert_true(hash_equal(&got.sha256, &want.sha256));
	assert_int_equal(got.size_bytes, want.size_bytes);
	assert_int_equal(fstatat(dirfd_, "links2/a", &st, 0), 0);
	assert_int_equal(fstatat(dirfd_, "links2/d/b", &again, 0), 0);
	assert_int_equal(st.st_nlink, 3);
	assert_true(st.st_ino == again.st_ino && st.st_mtime == 1);
	assert_int_equal(st.st_mode & 07777, 0555);
	assert_true(st.st_blocks < 1000);
	assert_int_equal(fstatat(dirfd_, "links2/zz", &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(faccessat(dirfd_, ".links-links2", F_OK, 0), -1);
}

static void a_copy_takes_no_more_than_it_may(void **state)
{
	struct err e = ERR_INIT;
	struct nar_digest got;
	struct budget b = BUDGET_INIT;
	struct nar_copy c = {*NAR_TREE("much"), dirfd_, "much2", "much2", 0};

	make_links_and_holes("much");
	c.budget = &b;
	b.left_bytes = 4;
	assert_err(&e, nar_copy(&c, NULL, &got, &e), "free");
	b = (struct budget)BUDGET_INIT;
	b.deadline_ms = 1;
	assert_int_equal(nar_copy(&c, NULL, &got, &e), -1);
	assert_true(b.timed_out);
	err_clear(&e);
	b = (struct budget)BUDGET_INIT;
	c.owner_min = c.owner_max = geteuid() + 1;
	assert_err(&e, nar_copy(&c, NULL, &got, &e), "invalid ownership on file 'a' in 'much'");
	assert_int_equal(faccessat(dirfd_, "much2", F_OK, 0), -1);
}

/* DEPTH directories, each with a file and a link. */
static void make_abyss(const char *name, unsigned depth)
{
	struct err e = ERR_INIT;
	scoped_fd int fd = io_mkdir(dirfd_, name, 0755, &e);

	assert_ok(&e, fd);
	for (unsigned i = 0; i < depth; i++) {
		assert_ok(&e, io_write_file(fd, "f", 0644, &i, sizeof i, &e));
		assert_int_equal(symlinkat("x", fd, "l"), 0);
		int next = io_mkdir(fd, "d", 0755, &e);
		assert_ok(&e, next);
		close(fd);
		fd = next;
	}
}

static int write_to(void *ctx, const void *data, size_t n, struct err *e)
{
	return io_write(*(int *)ctx, data, n, "a NAR", e);
}

/*
 * As in a store of a Nix that has no limit of depth; with fewer descriptors than there are levels.
 */
static void copies_and_restores_what_is_deeper_than_nars_of_others(void **state)
{
	struct err e = ERR_INIT;
	struct nar_digest want, got;
	struct hash tree, nar;
	struct rlimit old;
	FILE *f = tmpfile();
	int fd = fileno(f);
	const struct nar_sink sink = {write_to, &fd};
	const struct nar_limits any = {.depth_max = NAR_DEPTH_ANY};

	make_abyss("abyss", 300);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	const struct rlimit few = {(rlim_t)fd + 64 + 4 * 16 + 20, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_ok(&e, nar_digest(NAR_TREE_DEEP("abyss"), NULL, &want, &e));
	struct nar_copy c = {*NAR_TREE("abyss"), dirfd_, "copy", "copy", NAR_RESTORE_CANONICAL};
	assert_err(&e, nar_copy(&c, NULL, &got, &e), "exceeds maximum NAR directory depth of 64");
	assert_false(exists("copy"));
	c.from.depth_max = NAR_DEPTH_ANY;
	assert_ok(&e, nar_copy(&c, NULL, &got, &e));
	assert_true(hash_equal(&want.sha256, &got.sha256));
	assert_ok(&e, nar_digest(NAR_TREE_DEEP("copy"), NULL, &got, &e));
	assert_true(hash_equal(&want.sha256, &got.sha256));

	assert_ok(&e, nar_dump(NAR_TREE_DEEP("copy"), &sink, &e));
	lseek(fd, 0, SEEK_SET);
	struct nar_reader *r = nar_reader_new(fd, NULL, &e);
	assert_err(&e, nar_restore(r, dirfd_, "again", "again", 0, &e),
		   "NAR directory nesting exceeds maximum depth of 64");
	nar_reader_free(r);
	assert_false(exists("again"));
	lseek(fd, 0, SEEK_SET);
	r = nar_reader_new(fd, &any, &e);
	assert_ok(&e, nar_restore(r, dirfd_, "again", "again", NAR_RESTORE_CANONICAL, &e));
	nar_reader_free(r);
	assert_ok(&e, nar_digest(NAR_TREE_DEEP("again"), NULL, &got, &e));
	assert_true(hash_equal(&want.sha256, &got.sha256));

	lseek(fd, 0, SEEK_SET);
	r = nar_reader_new(fd, &any, &e);
	assert_ok(&e, githash_nar(r, HASH_SHA1, &nar, &e));
	nar_reader_free(r);
	assert_ok(&e, githash_tree(NAR_TREE_DEEP("again"), HASH_SHA1, &tree, &e));
	assert_true(hash_equal(&tree, &nar));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	fclose(f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restores_what_was_dumped),
		cmocka_unit_test(restores_as_things_look_in_a_store),
		cmocka_unit_test(leaves_nothing_of_what_it_refuses),
		cmocka_unit_test(restores_many_small_files),
		cmocka_unit_test(says_which_small_file_failed),
		cmocka_unit_test(touches_nothing_that_exists),
		cmocka_unit_test(copies_and_hashes_in_one_pass),
		cmocka_unit_test(leaves_nothing_of_a_copy_that_fails),
		cmocka_unit_test(a_copy_has_the_holes_and_links_of_its_tree),
		cmocka_unit_test(a_copy_takes_no_more_than_it_may),
		cmocka_unit_test(copies_and_restores_what_is_deeper_than_nars_of_others),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("restore", tests, setup, teardown);
}

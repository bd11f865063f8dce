/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hashes here are git's own: git hash-object, git write-tree, git mktree (2.39). */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/dump.h"
#include "nar/githash.h"
#include "tests/unit/tmpdir.h"

#define BIG_BYTES 300001 /* more than is read at once */

static void make_dir(const char *name)
{
	assert_int_equal(mkdirat(dirfd_, name, 0755), 0);
}

static int append(void *ctx, const void *data, size_t n, struct err *e)
{
	return buf_add(ctx, data, n, e);
}

static ssize_t from_buf(void *ctx, void *data, size_t n, struct err *e)
{
	struct bytes *b = ctx;

	if (n > b->len)
		n = b->len;
	memcpy(data, b->data, n);
	b->data += n;
	b->len -= n;
	return (ssize_t)n;
}

/* The hash of what is in the NAR of NAME. */
static void hash_nar(const char *name, enum hash_algo a, struct hash *ret)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf nar = BUF_INIT(16 << 20);
	struct nar_sink sink = {append, &nar};

	assert_ok(&e, nar_dump(NAR_TREE(name), &sink, &e));
	struct bytes left = {nar.data, nar.len};
	struct nar_source source = {from_buf, &left};
	scoped_nar_reader struct nar_reader *r = nar_reader_new_source(&source, NULL, &e);
	assert_non_null(r);
	assert_ok(&e, githash_nar(r, a, ret, &e));
}

static void check_hash(const char *name, enum hash_algo a, const char *want)
{
	struct err e = ERR_INIT;
	char text[HASH_TEXT_MAX];
	struct hash h;

	assert_ok(&e, githash_tree(NAR_TREE(name), a, &h, &e));
	hash_print(&h, HASH_BASE16, false, text);
	assert_string_equal(text, want);
	hash_nar(name, a, &h);
	hash_print(&h, HASH_BASE16, false, text);
	assert_string_equal(text, want);
}

static void check(const char *name, const char *sha1, const char *sha256)
{
	check_hash(name, HASH_SHA1, sha1);
	check_hash(name, HASH_SHA256, sha256);
}

static void files_and_links_are_blobs(void **state)
{
	make_file("abc", 0644, "abc");
	check("abc", "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f",
	      "c1cf6e465077930e88dc5136641d402f72a229ddd996f627d60e9639eaba35a6");
	make_file("empty", 0644, "");
	check("empty", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
	      "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813");
	make_big_file("big", BIG_BYTES);
	check("big", "72866f07193a8f26bb1eb84e46abc953ad44f8ee",
	      "e2c660745fc6fb10cd2ffbe075764224da483c2519e22a0c8635ebaeede46d6b");
	assert_int_equal(symlinkat("foo/file", dirfd_, "link"), 0);
	check("link", "3c5d0841c9f20b6dc065b30c91874f8d324b0c5b",
	      "f1054aa9fc52c29ba3c8930bd78b654fa88e18161548c578bb717bafecb4b21d");
}

static void the_mode_of_the_root_is_not_hashed(void **state)
{
	make_file("run", 0755, "abc");
	check("run", "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f",
	      "c1cf6e465077930e88dc5136641d402f72a229ddd996f627d60e9639eaba35a6");
}

static void empty_directories_are_empty_trees(void **state)
{
	make_dir("none");
	check("none", "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
	      "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321");
	make_dir("holder");
	make_dir("holder/d");
	check("holder", "5319e8da264dc00f79be24e4ebcc26bf7ec89120",
	      "0820b9bd00f4917b2b370231ea85bed60f776c806e49a9064cd2a9993dfc61ca");
}

/* A directory is sorted as if its name ended with '/': after "foo-bar" and "foo.txt". */
static void trees_are_sorted_as_by_git(void **state)
{
	make_dir("tree");
	make_dir("tree/foo");
	make_dir("tree/foo/deep");
	make_dir("tree/foo/deep/er");
	make_dir("tree/lib");
	make_file("tree/foo/file", 0644, "in foo\n");
	make_file("tree/foo/deep/er/x", 0644, "x");
	make_file("tree/foo.txt", 0644, "dot\n");
	make_file("tree/foo-bar", 0644, "dash\n");
	make_file("tree/foo0", 0644, "zero\n");
	make_file("tree/empty", 0644, "");
	make_file("tree/run", 0755, "#!/bin/sh\n");
	make_file("tree/lib/z", 0644, "hello");
	make_file("tree/lib/\xe4", 0644, "\xff");
	make_big_file("tree/lib/big", BIG_BYTES);
	assert_int_equal(symlinkat("foo/file", dirfd_, "tree/link"), 0);
	check("tree/foo/deep", "c78b7b95d47d33f420240ae4089cd72e055173a9",
	      "a1a878a0faf21f04afb3b0709d2e4125516a0a9f55003565a023b9deba1cf94b");
	check("tree/foo", "971a3f320ec7f999b216a6a95989591774d4d896",
	      "f40ec8a3c66c628f57228069855f3bb3260c3d003dc6af788eda2a8fecd9cb4d");
	check("tree/lib", "40ef71e8d074d489bf2f7ecd20615b3b9e1c7f55",
	      "438c299ac2a9404f4ed824100da5bd4bbe25aaa2db20ac391954a55ba2f97869");
	check("tree", "fa7cb880deaf68863ae75b6604f969d4df1199ac",
	      "eff8f08f8baff4ff24b1c8758fadbda10e07f336a6dc4654ff6b50031ddfc166");
}

/* What is hashed for a directory of that many, put together here. */
static void hashes_many_entries(void **state)
{
	enum { N = 3000 };
	struct err e = ERR_INIT;
	scoped_buf struct buf entries = BUF_INIT(1 << 20);
	scoped_buf struct buf tree = BUF_INIT(1 << 20);
	struct hash x, want;
	char hex[HASH_TEXT_MAX];

	assert_ok(&e, hash_bytes(HASH_SHA1, "blob 1\0x", 8, &x, &e));
	make_dir("many");
	for (int i = 0; i < N; i++) {
		scoped_free char *name = str_fmt(&e, "many/%05d", i);

		make_file(name, 0644, "x");
		assert_ok(&e, buf_addf(&entries, &e, "100644 %05d", i));
		assert_ok(&e, buf_addc(&entries, '\0', &e));
		assert_ok(&e, buf_add(&entries, x.bytes, 20, &e));
	}
	assert_ok(&e, buf_addf(&tree, &e, "tree %zu", entries.len));
	assert_ok(&e, buf_addc(&tree, '\0', &e));
	assert_ok(&e, buf_add(&tree, entries.data, entries.len, &e));
	assert_ok(&e, hash_bytes(HASH_SHA1, tree.data, tree.len, &want, &e));
	hash_print(&want, HASH_BASE16, false, hex);
	check_hash("many", HASH_SHA1, hex);
}

static void nesting_has_the_limit_of_nars(void **state)
{
	struct err e = ERR_INIT;
	struct hash h, nar;
	int fd = io_mkdir(dirfd_, "deep", 0755, &e);

	assert_true(fd >= 0);
	for (int i = 1; i < NAR_DEPTH_MAX; i++) {
		int next = io_mkdir(fd, "d", 0755, &e);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	assert_ok(&e, githash_tree(NAR_TREE("deep"), HASH_SHA1, &h, &e));
	hash_nar("deep", HASH_SHA1, &nar);
	assert_true(hash_equal(&h, &nar));
	assert_int_equal(symlinkat("x", fd, "l"), 0);
	assert_err(&e, githash_tree(NAR_TREE("deep"), HASH_SHA1, &h, &e),
		   "d/l' exceeds maximum NAR directory depth of 64");
	close(fd);
}

static void refuses_what_is_no_tree(void **state)
{
	struct err e = ERR_INIT;
	struct hash h;

	make_dir("fifos");
	assert_int_equal(mkfifoat(dirfd_, "fifos/p", 0644), 0);
	assert_err(&e, githash_tree(NAR_TREE("fifos"), HASH_SHA1, &h, &e),
		   "file 'fifos/p' has an unsupported type");
	assert_err(&e, githash_tree(NAR_TREE("missing"), HASH_SHA1, &h, &e), "'missing'");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_and_links_are_blobs),
		cmocka_unit_test(the_mode_of_the_root_is_not_hashed),
		cmocka_unit_test(empty_directories_are_empty_trees),
		cmocka_unit_test(trees_are_sorted_as_by_git),
		cmocka_unit_test(hashes_many_entries),
		cmocka_unit_test(nesting_has_the_limit_of_nars),
		cmocka_unit_test(refuses_what_is_no_tree),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("githash", tests, setup, teardown);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/dump.h"
#include "nar/hasher.h"
#include "tests/unit/tmpdir.h"

static int add(void *ctx, const void *data, size_t n, struct err *e)
{
	return buf_add(ctx, data, n, e);
}

static void dump(const char *name, struct buf *ret)
{
	struct err e = ERR_INIT;
	struct nar_sink sink = {add, ret};

	assert_ok(&e, nar_dump(NAR_TREE(name), &sink, &e));
}

/* The hash of a dump is what nar_digest() says of the tree. */
static void check_digest(const char *name)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(64 << 20);
	struct nar_digest d;
	struct hash h;

	dump(name, &b);
	assert_ok(&e, hash_bytes(HASH_SHA256, b.data, b.len, &h, &e));
	assert_ok(&e, nar_digest(NAR_TREE(name), NULL, &d, &e));
	assert_true(hash_equal(&h, &d.sha256));
	assert_int_equal(d.size_bytes, b.len);
}

#define STR(len, text) len "\0\0\0\0\0\0\0" text
#define MAGIC STR("\15", "nix-archive-1\0\0\0")
#define TAG_OPEN STR("\1", "(\0\0\0\0\0\0\0")
#define TAG_CLOSE STR("\1", ")\0\0\0\0\0\0\0")
#define TAG_TYPE STR("\4", "type\0\0\0\0")
#define REGULAR TAG_OPEN TAG_TYPE STR("\7", "regular\0")
#define EXECUTABLE STR("\12", "executable\0\0\0\0\0\0") STR("\0", "")
#define CONTENTS STR("\10", "contents")
#define DIRECTORY TAG_OPEN TAG_TYPE STR("\11", "directory\0\0\0\0\0\0\0")
#define SYMLINK TAG_OPEN TAG_TYPE STR("\7", "symlink\0") STR("\6", "target\0\0")
#define ENTRY(len, name)         \
	STR("\5", "entry\0\0\0") \
	TAG_OPEN STR("\4", "name\0\0\0\0") STR(len, name) STR("\4", "node\0\0\0\0")

#define assert_dump(name, want)                               \
	do {                                                  \
		scoped_buf struct buf b_ = BUF_INIT(1 << 20); \
		dump(name, &b_);                              \
		assert_int_equal(b_.len, sizeof(want) - 1);   \
		assert_memory_equal(b_.data, want, b_.len);   \
		check_digest(name);                           \
	} while (0)

static void writes_files_links_and_directories(void **state)
{
	make_file("empty", 0644, "");
	make_file("one", 0644, "x");
	make_file("eight", 0755, "12345678");
	assert_int_equal(symlinkat("a/b", dirfd_, "link"), 0);
	assert_int_equal(mkdirat(dirfd_, "dir", 0755), 0);
	assert_dump("empty", MAGIC REGULAR CONTENTS STR("\0", "") TAG_CLOSE);
	assert_dump("one", MAGIC REGULAR CONTENTS STR("\1", "x\0\0\0\0\0\0\0") TAG_CLOSE);
	assert_dump("eight", MAGIC REGULAR EXECUTABLE CONTENTS STR("\10", "12345678") TAG_CLOSE);
	assert_dump("link", MAGIC SYMLINK STR("\3", "a/b\0\0\0\0\0") TAG_CLOSE);
	assert_dump("dir", MAGIC DIRECTORY TAG_CLOSE);
	assert_int_equal(sizeof(MAGIC REGULAR CONTENTS STR("\0", "") TAG_CLOSE) - 1, 112);
}

static void sorts_entries_by_bytes(void **state)
{
	static const char want[] = MAGIC DIRECTORY ENTRY("\1", "B\0\0\0\0\0\0\0")
		DIRECTORY TAG_CLOSE TAG_CLOSE ENTRY("\1", "a\0\0\0\0\0\0\0") SYMLINK STR(
			"\1", "x\0\0\0\0\0\0\0") TAG_CLOSE TAG_CLOSE ENTRY("\2", "aa\0\0\0\0\0\0")
			REGULAR CONTENTS STR("\0", "")
				TAG_CLOSE TAG_CLOSE ENTRY("\1", "\xff\0\0\0\0\0\0\0")
					REGULAR CONTENTS STR("\0", "")
						TAG_CLOSE TAG_CLOSE TAG_CLOSE;

	assert_int_equal(mkdirat(dirfd_, "sort", 0755), 0);
	make_file("sort/\xff", 0644, "");
	make_file("sort/aa", 0600, "");
	assert_int_equal(symlinkat("x", dirfd_, "sort/a"), 0);
	assert_int_equal(mkdirat(dirfd_, "sort/B", 0755), 0);
	assert_dump("sort", want);
}

/* Sizes around those of the buffers, where framing and contents meet their ends. */
static void hashes_what_it_dumps_at_every_size(void **state)
{
	static const long around[] = {8192, HASHER_BUF_BYTES, 2 * HASHER_BUF_BYTES,
				      9 * HASHER_BUF_BYTES};

	for (size_t i = 0; i < ARRAY_SIZE(around); i++) {
		for (long d = -240; d <= 16; d += 8) {
			make_big_file("big", (size_t)(around[i] + d));
			check_digest("big");
			assert_int_equal(unlinkat(dirfd_, "big", 0), 0);
		}
	}
	for (size_t d = 0; d < 9; d++) {
		make_big_file("big", 100000 + d);
		check_digest("big");
		assert_int_equal(unlinkat(dirfd_, "big", 0), 0);
	}
}

static void hashes_many_entries(void **state)
{
	assert_int_equal(mkdirat(dirfd_, "many", 0755), 0);
	for (int i = 0; i < 3000; i++) {
		scoped_free char *name = NULL;
		assert_true(asprintf(&name, "many/%08x-%*s", (unsigned)i * 2654435761u, i % 200 + 1,
				     "n") > 0);
		make_file(name, i % 3 ? 0644 : 0755, name);
	}
	check_digest("many");
}

static void finds_references_while_it_hashes(void **state)
{
	static const char *const hashes[] = {
		"4q0pg5zpfmznxscq3avycvf9xdvx50n3", "9zicq1m4wy4bv50xa4l1jk4kpyy41kih",
		"dii4qkmn9kdb6ziy6psgldkwa3k3gyia", "1b8m03r63zqhnjf7l5wnldhh7c134ap5",
		"292w8yzv5nn7nhdpxcs8b7vby2p27s09"};
	struct err e = ERR_INIT;
	struct refscan *s = refscan_new(&e);
	struct nar_digest d;

	assert_non_null(s);
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++)
		assert_ok(&e, refscan_add(s, hashes[i], &e));
	assert_int_equal(mkdirat(dirfd_, "refs", 0755), 0);
	make_big_file("refs/a", 3 * HASHER_BUF_BYTES);
	int fd = openat(dirfd_, "refs/a", O_WRONLY | O_CLOEXEC);
	/* In contents, near the end of a buffer; in a link's target; in a name. */
	assert_int_equal(pwrite(fd, hashes[1], 32, HASHER_BUF_BYTES - 280), 32);
	close(fd);
	assert_int_equal(symlinkat(hashes[2], dirfd_, "refs/b"), 0);
	assert_int_equal(mkdirat(dirfd_, "refs/292w8yzv5nn7nhdpxcs8b7vby2p27s09-x", 0755), 0);
	assert_ok(&e, nar_digest(NAR_TREE("refs"), s, &d, &e));
	assert_false(refscan_found(s, 0));
	assert_true(refscan_found(s, 1));
	assert_true(refscan_found(s, 2));
	assert_false(refscan_found(s, 3));
	assert_true(refscan_found(s, 4));
	refscan_free(s);
}

static void refuses_other_kinds_of_files(void **state)
{
	struct err e = ERR_INIT;
	struct nar_digest d;

	assert_int_equal(mkdirat(dirfd_, "kinds", 0755), 0);
	assert_int_equal(mkfifoat(dirfd_, "kinds/fifo", 0644), 0);
	assert_err(&e, nar_digest(NAR_TREE("kinds"), NULL, &d, &e),
		   "file 'kinds/fifo' has an unsupported type");
	assert_err(&e, nar_digest(NAR_TREE_AT("kinds/fifo", "F"), NULL, &d, &e),
		   "file 'F' has an unsupported type");
	assert_err(&e, nar_digest(NAR_TREE_AT("nothing", "N"), NULL, &d, &e), "'N': No such file");
}

static void refuses_deeper_nesting_than_nix_reads(void **state)
{
	struct err e = ERR_INIT;
	struct nar_digest d;
	int fd = io_mkdir(dirfd_, "deep", 0755, &e);

	assert_true(fd >= 0);
	for (int i = 1; i < NAR_DEPTH_MAX; i++) {
		int next = io_mkdir(fd, "d", 0755, &e);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	check_digest("deep");
	assert_int_equal(symlinkat("x", fd, "l"), 0);
	assert_err(&e, nar_digest(NAR_TREE("deep"), NULL, &d, &e),
		   "d/l' exceeds maximum NAR directory depth of 64");
	close(fd);
}

static int append(void *ctx, const void *data, size_t n, struct err *e)
{
	return buf_add(ctx, data, n, e);
}

static void sends_contents_alone(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1 << 20);
	const struct nar_sink to = {append, &b};
	scoped_buf struct buf want = BUF_INIT(1 << 20);

	make_big_file("flatsent", HASHER_BUF_BYTES + 1);
	assert_ok(&e, io_read_file(dirfd_, "flatsent", &want, &e));
	assert_ok(&e, nar_dump_flat(NAR_TREE("flatsent"), &to, &e));
	assert_int_equal(b.len, want.len);
	assert_memory_equal(b.data, want.data, b.len);
	assert_err(&e, nar_dump_flat(NAR_TREE_AT(".", "dot"), &to, &e),
		   "'dot' is not a regular file");
	assert_int_equal(unlinkat(dirfd_, "flatsent", 0), 0);
}

static void hashes_contents_alone(void **state)
{
	struct err e = ERR_INIT;
	char text[HASH_TEXT_MAX];
	struct hash h;

	make_file("flat", 0644, "abc");
	assert_ok(&e, nar_hash_flat(NAR_TREE("flat"), HASH_MD5, &h, &e));
	hash_print(&h, HASH_BASE16, false, text);
	assert_string_equal(text, "900150983cd24fb0d6963f7d28e17f72");
	assert_int_equal(symlinkat("flat", dirfd_, "flatlink"), 0);
	assert_err(&e, nar_hash_flat(NAR_TREE("flatlink"), HASH_MD5, &h, &e),
		   "'flatlink' is not a regular file");
	assert_err(&e, nar_hash_flat(NAR_TREE_AT(".", "dot"), HASH_MD5, &h, &e),
		   "'dot' is not a regular file");
	for (size_t n = HASHER_BUF_BYTES - 1; n <= HASHER_BUF_BYTES + 1; n++) {
		scoped_buf struct buf b = BUF_INIT(1 << 20);
		struct hash want;

		make_big_file("flatbig", n);
		assert_ok(&e, io_read_file(dirfd_, "flatbig", &b, &e));
		assert_int_equal(b.len, n);
		assert_ok(&e, hash_bytes(HASH_SHA512, b.data, b.len, &want, &e));
		assert_ok(&e, nar_hash_flat(NAR_TREE("flatbig"), HASH_SHA512, &h, &e));
		assert_true(hash_equal(&h, &want));
		assert_int_equal(unlinkat(dirfd_, "flatbig", 0), 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_files_links_and_directories),
		cmocka_unit_test(sorts_entries_by_bytes),
		cmocka_unit_test(hashes_what_it_dumps_at_every_size),
		cmocka_unit_test(hashes_many_entries),
		cmocka_unit_test(finds_references_while_it_hashes),
		cmocka_unit_test(refuses_other_kinds_of_files),
		cmocka_unit_test(refuses_deeper_nesting_than_nix_reads),
		cmocka_unit_test(sends_contents_alone),
		cmocka_unit_test(hashes_contents_alone),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("dump", tests, setup, teardown);
}

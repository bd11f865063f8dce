/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/reader.h"
#include "nar/writer.h"
#include "tests/piecewise.h"
#include "tests/unit/nar_words.h"

static int append(void *ctx, char **buf, size_t n, struct err *e)
{
	return buf_add(ctx, *buf, n, e);
}

/* Read to the end or to a refusal; what was read is written again to COPY. */
static int read_all(struct nar_reader *r, bool skip, struct buf *copy, struct err *e)
{
	struct nar_event ev;
	struct nar_writer w;
	char room[NAR_WRITER_MIN];
	int rc;

	nar_writer_init(&w, room, sizeof room, append, copy);
	while ((rc = nar_next(r, &ev, e)) > 0) {
		if (skip && ev.type == NAR_FILE && nar_skip_contents(r, e) < 0)
			return -1;
		if (!skip)
			assert_ok(e, nar_writer_event(&w, &ev, e));
	}
	if (rc == 0 && !skip) {
		nar_writer_finish(&w);
		assert_ok(e, buf_add(copy, w.buf, w.len, e));
	}
	return rc;
}

static void check(const char *name, const char *data, size_t len, const char *refusal, size_t step,
		  bool skip)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf copy = BUF_INIT(1 << 24);
	struct piecewise p = {data, len, 0, step};
	struct nar_source src = {read_piece, &p};
	const struct nar_limits small = {.buf_bytes = NAR_READER_BUF_MIN};
	scoped_nar_reader struct nar_reader *r =
		nar_reader_new_source(&src, step == 1 ? &small : NULL, &e);
	struct nar_event ev;

	assert_non_null(r);
	int rc = read_all(r, skip, &copy, &e);
	if (rc == 0 && refusal)
		fail_msg("%s was accepted", name);
	if (rc < 0 && !refusal)
		fail_msg("%s was refused: %s", name, e.msg);
	if (rc < 0 && !strstr(e.msg, refusal))
		fail_msg("%s was refused with '%s', not '%s'", name, e.msg, refusal);
	if (rc < 0) {
		assert_true(str_starts(e.msg, "bad archive: ") && strstr(e.msg, "(at byte "));
		/* It stays refused. */
		err_clear(&e);
		assert_int_equal(nar_next(r, &ev, &e), -1);
		return;
	}
	if (!skip) {
		assert_int_equal(copy.len, len);
		assert_memory_equal(copy.data, data, len);
	}
	assert_int_equal(nar_next(r, &ev, &e), 0);
}

static void accepts_and_refuses_as_nix_does(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(nar_cases); i++) {
		const struct nar_case *c = &nar_cases[i];
		scoped_buf struct buf b = BUF_INIT(1 << 20);

		nar_words(&b, c->words);
		check(c->name, b.data, b.len, c->refusal, SIZE_MAX, false);
		check(c->name, b.data, b.len, c->refusal, 1, false);
		check(c->name, b.data, b.len, c->refusal, 7, true);
	}
}

static void refuses_every_cut(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(nar_cases); i++) {
		const struct nar_case *c = &nar_cases[i];
		scoped_buf struct buf b = BUF_INIT(1 << 20);

		nar_words(&b, c->words);
		for (size_t n = 0; !c->refusal && n < b.len; n++)
			check(c->name, b.data, n,
			      n < 24 ? "look like a Nix archive" : "unexpected end-of-file",
			      SIZE_MAX, n % 2);
	}
}

/* LEVELS directories in each other, a link in the last. */
static void nest(struct buf *b, unsigned levels)
{
	nar_words(b, "M");
	for (unsigned i = 0; i < levels; i++)
		nar_words(b, "( type directory entry ( name d node");
	nar_words(b, "( type symlink target x )");
	for (unsigned i = 0; i < levels; i++)
		nar_words(b, ") )");
}

static void nests_up_to_64_nodes(void **state)
{
	scoped_buf struct buf b = BUF_INIT(1 << 20), deeper = BUF_INIT(1 << 20);

	nest(&b, NAR_DEPTH_MAX - 1);
	check("63 directories", b.data, b.len, NULL, 1000, false);
	nest(&deeper, NAR_DEPTH_MAX);
	check("64 directories", deeper.data, deeper.len,
	      "NAR directory nesting exceeds maximum depth of 64 (at byte ", 1000, false);
}

static void limits_can_be_lower(void **state)
{
	struct err e = ERR_INIT;
	struct nar_limits lim = {.depth_max = 2}, small = {.size_max_bytes = 119};
	scoped_buf struct buf b = BUF_INIT(1 << 20), copy = BUF_INIT(1 << 20);
	struct piecewise p = {.step = 50};
	struct nar_source src = {read_piece, &p};

	nest(&b, 2);
	p.data = b.data;
	p.len = b.len;
	scoped_nar_reader struct nar_reader *r = nar_reader_new_source(&src, &lim, &e);
	assert_non_null(r);
	assert_err(&e, read_all(r, true, &copy, &e), "exceeds maximum depth of 2");

	buf_reset(&b);
	nar_words(&b, "M ( type regular contents x )");
	assert_int_equal(b.len, 120);
	p = (struct piecewise){b.data, b.len, 0, 50};
	scoped_nar_reader struct nar_reader *r2 = nar_reader_new_source(&src, &small, &e);
	assert_non_null(r2);
	assert_err(&e, read_all(r2, true, &copy, &e), "larger than the 119 bytes");
	small.size_max_bytes = 120;
	p.pos = 0;
	scoped_nar_reader struct nar_reader *r3 = nar_reader_new_source(&src, &small, &e);
	assert_non_null(r3);
	assert_ok(&e, read_all(r3, true, &copy, &e));
}

static void tells_where_contents_lie(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1 << 20);
	struct piecewise p = {.step = 1000};
	struct nar_source src = {read_piece, &p};
	struct nar_event ev;

	nar_words(&b, "M ( type regular contents hello )");
	p.data = b.data;
	p.len = b.len;
	scoped_nar_reader struct nar_reader *r = nar_reader_new_source(&src, NULL, &e);
	assert_non_null(r);
	assert_int_equal(nar_next(r, &ev, &e), 1);
	assert_int_equal(ev.type, NAR_FILE);
	assert_int_equal(ev.offset, 96);
	assert_int_equal(ev.size_bytes, 5);
	assert_false(ev.executable);
	assert_int_equal(nar_next(r, &ev, &e), 1);
	assert_int_equal(ev.type, NAR_DATA);
	assert_memory_equal(ev.data, "hello", 5);
	assert_int_equal(nar_next(r, &ev, &e), 0);
}

/* A memfd with a NAR of one file of SIZE zeros, cut off by CUT bytes, its padding spoilt or not. */
static int big_nar(uint64_t size, uint64_t cut, bool spoilt)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf head = BUF_INIT(1000), tail = BUF_INIT(1000);
	int fd = memfd_create("nar", MFD_CLOEXEC);

	assert_true(fd >= 0);
	nar_words(&head, "M ( type regular contents");
	for (int i = 0; i < 8; i++)
		assert_ok(&e, buf_addc(&head, (char)(size >> 8 * i), &e));
	nar_words(&tail, spoilt ? "=%01%00%00%00" : "=%00%00%00%00");
	assert_ok(&e, io_write(fd, head.data, head.len, "memfd", &e));
	assert_true(lseek(fd, (off_t)size, SEEK_CUR) > 0);
	nar_words(&tail, "=%01%00%00%00%00%00%00%00)%00%00%00%00%00%00%00");
	assert_ok(&e, io_write(fd, tail.data, tail.len, "memfd", &e));
	if (cut)
		assert_int_equal(ftruncate(fd, (off_t)(head.len + size + tail.len - cut)), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void skips_large_contents_by_seeking(void **state)
{
	const uint64_t size = UINT64_C(5) << 40 | 4;
	static const struct {
		uint64_t cut;
		bool spoilt;
		const char *refusal;
	} cases[] = {
		{0, false, NULL},
		{0, true, "non-zero padding (at byte 5497558138980)"},
		{1, false, "unexpected end-of-file"},
		{20, false, "unexpected end-of-file"},
		{1000000, false, "unexpected end-of-file"},
	};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_buf struct buf copy = BUF_INIT(1000);
		scoped_fd int fd = big_nar(size, cases[i].cut, cases[i].spoilt);
		scoped_nar_reader struct nar_reader *r = nar_reader_new(fd, NULL, &e);

		assert_non_null(r);
		int rc = read_all(r, true, &copy, &e);
		if (cases[i].refusal)
			assert_err(&e, rc, cases[i].refusal);
		else
			assert_ok(&e, rc);
	}
}

static void passes_on_errors_of_its_source(void **state)
{
	struct err e = ERR_INIT;
	struct nar_event ev;
	scoped_nar_reader struct nar_reader *r = nar_reader_new(-1, NULL, &e);

	assert_non_null(r);
	assert_err(&e, nar_next(r, &ev, &e), "reading a NAR: Bad file descriptor");
	nar_reader_free(NULL);
}

/* Not a test: `WRITE_SEEDS=DIR test_reader` writes all cases as files, for the fuzzer's corpus. */
static int write_seeds(const char *dir)
{
	struct err e = ERR_INIT;
	scoped_fd int fd = io_opendir(AT_FDCWD, dir, &e);

	for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(nar_cases); i++) {
		scoped_buf struct buf b = BUF_INIT(1 << 20);

		nar_words(&b, nar_cases[i].words);
		if (io_write_file(fd, nar_cases[i].name, 0644, b.data, b.len, &e) < 0)
			break;
	}
	if (err_is_set(&e))
		fprintf(stderr, "%s\n", e.msg);
	return err_is_set(&e);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_and_refuses_as_nix_does),
		cmocka_unit_test(refuses_every_cut),
		cmocka_unit_test(nests_up_to_64_nodes),
		cmocka_unit_test(limits_can_be_lower),
		cmocka_unit_test(tells_where_contents_lie),
		cmocka_unit_test(skips_large_contents_by_seeking),
		cmocka_unit_test(passes_on_errors_of_its_source),
	};

	if (getenv("WRITE_SEEDS"))
		return write_seeds(getenv("WRITE_SEEDS"));
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"
#include "nar/cache/compress.h"
#include "nar/cache/decompress.h"

#define MAX (64 << 20)

static const enum compression all[] = {
	COMPRESSION_NONE, COMPRESSION_XZ,    COMPRESSION_ZSTD,
	COMPRESSION_GZIP, COMPRESSION_BZIP2, COMPRESSION_LZ4,
};
#define FOR_EACH(c) for (const enum compression *c = all; c < all + ARRAY_SIZE(all); c++)

/* A source of a buffer's bytes, STEP at a time; fails at FAIL_AT where that is not 0. */
struct piecewise {
	const struct buf *b;
	size_t pos, step, fail_at;
};

static ssize_t read_piece(void *ctx, void *data, size_t n, struct err *e)
{
	struct piecewise *p = ctx;

	if (p->fail_at && p->pos >= p->fail_at)
		return err_set(e, ERR_SYSTEM, "the line is cut");
	if (n > p->step)
		n = p->step;
	if (n > p->b->len - p->pos)
		n = p->b->len - p->pos;
	if (n)
		memcpy(data, p->b->data + p->pos, n);
	p->pos += n;
	return (ssize_t)n;
}

static int add(void *ctx, const void *data, size_t n, struct err *e)
{
	return buf_add(ctx, data, n, e);
}

/* Bytes that compress somewhat, the same each time. */
static void make_plain(struct buf *b, size_t n)
{
	struct err e = ERR_INIT;
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		assert_ok(&e, buf_addc(b, (char)(x >> 28), &e));
	}
}

static void pack(enum compression c, const struct buf *from, struct buf *to)
{
	struct err e = ERR_INIT;
	struct compress_options o = {.compression = c, .level = -1};
	struct nar_sink sink = {add, to};
	size_t before = to->len;
	struct hash hash, want;
	uint64_t size;
	scoped_compress struct compress *z = compress_new(&o, &sink, &e);

	assert_ok(&e, z ? 0 : -1);
	sink = compress_sink(z);
	for (size_t pos = 0, n = 1; pos < from->len; pos += n, n = n * 3 + 1) {
		if (n > from->len - pos)
			n = from->len - pos;
		assert_ok(&e, sink.write(sink.ctx, from->data + pos, n, &e));
	}
	assert_ok(&e, compress_finish(z, &hash, &size, &e));
	assert_int_equal(size, to->len - before);
	assert_ok(&e, hash_bytes(HASH_SHA256, to->data + before, (size_t)size, &want, &e));
	assert_true(hash_equal(&hash, &want));
}

/* Read all, READ bytes at a time. */
static int unpack(enum compression c, const struct buf *from, size_t step, size_t fail_at,
		  uint64_t max_bytes, struct buf *to, struct err *e)
{
	struct piecewise p = {from, 0, step, fail_at};
	struct nar_source src = {read_piece, &p};
	scoped_decompress struct decompress *d = decompress_new(c, &src, max_bytes, e);
	char data[7001];
	ssize_t n;

	if (!d)
		return -1;
	src = decompress_source(d);
	while ((n = src.read(src.ctx, data, sizeof data, e)) > 0)
		if (buf_add(to, data, (size_t)n, e) < 0)
			return -1;
	return (int)n;
}

static void assert_unpacks(enum compression c, const struct buf *packed, const struct buf *plain)
{
	static const size_t steps[] = {1, 17, SIZE_MAX};
	struct err e = ERR_INIT;

	for (size_t i = packed->len > 100000; i < ARRAY_SIZE(steps); i++) {
		scoped_buf struct buf out = BUF_INIT(MAX);

		if (unpack(c, packed, steps[i], 0, plain->len, &out, &e) < 0)
			fail_msg("%s: %s", compression_name(c), e.msg);
		assert_int_equal(out.len, plain->len);
		assert_memory_equal(out.data, plain->data, plain->len);
	}
}

static void refused(enum compression c, const struct buf *packed, uint64_t max_bytes,
		    const char *what, const char *text)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf out = BUF_INIT(MAX);
	int rc = unpack(c, packed, SIZE_MAX, 0, max_bytes, &out, &e);

	if (rc >= 0)
		fail_msg("%s: accepted: %s", compression_name(c), what);
	if (!strstr(e.msg, text))
		fail_msg("%s: %s: message is '%s'", compression_name(c), what, e.msg);
	assert_true(out.len <= max_bytes);
}

static void unpacks_what_it_packs(void **state)
{
	static const size_t sizes[] = {1, 200, 65536, 1000003};

	FOR_EACH(c)
	{
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			scoped_buf struct buf plain = BUF_INIT(MAX), packed = BUF_INIT(MAX);

			make_plain(&plain, sizes[i]);
			pack(*c, &plain, &packed);
			assert_unpacks(*c, &packed, &plain);
		}
	}
}

static void packs_the_same_twice(void **state)
{
	FOR_EACH(c)
	{
		scoped_buf struct buf plain = BUF_INIT(MAX), a = BUF_INIT(MAX), b = BUF_INIT(MAX);

		make_plain(&plain, 100000);
		pack(*c, &plain, &a);
		pack(*c, &plain, &b);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, a.len);
	}
}

static void takes_levels_and_threads(void **state)
{
	static const struct compress_options options[] = {
		{COMPRESSION_XZ, 0, 2},    {COMPRESSION_XZ, 9, 0},   {COMPRESSION_ZSTD, 1, 2},
		{COMPRESSION_ZSTD, 19, 0}, {COMPRESSION_GZIP, 9, 4}, {COMPRESSION_BZIP2, 1, 0},
	};
	struct err e = ERR_INIT;
	struct hash h;
	uint64_t size;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		scoped_buf struct buf plain = BUF_INIT(MAX), packed = BUF_INIT(MAX);
		struct nar_sink sink = {add, &packed};
		scoped_compress struct compress *z = compress_new(&options[i], &sink, &e);

		make_plain(&plain, 300000);
		assert_ok(&e, z ? 0 : -1);
		assert_ok(&e, compress_sink(z).write(z, plain.data, plain.len, &e));
		assert_ok(&e, compress_finish(z, &h, &size, &e));
		assert_unpacks(options[i].compression, &packed, &plain);
	}
	struct compress_options bad = {COMPRESSION_XZ, 10, 0};
	struct nar_sink none = {NULL, NULL};
	assert_null(compress_new(&bad, &none, &e));
	assert_err(&e, -1, "does not accept the level 10");
}

static void goes_on_through_members(void **state)
{
	/* The formats whose files may be put one behind the other. */
	static const enum compression many[] = {COMPRESSION_XZ, COMPRESSION_ZSTD, COMPRESSION_GZIP,
						COMPRESSION_BZIP2, COMPRESSION_LZ4};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		scoped_buf struct buf plain = BUF_INIT(MAX), packed = BUF_INIT(MAX),
				      whole = BUF_INIT(MAX);

		make_plain(&plain, 70000);
		for (int k = 0; k < 3; k++) {
			pack(many[i], &plain, &packed);
			assert_ok(&e, buf_add(&whole, plain.data, plain.len, &e));
		}
		assert_unpacks(many[i], &packed, &whole);
	}
}

static void refuses_what_is_cut(void **state)
{
	FOR_EACH(c)
	{
		scoped_buf struct buf plain = BUF_INIT(MAX), packed = BUF_INIT(MAX);

		if (*c == COMPRESSION_NONE)
			continue;
		make_plain(&plain, 30000);
		pack(*c, &plain, &packed);
		size_t whole = packed.len;
		for (size_t n = 0; n < whole; n += n < 40 || n + 40 > whole ? 1 : 997) {
			packed.len = n;
			refused(*c, &packed, MAX, "a part", "bad ");
		}
	}
}

static void refuses_what_follows_the_end(void **state)
{
	static const char *const tails[] = {"x", "garbage, and not a little of it: 0123456789"};
	struct err e = ERR_INIT;

	FOR_EACH(c)
	{
		if (*c == COMPRESSION_NONE)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
			scoped_buf struct buf plain = BUF_INIT(MAX), packed = BUF_INIT(MAX);

			make_plain(&plain, 3000);
			pack(*c, &plain, &packed);
			assert_ok(&e, buf_adds(&packed, tails[i], &e));
			refused(*c, &packed, MAX, "a tail", "bad ");
		}
	}
}

static void refuses_what_is_of_another_kind(void **state)
{
	FOR_EACH(c)
	{
		scoped_buf struct buf plain = BUF_INIT(MAX), packed = BUF_INIT(MAX),
				      nothing = BUF_INIT(1);

		if (*c == COMPRESSION_NONE)
			continue;
		make_plain(&plain, 3000);
		refused(*c, &plain, MAX, "no compression", "bad ");
		refused(*c, &nothing, MAX, "nothing", "it is empty");
		FOR_EACH(other)
		{
			if (*other == *c)
				continue;
			buf_reset(&packed);
			pack(*other, &plain, &packed);
			refused(*c, &packed, MAX, compression_name(*other), "bad ");
		}
	}
}

static void bounds_what_it_unpacks_to(void **state)
{
	FOR_EACH(c)
	{
		struct err e = ERR_INIT;
		scoped_buf struct buf plain = BUF_INIT(MAX), packed = BUF_INIT(MAX);

		assert_ok(&e, buf_reserve(&plain, 32 << 20, &e));
		memset(plain.data, 0, 32 << 20);
		plain.len = 32 << 20;
		pack(*c, &plain, &packed);
		refused(*c, &packed, 1 << 20, "a bomb", "more than 1048576 bytes");
		refused(*c, &packed, (32 << 20) - 1, "a byte too much", "more than 33554431 bytes");
	}
}

static void passes_on_the_error_of_its_source(void **state)
{
	FOR_EACH(c)
	{
		struct err e = ERR_INIT;
		scoped_buf struct buf plain = BUF_INIT(MAX), packed = BUF_INIT(MAX),
				      out = BUF_INIT(MAX);

		make_plain(&plain, 300000);
		pack(*c, &plain, &packed);
		assert_int_equal(unpack(*c, &packed, 512, packed.len / 2, MAX, &out, &e), -1);
		assert_string_equal(e.msg, "the line is cut");
		assert_int_equal(e.kind, ERR_SYSTEM);
	}
}

/* A source that fails once at any of its bytes, and afterwards says that it has ended. */
struct failing_once {
	struct piecewise p;
	size_t fail_at;
	unsigned failures;
};

static ssize_t fail_once(void *ctx, void *data, size_t n, struct err *e)
{
	struct failing_once *f = ctx;

	if (f->failures)
		return 0;
	if (f->p.pos == f->fail_at) {
		f->failures++;
		return err_set(e, ERR_SYSTEM, "the line is cut");
	}
	return read_piece(&f->p, data, n, e);
}

static void an_error_of_the_source_is_never_its_end(void **state)
{
	FOR_EACH(c)
	{
		scoped_buf struct buf plain = BUF_INIT(MAX), packed = BUF_INIT(MAX);
		struct err e = ERR_INIT;

		make_plain(&plain, 100);
		pack(*c, &plain, &packed);
		pack(*c, &plain, &packed); /* two members: one of the places is between them */
		for (size_t at = 0; at <= packed.len; at++) {
			struct failing_once f = {{&packed, 0, 1, 0}, at, 0};
			const struct nar_source src = {fail_once, &f};
			scoped_decompress struct decompress *d = decompress_new(*c, &src, MAX, &e);
			const void *block;
			size_t n;
			int rc;

			assert_non_null(d);
			do
				rc = decompress_block(d, &block, &n, &e);
			while (rc > 0);
			if (rc == 0)
				fail_msg("%s: cut at byte %zu of %zu is an end",
					 compression_name(*c), at, packed.len);
			assert_err(&e, rc, "the line is cut");
			assert_int_equal(f.failures, 1);
		}
	}
}

static int full(void *ctx, const void *data, size_t n, struct err *e)
{
	return err_set(e, ERR_SYSTEM, "no room");
}

static void passes_on_the_error_of_its_sink(void **state)
{
	FOR_EACH(c)
	{
		struct err e = ERR_INIT;
		struct compress_options o = {.compression = *c, .level = -1};
		struct nar_sink to = {full, NULL};
		scoped_compress struct compress *z = compress_new(&o, &to, &e);
		scoped_buf struct buf plain = BUF_INIT(MAX);
		struct hash h;
		uint64_t size;

		make_plain(&plain, 5000);
		assert_non_null(z);
		struct nar_sink in = compress_sink(z);
		int rc = in.write(in.ctx, plain.data, plain.len, &e);
		if (rc == 0)
			rc = compress_finish(z, &h, &size, &e);
		assert_int_equal(rc, -1);
		assert_string_equal(e.msg, "no room");
	}
}

static void sends_nothing_when_given_up(void **state)
{
	FOR_EACH(c)
	{
		struct err e = ERR_INIT;
		struct compress_options o = {.compression = *c, .level = -1};
		scoped_buf struct buf packed = BUF_INIT(MAX);
		struct nar_sink to = {add, &packed};
		struct compress *z = compress_new(&o, &to, &e);

		assert_non_null(z);
		if (*c != COMPRESSION_NONE) {
			struct nar_sink in = compress_sink(z);
			assert_ok(&e, in.write(in.ctx, "abc", 3, &e));
		}
		size_t before = packed.len;
		compress_free(z);
		assert_int_equal(packed.len, before);
	}
}

static void knows_the_names(void **state)
{
	struct err e = ERR_INIT;
	enum compression c;

	FOR_EACH(each)
	{
		assert_ok(&e, compression_parse(compression_name(*each), &c, &e));
		assert_int_equal(c, *each);
	}
	assert_ok(&e, compression_parse("", &c, &e));
	assert_int_equal(c, COMPRESSION_NONE);
	assert_string_equal(compression_suffix(COMPRESSION_XZ), ".xz");
	assert_err(&e, compression_parse("br", &c, &e), "compression 'br' is not supported");
	assert_err(&e, compression_parse("lrzip", &c, &e), "compression 'lrzip' is not supported");
	assert_err(&e, compression_parse("XZ", &c, &e), "compression 'XZ' is not supported");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unpacks_what_it_packs),
		cmocka_unit_test(packs_the_same_twice),
		cmocka_unit_test(takes_levels_and_threads),
		cmocka_unit_test(goes_on_through_members),
		cmocka_unit_test(refuses_what_is_cut),
		cmocka_unit_test(refuses_what_follows_the_end),
		cmocka_unit_test(refuses_what_is_of_another_kind),
		cmocka_unit_test(bounds_what_it_unpacks_to),
		cmocka_unit_test(passes_on_the_error_of_its_source),
		cmocka_unit_test(an_error_of_the_source_is_never_its_end),
		cmocka_unit_test(passes_on_the_error_of_its_sink),
		cmocka_unit_test(sends_nothing_when_given_up),
		cmocka_unit_test(knows_the_names),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

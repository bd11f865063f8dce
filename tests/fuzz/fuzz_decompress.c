/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file of a binary cache, its first byte the compression and a bound: it unpacks to no more than
 * that, the same in whatever pieces it comes, and is read as a NAR to a clean end or a refusal.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "nar/cache/decompress.h"
#include "nar/hash.h"
#include "nar/reader.h"
#include "tests/piecewise.h"

#include "nar/base/banned.h"

#define NAR_MAX (1 << 20)

/* Unpack, and hash what comes of it. */
static int unpack(enum compression c, struct piecewise *p, uint64_t max, struct hash *ret)
{
	struct err e = ERR_INIT;
	const struct nar_source src = {read_piece, p};
	scoped_hash_ctx struct hash_ctx ctx = {.started = false};
	scoped_decompress struct decompress *d = decompress_new(c, &src, max, &e);
	const void *data;
	uint64_t total = 0;
	size_t n;
	int rc;

	FUZZ_CHECK(d && hash_start(&ctx, HASH_SHA256, &e) == 0);
	while ((rc = decompress_block(d, &data, &n, &e)) > 0) {
		FUZZ_CHECK(n > 0 && n <= max - total);
		total += n;
		FUZZ_CHECK(hash_update(&ctx, data, n, &e) == 0);
	}
	FUZZ_CHECK_ERR(rc, &e);
	/* It ended with its source, and stays at its end. */
	FUZZ_CHECK(rc < 0 || p->pos == p->len);
	FUZZ_CHECK(decompress_block(d, &data, &n, &e) == 0);
	err_clear(&e);
	FUZZ_CHECK(hash_finish(&ctx, ret, &e) == 0);
	return rc;
}

static void read_nar(enum compression c, struct piecewise *p, int unpacked)
{
	struct err e = ERR_INIT;
	struct nar_source src = {read_piece, p};
	const struct nar_limits lim = {.buf_bytes = NAR_READER_BUF_MIN};
	scoped_decompress struct decompress *d = decompress_new(c, &src, NAR_MAX, &e);
	struct nar_event ev;
	int rc;

	FUZZ_CHECK(d);
	src = decompress_source(d);
	scoped_nar_reader struct nar_reader *r = nar_reader_new_source(&src, &lim, &e);
	FUZZ_CHECK(r);
	while ((rc = nar_next(r, &ev, &e)) > 0)
		;
	FUZZ_CHECK_ERR(rc, &e);
	/* No NAR out of what does not unpack. */
	FUZZ_CHECK(rc < 0 || unpacked == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hash whole, pieces;

	if (size == 0)
		return 0;
	enum compression c = (enum compression)(data[0] % COMPRESSION_COUNT);
	uint64_t max = data[0] & 0x80 ? 100 : NAR_MAX;
	struct piecewise p = {data + 1, size - 1, 0, SIZE_MAX}, q = {data + 1, size - 1, 0, 7},
			 r = {data + 1, size - 1, 0, 64};
	int rc = unpack(c, &p, max, &whole);

	FUZZ_CHECK(unpack(c, &q, max, &pieces) == rc);
	FUZZ_CHECK(rc < 0 || hash_equal(&whole, &pieces));
	read_nar(c, &r, max == NAR_MAX ? rc : 0);
	return 0;
}

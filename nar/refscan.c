/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A needle is 32 digits of an alphabet of 32, and nearly no data looks like that. So the scan reads
 * a window of 32 bytes from its end. A byte that is no digit rules out every window that contains
 * it, and the next window starts after that byte. Most data is passed in steps of about 32 bytes,
 * with one load and one table look-up each, whatever the number of needles.
 *
 * If all 32 bytes are digits, the hash of the first eight is looked up in a bit map (`filter`) that
 * fits in the first-level cache. Only a window that passes it is looked up in the hash table and
 * compared. Then the window moves by one byte, and only the new byte must be checked.
 *
 * A stream with long runs of digits (hexadecimal tables, encoded data) would make this the slowest
 * part. Once such a stream turns up, a second bit map (`pieces`) is made of every eight-byte piece
 * of every needle. If the last eight bytes of a window are in no needle, the window moves by 25.
 *
 * A needle may lie across two buffers. So the last 31 bytes of the stream are kept, and scanned
 * together with the first 31 of the next buffer.
 */
#include "nar/refscan.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"
#include "nar/hash.h"

#include "nar/base/banned.h"

#define NEEDLE 32
#define TAIL_MAX (NEEDLE - 1)
#define NEEDLES_MAX (1u << 24)
#define FILTER_LOG2_MIN 12 /* 512 bytes */
#define FILTER_LOG2_MAX 18 /* 32 KiB, the size of a first-level cache */
#define TABLE_LOG2_MIN 6
#define PIECE 8
#define PIECES (NEEDLE - PIECE + 1) /* of a needle */
#define PIECE_LOG2_MAX 22           /* 512 KiB */
#define SLIDES_MAX 4096             /* moves by one byte before `pieces` is made */

struct needle {
	char digits[NEEDLE];
	uint32_t first; /* the number of the first needle with these digits */
	bool found;     /* valid in the first needle with these digits only */
};

struct refscan {
	struct needle *needles;
	size_t n, cap;
	size_t distinct, n_found;
	uint32_t *table; /* number + 1 of a needle, or 0; linear probing, at most half full */
	unsigned table_log2;
	uint64_t *filter; /* bits by key_of() the first PIECE digits of each needle */
	unsigned filter_log2;
	uint64_t *
		pieces; /* bits by key_of() each piece of each needle; NULL: not made (again) yet */
	unsigned pieces_log2;
	size_t slides; /* moves by one byte since the last make_pieces() */
	bool is_digit[256];
	unsigned char tail[TAIL_MAX];
	size_t tail_len;
};

static uint64_t key_of(const void *digits)
{
	uint64_t k;

	memcpy(&k, digits, sizeof k);
	/* The high bits of the key, which the maps use, depend on all eight digits. */
	return (k ^ k >> 29) * UINT64_C(0x9e3779b97f4a7c15);
}

struct refscan *refscan_new(struct err *e)
{
	struct refscan *s = mem_new(1, sizeof *s, e);

	if (!s)
		return NULL;
	for (unsigned c = 0; c < 256; c++)
		s->is_digit[c] = nix32_is_digit((unsigned char)c);
	s->table_log2 = TABLE_LOG2_MIN;
	s->filter_log2 = FILTER_LOG2_MIN;
	s->table = mem_new((size_t)1 << s->table_log2, sizeof *s->table, e);
	if (s->table)
		s->filter = mem_new(((size_t)1 << s->filter_log2) / 64, sizeof *s->filter, e);
	if (!s->filter) {
		refscan_free(s);
		return NULL;
	}
	return s;
}

void refscan_free(struct refscan *s)
{
	if (!s)
		return;
	free(s->needles);
	free(s->table);
	free(s->filter);
	free(s->pieces);
	free(s);
}

/* Return the place of these digits in the table: the one of their needle, or an empty one. */
static uint32_t *place_of(const struct refscan *s, const void *digits, uint64_t key)
{
	size_t mask = ((size_t)1 << s->table_log2) - 1, i = key >> (64 - s->table_log2);

	while (s->table[i] && memcmp(s->needles[s->table[i] - 1].digits, digits, NEEDLE) != 0)
		i = (i + 1) & mask;
	return &s->table[i];
}

static void map_set(uint64_t *map, unsigned log2, uint64_t key)
{
	uint64_t bit = key >> (64 - log2);

	map[bit / 64] |= UINT64_C(1) << bit % 64;
}

static bool map_has(const uint64_t *map, unsigned log2, uint64_t key)
{
	uint64_t bit = key >> (64 - log2);

	return map[bit / 64] >> bit % 64 & 1;
}

/*
 * Make room for one more needle: at most half of the table is used, and at most one bit in 16 of
 * the filter is set, as far as FILTER_LOG2_MAX allows.
 */
static int make_room(struct refscan *s, struct err *e)
{
	if (2 * (s->distinct + 1) <= (size_t)1 << s->table_log2)
		return 0;
	unsigned table_log2 = s->table_log2 + 2, filter_log2 = table_log2 + 3;

	if (filter_log2 < FILTER_LOG2_MIN)
		filter_log2 = FILTER_LOG2_MIN;
	if (filter_log2 > FILTER_LOG2_MAX)
		filter_log2 = FILTER_LOG2_MAX;
	scoped_free uint32_t *table = mem_new((size_t)1 << table_log2, sizeof *table, e);
	if (!table)
		return -1;
	uint64_t *filter = mem_new(((size_t)1 << filter_log2) / 64, sizeof *filter, e);
	if (!filter)
		return -1;
	free(s->filter);
	s->filter = filter;
	s->filter_log2 = filter_log2;
	free(s->table);
	s->table = TAKE(table, NULL);
	s->table_log2 = table_log2;
	for (size_t i = 0; i < s->n; i++) {
		uint64_t key = key_of(s->needles[i].digits);

		map_set(s->filter, s->filter_log2, key);
		if (s->needles[i].first == i)
			*place_of(s, s->needles[i].digits, key) = (uint32_t)i + 1;
	}
	return 0;
}

int refscan_add(struct refscan *s, const char *hash, struct err *e)
{
	for (size_t i = 0; i < NEEDLE; i++)
		if (!s->is_digit[(unsigned char)hash[i]])
			return err_set(e, ERR_INPUT, "'%.32s' is not the hash part of a store path",
				       hash);
	if (s->n >= NEEDLES_MAX)
		return err_set(e, ERR_LIMIT, "more than %u hashes to scan for", NEEDLES_MAX);
	if (make_room(s, e) < 0 ||
	    mem_grow(&s->needles, &s->cap, s->n + 1, sizeof *s->needles, e) < 0)
		return -1;
	struct needle *needle = &s->needles[s->n];
	uint64_t key = key_of(hash);
	uint32_t *place = place_of(s, hash, key);

	*needle = (struct needle){.first = *place ? *place - 1 : (uint32_t)s->n};
	memcpy(needle->digits, hash, NEEDLE);
	if (!*place) {
		*place = (uint32_t)s->n + 1;
		map_set(s->filter, s->filter_log2, key);
		s->distinct++;
	}
	s->n++;
	free(TAKE(s->pieces, NULL));
	return 0;
}

void refscan_reset(struct refscan *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->needles[i].found = false;
	s->n_found = 0;
	s->tail_len = 0;
}

static void look_up(struct refscan *s, const unsigned char *window, uint64_t key)
{
	uint32_t number = *place_of(s, window, key);

	if (number && !s->needles[number - 1].found) {
		s->needles[number - 1].found = true;
		s->n_found++;
	}
}

/* Make the map of pieces. Without memory for it, the scan goes on slower. */
static void make_pieces(struct refscan *s)
{
	struct err ignored = ERR_INIT;
	unsigned log2 = FILTER_LOG2_MIN;

	while (log2 < PIECE_LOG2_MAX && (size_t)1 << log2 < s->distinct * PIECES * 32)
		log2++;
	s->slides = 0;
	s->pieces = mem_new(((size_t)1 << log2) / 64, sizeof *s->pieces, &ignored);
	if (!s->pieces)
		return;
	s->pieces_log2 = log2;
	for (size_t i = 0; i < s->n; i++)
		for (size_t j = 0; j < PIECES; j++)
			map_set(s->pieces, log2, key_of(s->needles[i].digits + j));
}

/*
 * Look for a needle in the window at P, which is all digits. Returns how far the window may move.
 */
static size_t look(struct refscan *s, const unsigned char *p)
{
	if (s->pieces && !map_has(s->pieces, s->pieces_log2, key_of(p + NEEDLE - PIECE)))
		return PIECES;
	uint64_t key = key_of(p);
	if (map_has(s->filter, s->filter_log2, key))
		look_up(s, p, key);
	if (++s->slides > SLIDES_MAX && !s->pieces)
		make_pieces(s);
	return 1;
}

/* Scan every window of the N bytes at P. */
static void scan(struct refscan *s, const unsigned char *p, size_t n)
{
	size_t known = 0; /* bytes at the start of the window that are known to be digits */

	for (size_t i = 0; n - i >= NEEDLE;) {
		size_t j = NEEDLE;

		while (j > known && s->is_digit[p[i + j - 1]])
			j--;
		if (j > known) {
			i += j;
			known = 0;
		} else {
			size_t move = look(s, p + i);

			i += move;
			known = NEEDLE - move;
		}
	}
}

void refscan_feed(struct refscan *s, const void *data, size_t n)
{
	const unsigned char *p = data;

	if (s->n_found == s->distinct || n == 0)
		return;
	if (s->tail_len) {
		unsigned char joint[2 * TAIL_MAX];
		size_t take = n < TAIL_MAX ? n : TAIL_MAX;

		memcpy(joint, s->tail, s->tail_len);
		memcpy(joint + s->tail_len, p, take);
		scan(s, joint, s->tail_len + take);
	}
	scan(s, p, n);
	if (n >= TAIL_MAX) {
		memcpy(s->tail, p + n - TAIL_MAX, TAIL_MAX);
		s->tail_len = TAIL_MAX;
		return;
	}
	size_t keep = s->tail_len < TAIL_MAX - n ? s->tail_len : TAIL_MAX - n;
	memmove(s->tail, s->tail + s->tail_len - keep, keep);
	memcpy(s->tail + keep, p, n);
	s->tail_len = keep + n;
}

size_t refscan_count(const struct refscan *s)
{
	return s->n;
}

bool refscan_found(const struct refscan *s, size_t i)
{
	assert(i < s->n);
	return s->needles[s->needles[i].first].found;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. A needle is 32 bytes of an alphabet of 32, and nearly no data looks like
 * that. So a window of 32 bytes is looked at from its end: a byte that is no digit rules out every
 * window that holds it, and the next one to look at starts behind it. Most data is passed over by
 * steps of about 32 bytes, one load and one table look-up each, whatever the number of needles.
 *
 * Where all 32 bytes are digits, their first eight, hashed, are looked up in a bit map that is
 * small enough for the first-level cache; only what passes it goes to the hash table and is
 * compared. The window then slides by one byte, and only the new byte needs a look.
 *
 * A needle may lie across two buffers: the last 31 bytes of the stream are kept, and scanned
 * together with the first 31 of the next buffer.
 */
#include "nar/refscan.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "nar/buf.h"
#include "nar/hash.h"
#include "nar/scope.h"

#include "nar/banned.h"

#define NEEDLE 32
#define TAIL_MAX (NEEDLE - 1)
#define NEEDLES_MAX (1u << 24)
#define FILTER_LOG2_MIN 12 /* 512 bytes */
#define FILTER_LOG2_MAX 18 /* 32 KiB, the size of a first-level cache */
#define TABLE_LOG2_MIN 6

struct needle {
	char digits[NEEDLE];
	uint32_t first; /* the number of the first needle with these digits */
	bool found;     /* counts in the first only */
};

struct refscan {
	struct needle *needles;
	size_t n, cap;
	size_t distinct, n_found;
	uint32_t *table; /* number + 1 of a needle, or 0; linear probing, at most half full */
	unsigned table_log2;
	uint64_t *filter;
	unsigned filter_log2;
	bool is_digit[256];
	unsigned char tail[TAIL_MAX];
	size_t tail_len;
};

static uint64_t key_of(const void *digits)
{
	uint64_t k;

	memcpy(&k, digits, sizeof k);
	/* Its high bits depend on all eight digits. */
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
	free(s);
}

/* The place in the table of these digits: of the needle that has them, or the empty one for it. */
static uint32_t *place_of(const struct refscan *s, const void *digits, uint64_t key)
{
	size_t mask = ((size_t)1 << s->table_log2) - 1, i = key >> (64 - s->table_log2);

	while (s->table[i] && memcmp(s->needles[s->table[i] - 1].digits, digits, NEEDLE) != 0)
		i = (i + 1) & mask;
	return &s->table[i];
}

static void filter_set(struct refscan *s, uint64_t key)
{
	uint64_t bit = key >> (64 - s->filter_log2);

	s->filter[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* Keep the table at most half full, and one bit in 16 or fewer of the filter set. */
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

		filter_set(s, key);
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
		filter_set(s, key);
		s->distinct++;
	}
	s->n++;
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

/* Every window of the N bytes at P. */
static void scan(struct refscan *s, const unsigned char *p, size_t n)
{
	const bool *is_digit = s->is_digit;
	const uint64_t *filter = s->filter;
	unsigned shift = 64 - s->filter_log2;
	size_t i = 0; /* where the window starts */

	while (n - i >= NEEDLE) {
		size_t j = NEEDLE;

		while (j > 0 && is_digit[p[i + j - 1]])
			j--;
		if (j > 0) {
			i += j;
			continue;
		}
		/* All digits: slide through the rest of this run. */
		for (;;) {
			uint64_t key = key_of(p + i), bit = key >> shift;

			if (filter[bit / 64] >> bit % 64 & 1)
				look_up(s, p + i, key);
			if (n - i == NEEDLE)
				return;
			if (!is_digit[p[i + NEEDLE]])
				break;
			i++;
		}
		i += NEEDLE + 1;
		if (i > n)
			return;
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

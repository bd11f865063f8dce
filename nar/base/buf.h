/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/buf.h: growing byte strings with a maximum from birth, and lists of strings.
 *
 *	scoped_buf struct buf b = BUF_INIT(MAX);
 *	if (buf_addf(&b, "%s-%u", name, n, e) < 0) ...
 *
 * Bytes may hold NULs; there is always one more after the last (not counted), so `data` is a C
 * string where the contents have none. Growing past the maximum is ERR_LIMIT, not a bigger buffer:
 * what feeds it is a stranger's.
 */
#ifndef NAR_BASE_BUF_H
#define NAR_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "nar/base/err.h"

struct buf {
	char *data;       /* never NULL after the first append; NULL before */
	size_t len;       /* bytes used */
	size_t cap;       /* bytes allocated */
	size_t max_bytes; /* len may not pass this */
};

#define BUF_INIT(max)             \
	{                         \
		NULL, 0, 0, (max) \
	}

void buf_done(struct buf *b);
static inline void buf_reset(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}
/* Make room for N more bytes without changing the length. */
int buf_reserve(struct buf *b, size_t n, struct err *e) MUST_CHECK;
int buf_add(struct buf *b, const void *data, size_t n, struct err *e) MUST_CHECK;
int buf_addc(struct buf *b, char c, struct err *e) MUST_CHECK;
int buf_adds(struct buf *b, const char *s, struct err *e) MUST_CHECK;
int buf_addf(struct buf *b, struct err *e, const char *fmt, ...) MUST_CHECK PRINTF_LIKE(3, 4);
/* Read FD to its end into B; PATH is for the message. Too long: ERR_LIMIT. */
int buf_read_fd(struct buf *b, int fd, const char *path, struct err *e) MUST_CHECK;
/* The contents as a heap string of the caller's; B is empty after. Never NULL without *E. */
char *buf_steal(struct buf *b, struct err *e) MUST_CHECK;

static inline void scope_buf(struct buf *b)
{
	buf_done(b);
}
#define scoped_buf __attribute__((cleanup(scope_buf), unused))

/* Bytes that belong to somebody else; no NUL is promised after them. */
struct bytes {
	const char *data;
	size_t len;
};

/* A list of heap strings that it owns. */
struct strv {
	char **items; /* n of them; items[n] is NULL, so it can be an argv. NULL while empty. */
	size_t n;
	size_t cap;
};

#define STRV_INIT          \
	{                  \
		NULL, 0, 0 \
	}

void strv_done(struct strv *v);
/* Append a copy of S (of the LEN bytes at S). */
int strv_add(struct strv *v, const char *s, struct err *e) MUST_CHECK;
int strv_addn(struct strv *v, const char *s, size_t len, struct err *e) MUST_CHECK;
/* Append S itself, which is freed on failure too. A NULL S is ERR_MEMORY unless *E is set. */
int strv_take(struct strv *v, char *s, struct err *e) MUST_CHECK;
int strv_addf(struct strv *v, struct err *e, const char *fmt, ...) MUST_CHECK PRINTF_LIKE(3, 4);
/* Append a copy of all of FROM. */
int strv_copy(struct strv *v, const struct strv *from, struct err *e) MUST_CHECK;
/* Append the words of S, which are separated by any of the bytes in SEPS. */
int strv_split(struct strv *v, const char *s, const char *seps, struct err *e) MUST_CHECK;
/* Sort by byte values; drop equal neighbours of a sorted list. */
void strv_sort(struct strv *v);
void strv_uniq(struct strv *v);
/* Take the first that equals S out; the others keep their order. */
void strv_remove(struct strv *v, const char *s);
bool strv_has(const struct strv *v, const char *s);
/* The same for a sorted list, by bisection. */
bool strv_has_sorted(const struct strv *v, const char *s);

static inline void scope_strv(struct strv *v)
{
	strv_done(v);
}
#define scoped_strv __attribute__((cleanup(scope_strv), unused))

/* Heap copies with the error in *E; NULL only with *E set. */
char *str_dup(const char *s, struct err *e) MUST_CHECK;
char *str_ndup(const char *s, size_t n, struct err *e) MUST_CHECK;
char *str_fmt(struct err *e, const char *fmt, ...) MUST_CHECK PRINTF_LIKE(2, 3);
/* N objects of SIZE bytes, zeroed; checks the product. */
void *mem_new(size_t n, size_t size, struct err *e) MUST_CHECK;
/*
 * N bytes, not zeroed: for buffers of which little is touched, as each touched page costs a fault.
 */
void *mem_bytes(size_t n, struct err *e) MUST_CHECK;
/*
 * Grow the array *P of objects of SIZE bytes so that it holds at least NEED; *CAP is its capacity.
 */
int mem_grow(void *p, size_t *cap, size_t need, size_t size, struct err *e) MUST_CHECK;

static inline bool str_starts(const char *s, const char *prefix)
{
	return __builtin_strncmp(s, prefix, __builtin_strlen(prefix)) == 0;
}
bool str_ends(const char *s, const char *suffix);
static inline bool str_eq(const char *a, const char *b)
{
	return __builtin_strcmp(a, b) == 0;
}
/* What follows the last '/' of PATH. */
const char *str_base(const char *path);

/*
 * The length of the UTF-8 sequence at P, of whose bytes MAX may be read; 0 if there is none:
 * overlong, a surrogate, beyond U+10FFFF or cut off (RFC 3629, section 4). MAX is at least 1.
 */
size_t utf8_len(const char *p, size_t max);
/* All of S is UTF-8. */
bool str_is_utf8(const char *s);

/*
 * A decimal number without sign, blanks or empty text, of at most MAX. False if it is not one.
 * LEN bytes at S.
 */
bool num_parse_u64(const char *s, size_t len, uint64_t max, uint64_t *ret);

#endif

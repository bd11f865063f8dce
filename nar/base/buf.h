/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/buf.h: byte strings that grow up to a maximum given at the start, and lists of strings.
 *
 *	scoped_buf struct buf b = BUF_INIT(MAX);
 *	if (buf_addf(&b, e, "%s-%u", name, n) < 0) ...
 *
 * The contents may contain NULs. One more NUL, which `len` does not count, follows them, so that
 * `data` is a C string if the contents contain none. Growing past the maximum is ERR_LIMIT, because
 * the bytes often come from strangers.
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
/* Append all of FD up to its end to B. More than B's maximum is ERR_LIMIT. PATH is for messages. */
int buf_read_fd(struct buf *b, int fd, const char *path, struct err *e) MUST_CHECK;
/*
 * Hand the contents to the caller as a heap string and leave B empty.
 * Returns NULL with *E set if memory is short.
 */
char *buf_steal(struct buf *b, struct err *e) MUST_CHECK;

static inline void scope_buf(struct buf *b)
{
	buf_done(b);
}
#define scoped_buf __attribute__((cleanup(scope_buf), unused))

/* Bytes that something else owns. No NUL need follow them. */
struct bytes {
	const char *data;
	size_t len;
};

/* A list of heap strings that it owns. */
struct strv {
	char **items; /* n strings and a NULL, as for an argv; NULL before the first append */
	size_t n;
	size_t cap;
};

#define STRV_INIT          \
	{                  \
		NULL, 0, 0 \
	}

void strv_done(struct strv *v);
/* Append a copy of S. */
int strv_add(struct strv *v, const char *s, struct err *e) MUST_CHECK;
/* Append a copy of the LEN bytes at S. */
int strv_addn(struct strv *v, const char *s, size_t len, struct err *e) MUST_CHECK;
/*
 * Append S itself, which V owns from then on; on failure S is freed. S may be the result of a
 * failed allocation: NULL fails with *E, set to ERR_MEMORY unless *E is set already.
 */
int strv_take(struct strv *v, char *s, struct err *e) MUST_CHECK;
int strv_addf(struct strv *v, struct err *e, const char *fmt, ...) MUST_CHECK PRINTF_LIKE(3, 4);
/* Append a copy of all of FROM. */
int strv_copy(struct strv *v, const struct strv *from, struct err *e) MUST_CHECK;
/* Append the words of S, which are separated by any of the bytes in SEPS. */
int strv_split(struct strv *v, const char *s, const char *seps, struct err *e) MUST_CHECK;
/* Sort by byte values. */
void strv_sort(struct strv *v);
/* Remove repeated strings from a sorted list. */
void strv_uniq(struct strv *v);
/* Remove the first string that equals S. The others keep their order. */
void strv_remove(struct strv *v, const char *s);
bool strv_has(const struct strv *v, const char *s);
/* Tell whether the sorted list V contains S, by bisection. */
bool strv_has_sorted(const struct strv *v, const char *s);

static inline void scope_strv(struct strv *v)
{
	strv_done(v);
}
#define scoped_strv __attribute__((cleanup(scope_strv), unused))

/*
 * Make a heap string: a copy, or formatted text.
 * Returns NULL with *E set if memory is short.
 */
char *str_dup(const char *s, struct err *e) MUST_CHECK;
char *str_ndup(const char *s, size_t n, struct err *e) MUST_CHECK;
char *str_fmt(struct err *e, const char *fmt, ...) MUST_CHECK PRINTF_LIKE(2, 3);
/* Allocate N zeroed objects of SIZE bytes. A product that overflows is an error. NULL: *E. */
void *mem_new(size_t n, size_t size, struct err *e) MUST_CHECK;
/*
 * Allocate N bytes without zeroing them. For buffers of which often little is used: each page that
 * is touched costs a page fault. NULL: *E.
 */
void *mem_bytes(size_t n, struct err *e) MUST_CHECK;
/* Grow the array *P, of capacity *CAP, so that it has room for NEED objects of SIZE bytes. */
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
/* Return the part of PATH after its last '/', or PATH if it contains none. */
const char *str_base(const char *path);

/*
 * Measure the UTF-8 sequence at P, of which MAX bytes, at least 1, may be read.
 * Returns its length, or 0 if it is invalid: overlong, a surrogate, beyond U+10FFFF or cut off (RFC
 * 3629, section 4).
 */
size_t utf8_len(const char *p, size_t max);
/* Tell whether all of S is UTF-8. */
bool str_is_utf8(const char *s);

/*
 * Parse the LEN bytes at S as a decimal number of at most MAX: one digit or more, nothing else.
 * Returns false, with *RET unchanged, if they are not such a number.
 */
bool num_parse_u64(const char *s, size_t len, uint64_t max, uint64_t *ret);

#endif

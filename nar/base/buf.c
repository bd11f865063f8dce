/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define BUF_FIRST_BYTES 64
#define BUF_READ_BYTES 16384

void buf_done(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}

int buf_reserve(struct buf *b, size_t n, struct err *e)
{
	size_t need, cap;
	char *p;

	if (n > b->max_bytes - b->len)
		return err_set(e, ERR_LIMIT, "larger than the limit of %zu bytes", b->max_bytes);
	if (__builtin_add_overflow(b->len, n, &need) || __builtin_add_overflow(need, 1, &need))
		return err_memory(e);
	if (need <= b->cap)
		return 0;
	cap = b->cap ? b->cap : BUF_FIRST_BYTES;
	while (cap < need)
		if (__builtin_mul_overflow(cap, 2, &cap))
			return err_memory(e);
	p = realloc(b->data, cap);
	if (!p)
		return err_memory(e);
	b->data = p;
	b->cap = cap;
	b->data[b->len] = '\0';
	return 0;
}

int buf_add(struct buf *b, const void *data, size_t n, struct err *e)
{
	if (buf_reserve(b, n, e) < 0)
		return -1;
	if (n)
		memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int buf_addc(struct buf *b, char c, struct err *e)
{
	return buf_add(b, &c, 1, e);
}

int buf_adds(struct buf *b, const char *s, struct err *e)
{
	return buf_add(b, s, strlen(s), e);
}

int buf_addf(struct buf *b, struct err *e, const char *fmt, ...)
{
	va_list ap;
	int n, m;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return err_set(e, ERR_SYSTEM, "cannot format a string");
	if (buf_reserve(b, (size_t)n, e) < 0)
		return -1;
	va_start(ap, fmt);
	m = vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	assert(m == n);
	b->len += (size_t)n;
	return 0;
}

int buf_read_fd(struct buf *b, int fd, const char *path, struct err *e)
{
	for (;;) {
		size_t room = b->max_bytes - b->len;
		ssize_t n;

		if (room > BUF_READ_BYTES)
			room = BUF_READ_BYTES;
		if (room == 0) {
			/* The buffer is full: only the end may follow. */
			char one;
			n = read(fd, &one, 1);
			if (n == 0)
				return 0;
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return err_sys(e, "reading '%s'", path);
			return err_set(e, ERR_LIMIT, "'%s' is larger than the limit of %zu bytes",
				       path, b->max_bytes);
		}
		if (buf_reserve(b, room, e) < 0)
			return -1;
		n = read(fd, b->data + b->len, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "reading '%s'", path);
		b->len += (size_t)n;
		b->data[b->len] = '\0';
		if (n == 0)
			return 0;
	}
}

char *buf_steal(struct buf *b, struct err *e)
{
	if (!b->data && buf_reserve(b, 0, e) < 0)
		return NULL;
	b->len = b->cap = 0;
	return TAKE(b->data, NULL);
}

void strv_done(struct strv *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->items[i]);
	free(v->items);
	v->items = NULL;
	v->n = v->cap = 0;
}

int strv_take(struct strv *v, char *s, struct err *e)
{
	if (!s)
		return err_is_set(e) ? -1 : err_memory(e);
	if (mem_grow(&v->items, &v->cap, v->n + 2, sizeof *v->items, e) < 0) {
		free(s);
		return -1;
	}
	v->items[v->n++] = s;
	v->items[v->n] = NULL;
	return 0;
}

int strv_add(struct strv *v, const char *s, struct err *e)
{
	return strv_take(v, str_dup(s, e), e);
}

int strv_addn(struct strv *v, const char *s, size_t len, struct err *e)
{
	return strv_take(v, str_ndup(s, len, e), e);
}

int strv_addf(struct strv *v, struct err *e, const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return strv_take(v, n < 0 ? NULL : s, e);
}

int strv_copy(struct strv *v, const struct strv *from, struct err *e)
{
	for (size_t i = 0; i < from->n; i++)
		if (strv_add(v, from->items[i], e) < 0)
			return -1;
	return 0;
}

int strv_split(struct strv *v, const char *s, const char *seps, struct err *e)
{
	for (s += strspn(s, seps); *s; s += strspn(s, seps)) {
		size_t n = strcspn(s, seps);
		if (strv_addn(v, s, n, e) < 0)
			return -1;
		s += n;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *v)
{
	if (v->n > 1)
		qsort(v->items, v->n, sizeof *v->items, compare);
}

void strv_uniq(struct strv *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < v->n; i++) {
		if (kept && str_eq(v->items[kept - 1], v->items[i]))
			free(v->items[i]);
		else
			v->items[kept++] = v->items[i];
	}
	v->n = kept;
	if (v->items)
		v->items[kept] = NULL;
}

void strv_remove(struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->n; i++)
		if (str_eq(v->items[i], s)) {
			free(v->items[i]);
			/* The last item moved is the NULL. */
			memmove(&v->items[i], &v->items[i + 1], (v->n - i) * sizeof *v->items);
			v->n--;
			return;
		}
}

bool strv_has(const struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->n; i++)
		if (str_eq(v->items[i], s))
			return true;
	return false;
}

bool strv_has_sorted(const struct strv *v, const char *s)
{
	return v->n && bsearch(&s, v->items, v->n, sizeof *v->items, compare) != NULL;
}

char *str_dup(const char *s, struct err *e)
{
	return str_ndup(s, strlen(s), e);
}

char *str_ndup(const char *s, size_t n, struct err *e)
{
	char *p = malloc(n + 1);

	if (!p) {
		err_memory(e);
		return NULL;
	}
	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *str_fmt(struct err *e, const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0) {
		err_memory(e);
		return NULL;
	}
	return s;
}

void *mem_new(size_t n, size_t size, struct err *e)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		err_memory(e);
	return p;
}

void *mem_bytes(size_t n, struct err *e)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		err_memory(e);
	return p;
}

int mem_grow(void *p, size_t *cap, size_t need, size_t size, struct err *e)
{
	size_t want = *cap ? *cap : 8, total;
	void *q;

	if (need <= *cap)
		return 0;
	while (want < need)
		if (__builtin_mul_overflow(want, 2, &want))
			return err_memory(e);
	if (__builtin_mul_overflow(want, size, &total))
		return err_memory(e);
	memcpy(&q, p, sizeof q);
	q = realloc(q, total);
	if (!q)
		return err_memory(e);
	memcpy(p, &q, sizeof q);
	*cap = want;
	return 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

const char *str_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

size_t utf8_len(const char *text, size_t max)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	if (p[0] == 0xed)
		high = 0x9f;
	if (p[0] == 0xf0)
		low = 0x90;
	if (p[0] == 0xf4)
		high = 0x8f;
	if (n > max || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return n;
}

bool str_is_utf8(const char *s)
{
	const char *end = s + strlen(s);

	while (s < end) {
		const size_t n = utf8_len(s, (size_t)(end - s));

		if (!n)
			return false;
		s += n;
	}
	return true;
}

bool num_parse_u64(const char *s, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return false;
	}
	if (v > max)
		return false;
	*ret = v;
	return true;
}

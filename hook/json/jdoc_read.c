/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/json/jdoc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/json/jdoc_internal.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

struct reader {
	const char *start, *p, *end;
	size_t n_values;
};

static int refuse(const struct reader *r, const char *what, struct err *e)
{
	return err_set(e, ERR_INPUT, "%s at byte %zu of the JSON text", what,
		       (size_t)(r->p - r->start));
}

static void skip_blanks(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
		r->p++;
}

static bool next_is(const struct reader *r, char c)
{
	return r->p < r->end && *r->p == c;
}

static bool is_digit(const struct reader *r)
{
	return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static int read_word(struct reader *r, const char *word, struct err *e)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return refuse(r, "unknown word", e);
	r->p += n;
	return 0;
}

static int read_hex4(struct reader *r, uint32_t *ret, struct err *e)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++) {
		char c = r->p < r->end ? *r->p : '\0';

		if (c >= '0' && c <= '9')
			v = v * 16 + (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v * 16 + (uint32_t)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			v = v * 16 + (uint32_t)(c - 'A' + 10);
		else
			return refuse(r, "\\u without four hexadecimal digits", e);
		r->p++;
	}
	*ret = v;
	return 0;
}

static int add_code_point(struct buf *b, uint32_t c, struct err *e)
{
	char utf8[4];
	size_t n;

	if (c < 0x80) {
		utf8[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		utf8[0] = (char)(0xc0 | c >> 6);
		n = 2;
	} else if (c < 0x10000) {
		utf8[0] = (char)(0xe0 | c >> 12);
		n = 3;
	} else {
		utf8[0] = (char)(0xf0 | c >> 18);
		n = 4;
	}
	for (size_t i = 1; i < n; i++)
		utf8[i] = (char)(0x80 | (c >> (6 * (n - 1 - i)) & 0x3f));
	return buf_add(b, utf8, n, e);
}

/* Read the code point after "\u", and append it to B. */
static int read_code_point(struct reader *r, struct buf *b, struct err *e)
{
	uint32_t c, low;

	if (read_hex4(r, &c, e) < 0)
		return -1;
	if (c >= 0xdc00 && c <= 0xdfff)
		return refuse(r, "a low surrogate on its own", e);
	if (c >= 0xd800 && c <= 0xdbff) {
		if (r->end - r->p < 2 || r->p[0] != '\\' || r->p[1] != 'u')
			return refuse(r, "a high surrogate on its own", e);
		r->p += 2;
		if (read_hex4(r, &low, e) < 0)
			return -1;
		if (low < 0xdc00 || low > 0xdfff)
			return refuse(r, "a high surrogate on its own", e);
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	return add_code_point(b, c, e);
}

/* Read the escape after the backslash, and append its character to B. */
static int read_escape(struct reader *r, struct buf *b, struct err *e)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (r->p == r->end)
		return refuse(r, "a string without end", e);
	if (*r->p == 'u') {
		r->p++;
		return read_code_point(r, b, e);
	}
	at = memchr(names, *r->p, sizeof names - 1);
	if (!at)
		return refuse(r, "unknown escape", e);
	r->p++;
	return buf_addc(b, values[at - names], e);
}

/* Read a string after its opening quote. *RET: heap, with a NUL after its *RET_LEN bytes. */
static int read_string(struct reader *r, char **ret, size_t *ret_len, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT((size_t)(r->end - r->p));
	size_t len;
	char *s;

	if (buf_reserve(&b, 0, e) < 0)
		return -1;
	for (;;) {
		const char *from = r->p;

		while (r->p < r->end && *r->p != '"' && *r->p != '\\') {
			size_t n = utf8_len(r->p, (size_t)(r->end - r->p));

			if (n == 0)
				return refuse(r, "invalid UTF-8", e);
			if ((unsigned char)*r->p < 0x20)
				return refuse(r, "a control character in a string", e);
			r->p += n;
		}
		if (buf_add(&b, from, (size_t)(r->p - from), e) < 0)
			return -1;
		if (r->p == r->end)
			return refuse(r, "a string without end", e);
		if (*r->p++ == '"')
			break;
		if (read_escape(r, &b, e) < 0)
			return -1;
	}
	len = b.len;
	s = buf_steal(&b, e);
	if (!s)
		return -1;
	*ret = s;
	*ret_len = len;
	return 0;
}

static bool parse_natural(const char *s, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len; i++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return false;
	*ret = v;
	return v <= max;
}

/*
 * Read a number from FROM on that is not whole or does not fit 64 bits. The program calls no
 * setlocale(3), so the decimal point of sscanf(3) is '.'.
 */
static int read_float(const struct reader *r, const char *from, struct jdoc *ret, struct err *e)
{
	scoped_free char *text = str_ndup(from, (size_t)(r->p - from), e);
	double v;

	if (!text)
		return -1;
	if (sscanf(text, "%lf", &v) != 1 || !isfinite(v))
		return refuse(r, "a number that is too large", e);
	*ret = (struct jdoc){.type = JDOC_FLOAT, .real = v};
	return 0;
}

static int read_digits(struct reader *r, struct err *e)
{
	if (!is_digit(r))
		return refuse(r, "a number without digits", e);
	while (is_digit(r))
		r->p++;
	return 0;
}

static int read_number(struct reader *r, struct jdoc *ret, struct err *e)
{
	const char *from = r->p;
	bool negative = next_is(r, '-'), whole = true;
	uint64_t v;

	if (negative)
		r->p++;
	if (next_is(r, '0'))
		r->p++; /* a digit after the 0 is refused where the next token is read */
	else if (read_digits(r, e) < 0)
		return -1;
	if (next_is(r, '.')) {
		whole = false;
		r->p++;
		if (read_digits(r, e) < 0)
			return -1;
	}
	if (next_is(r, 'e') || next_is(r, 'E')) {
		whole = false;
		r->p++;
		if (next_is(r, '+') || next_is(r, '-'))
			r->p++;
		if (read_digits(r, e) < 0)
			return -1;
	}
	if (whole && !negative && parse_natural(from, (size_t)(r->p - from), UINT64_MAX, &v)) {
		*ret = jdoc_natural(v);
		return 0;
	}
	if (whole && negative &&
	    parse_natural(from + 1, (size_t)(r->p - from - 1), (uint64_t)INT64_MAX + 1, &v)) {
		*ret = (struct jdoc){.type = JDOC_INT, .integer = (int64_t)(0 - v)};
		return 0;
	}
	return read_float(r, from, ret, e);
}

static int read_value(struct reader *r, unsigned depth, struct jdoc *ret, struct err *e);

/* Read an array after its '['. RET is an empty array; on failure it keeps what was read. */
static int read_array(struct reader *r, unsigned depth, struct jdoc *ret, struct err *e)
{
	skip_blanks(r);
	if (next_is(r, ']')) {
		r->p++;
		return 0;
	}
	for (;;) {
		scoped_jdoc struct jdoc v = JDOC_INIT;

		if (read_value(r, depth, &v, e) < 0 || jdoc_append(ret, &v, e) < 0)
			return -1;
		skip_blanks(r);
		if (next_is(r, ']'))
			break;
		if (!next_is(r, ','))
			return refuse(r, "expected ',' or ']'", e);
		r->p++;
	}
	r->p++;
	return 0;
}

static int read_member(struct reader *r, unsigned depth, struct jdoc *object, struct err *e)
{
	struct jdoc_member *m;

	skip_blanks(r);
	if (!next_is(r, '"'))
		return refuse(r, "expected a key", e);
	r->p++;
	if (mem_grow(&object->object.members, &object->object.cap, object->object.n + 1,
		     sizeof *object->object.members, e) < 0)
		return -1;
	m = &object->object.members[object->object.n];
	*m = (struct jdoc_member){NULL, 0, object->object.n, JDOC_INIT};
	if (read_string(r, &m->key, &m->key_len, e) < 0)
		return -1;
	object->object.n++;
	skip_blanks(r);
	if (!next_is(r, ':'))
		return refuse(r, "expected ':'", e);
	r->p++;
	return read_value(r, depth, &m->value, e);
}

static int member_cmp(const void *pa, const void *pb)
{
	const struct jdoc_member *a = pa, *b = pb;
	int c = jdoc_key_cmp(a->key, a->key_len, b->key, b->key_len);

	return c ? c : (a->position > b->position) - (a->position < b->position);
}

/* Sort the members by key; of equal keys only the last stays. */
static void sort_members(struct jdoc *object)
{
	struct jdoc_member *m = object->object.members;
	size_t n = 0;

	if (object->object.n < 2)
		return;
	qsort(m, object->object.n, sizeof *m, member_cmp);
	for (size_t i = 1; i < object->object.n; i++) {
		if (jdoc_key_cmp(m[n].key, m[n].key_len, m[i].key, m[i].key_len) == 0)
			jdoc_member_done(&m[n]);
		else
			n++;
		if (n != i)
			m[n] = m[i];
	}
	object->object.n = n + 1;
}

/* Read an object after its '{'. RET is an empty object. */
static int read_object(struct reader *r, unsigned depth, struct jdoc *ret, struct err *e)
{
	skip_blanks(r);
	if (next_is(r, '}')) {
		r->p++;
		return 0;
	}
	for (;;) {
		if (read_member(r, depth, ret, e) < 0)
			return -1;
		skip_blanks(r);
		if (next_is(r, '}'))
			break;
		if (!next_is(r, ','))
			return refuse(r, "expected ',' or '}'", e);
		r->p++;
	}
	r->p++;
	sort_members(ret);
	return 0;
}

static int read_container(struct reader *r, unsigned depth, struct jdoc *ret, struct err *e)
{
	if (depth == JDOC_DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "JSON is nested deeper than %d", JDOC_DEPTH_MAX);
	if (*r->p++ == '[') {
		*ret = jdoc_array();
		return read_array(r, depth + 1, ret, e);
	}
	*ret = jdoc_object();
	return read_object(r, depth + 1, ret, e);
}

/* Read a value into RET, which is null. On failure RET keeps what was read; the caller frees it. */
static int read_value(struct reader *r, unsigned depth, struct jdoc *ret, struct err *e)
{
	skip_blanks(r);
	if (r->p == r->end)
		return refuse(r, "unexpected end", e);
	if (++r->n_values > JDOC_VALUES_MAX)
		return err_set(e, ERR_LIMIT, "JSON has more than %u values", JDOC_VALUES_MAX);
	switch (*r->p) {
	case '{':
	case '[':
		return read_container(r, depth, ret, e);
	case '"':
		r->p++;
		ret->type = JDOC_STRING;
		ret->string.data = NULL;
		return read_string(r, &ret->string.data, &ret->string.len, e);
	case 'n':
		return read_word(r, "null", e);
	case 't':
		*ret = jdoc_bool(true);
		return read_word(r, "true", e);
	case 'f':
		*ret = jdoc_bool(false);
		return read_word(r, "false", e);
	default:
		if (*r->p != '-' && !is_digit(r))
			return refuse(r, "unexpected character", e);
		return read_number(r, ret, e);
	}
}

int jdoc_parse(const char *text, size_t len, struct jdoc *ret, struct err *e)
{
	struct reader r = {text, text, text + len, 0};
	scoped_jdoc struct jdoc v = JDOC_INIT;

	if (read_value(&r, 0, &v, e) < 0)
		return -1;
	skip_blanks(&r);
	if (r.p < r.end)
		return refuse(&r, "text after the end", e);
	*ret = v;
	v = (struct jdoc)JDOC_INIT;
	return 0;
}

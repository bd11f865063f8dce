/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "specgen/json.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "nar/base/banned.h"

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put(struct jw *w, const char *s, size_t n)
{
	if (!w->failed && buf_add(w->b, s, n, w->e) < 0)
		w->failed = true;
}

static void puts_(struct jw *w, const char *s)
{
	put(w, s, strlen(s));
}

static bool on_one_line(const struct jw *w)
{
	return w->inline_depth && w->depth >= w->inline_depth;
}

static void new_line(struct jw *w)
{
	static const char blanks[] =
		"                                                                ";

	static_assert(sizeof blanks > 4 * JW_DEPTH_MAX, "indentation of the deepest level");
	put(w, "\n", 1);
	put(w, blanks, 4 * (size_t)w->depth);
}

bool text_is_utf8(const char *s, size_t len)
{
	const char *p = s, *end = s + len;

	while (p < end) {
		size_t n = *p ? utf8_len(p, (size_t)(end - p)) : 0;
		if (n == 0)
			return false;
		p += n;
	}
	return true;
}

static void put_escape(struct jw *w, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *at = memchr(plain, c, sizeof plain - 1);

	if (at) {
		char two[2] = {'\\', letters[at - plain]};
		put(w, two, sizeof two);
	} else {
		char six[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
		put(w, six, sizeof six);
	}
}

static void put_quoted(struct jw *w, const char *s, size_t len)
{
	const char *p = s, *end = s + len;

	put(w, "\"", 1);
	while (p < end) {
		const char *run = p;
		while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
			p++;
		put(w, run, (size_t)(p - run));
		if (p < end)
			put_escape(w, (unsigned char)*p++);
	}
	put(w, "\"", 1);
}

/* Print what precedes a value: comma, new line, key. */
static void before(struct jw *w, const char *key)
{
	assert(w->depth == 0 || (key != NULL) == (w->closers[w->depth - 1] == '}'));
	if (!w->empty)
		put(w, on_one_line(w) ? ", " : ",", on_one_line(w) ? 2 : 1);
	if (w->depth && !on_one_line(w))
		new_line(w);
	w->empty = false;
	if (key) {
		put(w, "\"", 1);
		puts_(w, key);
		put(w, "\": ", 3);
	}
}

static void open_(struct jw *w, const char *key, char opener, char closer, bool one_line)
{
	assert(w->depth < JW_DEPTH_MAX);
	before(w, key);
	put(w, &opener, 1);
	w->closers[w->depth++] = closer;
	if (one_line && !on_one_line(w))
		w->inline_depth = w->depth;
	w->empty = true;
}

void jw_object(struct jw *w, const char *key)
{
	open_(w, key, '{', '}', false);
}

void jw_array(struct jw *w, const char *key)
{
	open_(w, key, '[', ']', false);
}

void jw_inline_object(struct jw *w, const char *key)
{
	open_(w, key, '{', '}', true);
}

void jw_inline_array(struct jw *w, const char *key)
{
	open_(w, key, '[', ']', true);
}

void jw_end(struct jw *w)
{
	bool one_line = on_one_line(w);

	assert(w->depth > 0);
	if (w->inline_depth == w->depth)
		w->inline_depth = 0;
	w->depth--;
	if (!w->empty && !one_line)
		new_line(w);
	put(w, &w->closers[w->depth], 1);
	w->empty = false;
}

void jw_string(struct jw *w, const char *key, const char *s)
{
	size_t len = strlen(s);

	if (w->failed)
		return;
	if (!text_is_utf8(s, len)) {
		err_set(w->e, ERR_INPUT, "'%s' is not UTF-8, and JSON cannot hold it", s);
		w->failed = true;
		return;
	}
	before(w, key);
	put_quoted(w, s, len);
}

void jw_u64(struct jw *w, const char *key, uint64_t v)
{
	char text[24];
	size_t at = sizeof text;

	do
		text[--at] = (char)('0' + v % 10);
	while (v /= 10);
	before(w, key);
	put(w, text + at, sizeof text - at);
}

void jw_bool(struct jw *w, const char *key, bool v)
{
	before(w, key);
	puts_(w, v ? "true" : "false");
}

void jw_null(struct jw *w, const char *key)
{
	before(w, key);
	puts_(w, "null");
}

void jw_strings(struct jw *w, const char *key, ...)
{
	va_list ap;

	jw_inline_array(w, key);
	va_start(ap, key);
	for (const char *s; (s = va_arg(ap, const char *));)
		jw_string(w, NULL, s);
	va_end(ap);
	jw_end(w);
}

static void put_base64(struct jw *w, const char *data, size_t len)
{
	const unsigned char *p = (const unsigned char *)data;

	put(w, "\"", 1);
	for (; len > 0; p += 3) {
		size_t n = len < 3 ? len : 3;
		unsigned bits = (unsigned)p[0] << 16 | (n > 1 ? (unsigned)p[1] << 8 : 0) |
				(n > 2 ? p[2] : 0);
		char four[4] = {digits64[bits >> 18], digits64[bits >> 12 & 63],
				n > 1 ? digits64[bits >> 6 & 63] : '=',
				n > 2 ? digits64[bits & 63] : '='};
		put(w, four, sizeof four);
		len -= n;
	}
	put(w, "\"", 1);
}

static void base64_object(struct jw *w, const char *key, const char *data, size_t len)
{
	jw_inline_object(w, key);
	before(w, "base64");
	put_base64(w, data, len);
	jw_end(w);
}

void jw_bytes(struct jw *w, const char *key, const char *data, size_t len)
{
	if (!text_is_utf8(data, len)) {
		base64_object(w, key, data, len);
		return;
	}
	jw_inline_object(w, key);
	before(w, "text");
	put_quoted(w, data, len);
	jw_end(w);
}

void jw_bstring(struct jw *w, const char *key, const char *s)
{
	size_t len = strlen(s);

	if (!text_is_utf8(s, len)) {
		base64_object(w, key, s, len);
		return;
	}
	before(w, key);
	put_quoted(w, s, len);
}

int jw_done(struct jw *w)
{
	assert(w->depth == 0 || w->failed);
	put(w, "\n", 1);
	return w->failed ? -1 : 0;
}

/* Returns the value of a base64 digit; -1: C is none. */
static int digit_value(char c)
{
	const char *at = c ? strchr(digits64, c) : NULL;

	return at ? (int)(at - digits64) : -1;
}

bool text_from_base64(const char *s, struct buf *b, struct err *e)
{
	size_t len = strlen(s);

	if (len % 4 != 0 || buf_reserve(b, len / 4 * 3, e) < 0)
		return false;
	for (const char *p = s, *end = s + len; p < end; p += 4) {
		bool last = p + 4 == end;
		size_t pad = last && p[3] == '=' ? (p[2] == '=' ? 2 : 1) : 0;
		unsigned bits = 0;

		for (size_t i = 0; i < 4; i++) {
			int v = i < 4 - pad ? digit_value(p[i]) : 0;
			if (v < 0)
				return false;
			bits = bits << 6 | (unsigned)v;
		}
		/* The bits beyond the last byte must be zero. */
		if ((pad == 1 && (bits & 0xff)) || (pad == 2 && (bits & 0xffff)))
			return false;
		char three[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
		if (buf_add(b, three, 3 - pad, e) < 0)
			return false;
	}
	return true;
}

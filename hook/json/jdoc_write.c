/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/json/jdoc.h"

#include <inttypes.h>

#include "nar/base/banned.h"

/* Return the letter that escapes the byte C, as in "\n". 0: no single letter does. */
static char escape_letter(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

static int write_string(const char *s, size_t len, struct buf *b, struct err *e)
{
	size_t from = 0;

	if (buf_addc(b, '"', e) < 0)
		return -1;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		char letter = escape_letter(c);

		if (!letter && c >= 0x20)
			continue;
		if (buf_add(b, s + from, i - from, e) < 0)
			return -1;
		if ((letter ? buf_addf(b, e, "\\%c", letter) : buf_addf(b, e, "\\u%04x", c)) < 0)
			return -1;
		from = i + 1;
	}
	if (buf_add(b, s + from, len - from, e) < 0)
		return -1;
	return buf_addc(b, '"', e);
}

static int write_array(const struct jdoc *v, struct buf *b, struct err *e)
{
	if (buf_addc(b, '[', e) < 0)
		return -1;
	for (size_t i = 0; i < v->array.n; i++) {
		if (i && buf_addc(b, ',', e) < 0)
			return -1;
		if (jdoc_print(&v->array.items[i], b, e) < 0)
			return -1;
	}
	return buf_addc(b, ']', e);
}

static int write_object(const struct jdoc *v, struct buf *b, struct err *e)
{
	if (buf_addc(b, '{', e) < 0)
		return -1;
	for (size_t i = 0; i < v->object.n; i++) {
		const struct jdoc_member *m = &v->object.members[i];

		if (i && buf_addc(b, ',', e) < 0)
			return -1;
		if (write_string(m->key, m->key_len, b, e) < 0 || buf_addc(b, ':', e) < 0 ||
		    jdoc_print(&m->value, b, e) < 0)
			return -1;
	}
	return buf_addc(b, '}', e);
}

int jdoc_print(const struct jdoc *v, struct buf *b, struct err *e)
{
	char number[JDOC_FLOAT_MAX];

	switch (v->type) {
	case JDOC_NULL:
		return buf_adds(b, "null", e);
	case JDOC_BOOL:
		return buf_adds(b, v->boolean ? "true" : "false", e);
	case JDOC_INT:
		return buf_addf(b, e, "%" PRId64, v->integer);
	case JDOC_UINT:
		return buf_addf(b, e, "%" PRIu64, v->natural);
	case JDOC_FLOAT:
		jdoc_float_text(v->real, number);
		return buf_adds(b, number, e);
	case JDOC_STRING:
		return write_string(v->string.data, v->string.len, b, e);
	case JDOC_ARRAY:
		return write_array(v, b, e);
	case JDOC_OBJECT:
		return write_object(v, b, e);
	}
	return err_set(e, ERR_INPUT, "unknown kind of JSON value");
}

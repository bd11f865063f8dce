/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/drv/attrs.h"

#include <math.h>
#include <string.h>

#include "nar/base/banned.h"

static int shell_quote(const char *s, size_t len, struct buf *b, struct err *e)
{
	const char *end = s + len, *quote;

	if (buf_addc(b, '\'', e) < 0)
		return -1;
	while ((quote = memchr(s, '\'', (size_t)(end - s)))) {
		if (buf_add(b, s, (size_t)(quote - s), e) < 0 || buf_adds(b, "'\\''", e) < 0)
			return -1;
		s = quote + 1;
	}
	if (buf_add(b, s, (size_t)(end - s), e) < 0)
		return -1;
	return buf_addc(b, '\'', e);
}

static bool is_simple(const struct jdoc *v)
{
	switch (v->type) {
	case JDOC_NULL:
	case JDOC_BOOL:
	case JDOC_INT:
	case JDOC_UINT:
	case JDOC_STRING:
		return true;
	case JDOC_FLOAT:
		/* Nix compares it as a float, of which 24 bits count. */
		return ceilf((float)v->real) == (float)v->real;
	case JDOC_ARRAY:
	case JDOC_OBJECT:
		break;
	}
	return false;
}

/* Convert V to int as x86 does: a value out of range becomes the smallest int. */
static int32_t float_to_int(double v)
{
	return v > -2147483649.0 && v < 2147483648.0 ? (int32_t)v : INT32_MIN;
}

/* Append the shell's text for V, which must be simple. */
static int shell_simple(const struct jdoc *v, struct buf *b, struct err *e)
{
	switch (v->type) {
	case JDOC_NULL:
		return buf_adds(b, "''", e);
	case JDOC_BOOL:
		return buf_adds(b, v->boolean ? "1" : "", e);
	case JDOC_INT:
		return buf_addf(b, e, "%d", (int32_t)(uint32_t)(uint64_t)v->integer);
	case JDOC_UINT:
		return buf_addf(b, e, "%d", (int32_t)(uint32_t)v->natural);
	case JDOC_FLOAT:
		return buf_addf(b, e, "%d", float_to_int(v->real));
	case JDOC_STRING:
		return shell_quote(v->string.data, v->string.len, b, e);
	case JDOC_ARRAY:
	case JDOC_OBJECT:
		break;
	}
	return err_set(e, ERR_INPUT, "a value has no form in shell");
}

/* Tell whether all values in the array or object V are simple. */
static bool all_simple(const struct jdoc *v)
{
	if (v->type == JDOC_ARRAY) {
		for (size_t i = 0; i < v->array.n; i++)
			if (!is_simple(&v->array.items[i]))
				return false;
		return true;
	}
	for (size_t i = 0; i < v->object.n; i++)
		if (!is_simple(&v->object.members[i].value))
			return false;
	return true;
}

static int shell_array(const struct jdoc *v, struct buf *b, struct err *e)
{
	for (size_t i = 0; i < v->array.n; i++)
		if (shell_simple(&v->array.items[i], b, e) < 0 || buf_addc(b, ' ', e) < 0)
			return -1;
	return 0;
}

static int shell_object(const struct jdoc *v, struct buf *b, struct err *e)
{
	for (size_t i = 0; i < v->object.n; i++) {
		const struct jdoc_member *m = &v->object.members[i];

		if (buf_addc(b, '[', e) < 0 || shell_quote(m->key, m->key_len, b, e) < 0 ||
		    buf_adds(b, "]=", e) < 0 || shell_simple(&m->value, b, e) < 0 ||
		    buf_addc(b, ' ', e) < 0)
			return -1;
	}
	return 0;
}

/* Tell whether the LEN bytes at S can be the name of a shell variable. */
static bool is_shell_name(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (!(c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      (i > 0 && c >= '0' && c <= '9')))
			return false;
	}
	return len > 0;
}

static int shell_member(const struct jdoc_member *m, struct buf *b, struct err *e)
{
	const struct jdoc *v = &m->value;

	if (!is_shell_name(m->key, m->key_len))
		return 0;
	if (is_simple(v)) {
		if (buf_addf(b, e, "declare %s=", m->key) < 0 || shell_simple(v, b, e) < 0)
			return -1;
		return buf_addc(b, '\n', e);
	}
	if ((v->type != JDOC_ARRAY && v->type != JDOC_OBJECT) || !all_simple(v))
		return 0;
	if (buf_addf(b, e, "declare -%c %s=(", v->type == JDOC_ARRAY ? 'a' : 'A', m->key) < 0)
		return -1;
	if ((v->type == JDOC_ARRAY ? shell_array(v, b, e) : shell_object(v, b, e)) < 0)
		return -1;
	return buf_adds(b, ")\n", e);
}

int attrs_shell(const struct jdoc *doc, struct buf *b, struct err *e)
{
	for (size_t i = 0; i < doc->object.n; i++)
		if (shell_member(&doc->object.members[i], b, e) < 0)
			return -1;
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/drv/derivation_internal.h"

#include <string.h>

#include "nar/base/banned.h"

/* Append S in quotes. Ordinary bytes are appended in runs: values of a megabyte are not rare. */
static int put_escaped(struct buf *b, const char *s, size_t len, struct err *e)
{
	const char *end = s + len, *from = s;

	if (buf_addc(b, '"', e) < 0)
		return -1;
	for (const char *p = s; p < end; p++) {
		const char *escape;

		switch (*p) {
		case '"':
			escape = "\\\"";
			break;
		case '\\':
			escape = "\\\\";
			break;
		case '\n':
			escape = "\\n";
			break;
		case '\r':
			escape = "\\r";
			break;
		case '\t':
			escape = "\\t";
			break;
		default:
			continue;
		}
		if (buf_add(b, from, (size_t)(p - from), e) < 0 || buf_adds(b, escape, e) < 0)
			return -1;
		from = p + 1;
	}
	if (buf_add(b, from, (size_t)(end - from), e) < 0)
		return -1;
	return buf_addc(b, '"', e);
}

static int put(struct buf *b, const char *s, struct err *e)
{
	return put_escaped(b, s, strlen(s), e);
}

static int put_comma(struct buf *b, size_t i, struct err *e)
{
	return i ? buf_addc(b, ',', e) : 0;
}

static int put_strs(struct buf *b, const struct strv *v, struct err *e)
{
	if (buf_addc(b, '[', e) < 0)
		return -1;
	for (size_t i = 0; i < v->n; i++)
		if (put_comma(b, i, e) < 0 || put(b, v->items[i], e) < 0)
			return -1;
	return buf_addc(b, ']', e);
}

static int put_outputs(struct buf *b, const struct drv *d, bool mask, struct err *e)
{
	for (size_t i = 0; i < d->n_outputs; i++) {
		const struct drv_output *o = &d->outputs[i];

		if (put_comma(b, i, e) < 0 || buf_addc(b, '(', e) < 0 || put(b, o->name, e) < 0 ||
		    buf_addc(b, ',', e) < 0 || put(b, mask ? "" : o->path_text, e) < 0 ||
		    buf_addc(b, ',', e) < 0 || put(b, o->hash_algo, e) < 0 ||
		    buf_addc(b, ',', e) < 0 || put(b, o->hash_text, e) < 0 ||
		    buf_addc(b, ')', e) < 0)
			return -1;
	}
	return 0;
}

/* The recursion is at most DRV_DYNAMIC_DEPTH_MAX deep, as the parser allows no more. */
static int put_node(struct buf *b, const struct drv_node *n, struct err *e)
{
	if (n->n_dynamic == 0)
		return put_strs(b, &n->outputs, e);
	if (buf_addc(b, '(', e) < 0 || put_strs(b, &n->outputs, e) < 0 || buf_adds(b, ",[", e) < 0)
		return -1;
	for (size_t i = 0; i < n->n_dynamic; i++) {
		const struct drv_dynamic *y = &n->dynamic[i];

		if (put_comma(b, i, e) < 0 || buf_addc(b, '(', e) < 0 || put(b, y->output, e) < 0 ||
		    buf_addc(b, ',', e) < 0 || put_node(b, &y->node, e) < 0 ||
		    buf_addc(b, ')', e) < 0)
			return -1;
	}
	return buf_adds(b, "])", e);
}

static int put_inputs(struct buf *b, const struct drv_input *inputs, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const struct drv_input *in = &inputs[i];

		if (put_comma(b, i, e) < 0 || buf_addc(b, '(', e) < 0 || put(b, in->path, e) < 0 ||
		    buf_addc(b, ',', e) < 0 || put_node(b, &in->node, e) < 0 ||
		    buf_addc(b, ')', e) < 0)
			return -1;
	}
	return 0;
}

static bool is_output(const struct drv *d, const struct drv_env *v)
{
	return strlen(v->key) == v->key_len && drv_output(d, v->key);
}

static int put_env(struct buf *b, const struct drv *d, bool mask, struct err *e)
{
	for (size_t i = 0; i < d->n_env; i++) {
		const struct drv_env *v = &d->env[i];
		size_t len = mask && is_output(d, v) ? 0 : v->value_len;

		if (put_comma(b, i, e) < 0 || buf_addc(b, '(', e) < 0 ||
		    put_escaped(b, v->key, v->key_len, e) < 0 || buf_addc(b, ',', e) < 0 ||
		    put_escaped(b, v->value, len, e) < 0 || buf_addc(b, ')', e) < 0)
			return -1;
	}
	return 0;
}

int drv_print_as(const struct drv *d, const struct drv_input *inputs, size_t n_inputs, bool mask,
		 struct buf *b, struct err *e)
{
	const char *start =
		d->dynamic ? "DrvWithVersion(\"" DRV_DYNAMIC_VERSION "\",[" : "Derive([";

	if (buf_adds(b, start, e) < 0 || put_outputs(b, d, mask, e) < 0 ||
	    buf_adds(b, "],[", e) < 0 || put_inputs(b, inputs, n_inputs, e) < 0 ||
	    buf_adds(b, "],", e) < 0 || put_strs(b, &d->srcs, e) < 0 || buf_addc(b, ',', e) < 0 ||
	    put(b, d->system, e) < 0 || buf_addc(b, ',', e) < 0 || put(b, d->builder, e) < 0 ||
	    buf_addc(b, ',', e) < 0 || put_strs(b, &d->args, e) < 0 || buf_adds(b, ",[", e) < 0 ||
	    put_env(b, d, mask, e) < 0)
		return -1;
	return buf_adds(b, "])", e);
}

int drv_print(const struct drv *d, struct buf *b, struct err *e)
{
	return drv_print_as(d, d->inputs, d->n_inputs, false, b, e);
}

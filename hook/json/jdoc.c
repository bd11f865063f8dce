/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The values of a document. jdoc_read.c reads documents, jdoc_write.c writes them.
 *
 * The reader bounds the depth of a document, and values that are added later have a few levels at
 * most. So the recursion of jdoc_done() and jdoc_print() is bounded, too.
 */
#include "hook/json/jdoc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "hook/json/jdoc_internal.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

void jdoc_done(struct jdoc *v)
{
	switch (v->type) {
	case JDOC_STRING:
		free(v->string.data);
		break;
	case JDOC_ARRAY:
		for (size_t i = 0; i < v->array.n; i++)
			jdoc_done(&v->array.items[i]);
		free(v->array.items);
		break;
	case JDOC_OBJECT:
		for (size_t i = 0; i < v->object.n; i++)
			jdoc_member_done(&v->object.members[i]);
		free(v->object.members);
		break;
	case JDOC_NULL:
	case JDOC_BOOL:
	case JDOC_INT:
	case JDOC_UINT:
	case JDOC_FLOAT:
		break;
	}
	*v = (struct jdoc)JDOC_INIT;
}

void jdoc_member_done(struct jdoc_member *m)
{
	free(m->key);
	m->key = NULL;
	jdoc_done(&m->value);
}

int jdoc_key_cmp(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	if (c)
		return c;
	return (a_len > b_len) - (a_len < b_len);
}

/*
 * Return the position of the member KEY, or if *RET_FOUND becomes false, the position at which to
 * insert it.
 */
static size_t member_position(const struct jdoc *object, const char *key, size_t len,
			      bool *ret_found)
{
	size_t low = 0, high = object->object.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct jdoc_member *m = &object->object.members[mid];
		int c = jdoc_key_cmp(m->key, m->key_len, key, len);

		if (c == 0) {
			*ret_found = true;
			return mid;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_found = false;
	return low;
}

const struct jdoc *jdoc_get(const struct jdoc *object, const char *key)
{
	bool found;
	size_t i;

	if (!object || object->type != JDOC_OBJECT)
		return NULL;
	i = member_position(object, key, strlen(key), &found);
	return found ? &object->object.members[i].value : NULL;
}

const char *jdoc_text(const struct jdoc *v)
{
	if (!v || v->type != JDOC_STRING || strlen(v->string.data) != v->string.len)
		return NULL;
	return v->string.data;
}

struct jdoc jdoc_object(void)
{
	return (struct jdoc){.type = JDOC_OBJECT, .object = {NULL, 0, 0}};
}

struct jdoc jdoc_array(void)
{
	return (struct jdoc){.type = JDOC_ARRAY, .array = {NULL, 0, 0}};
}

struct jdoc jdoc_natural(uint64_t n)
{
	return (struct jdoc){.type = JDOC_UINT, .natural = n};
}

struct jdoc jdoc_bool(bool b)
{
	return (struct jdoc){.type = JDOC_BOOL, .boolean = b};
}

int jdoc_string(const char *s, struct jdoc *ret, struct err *e)
{
	char *copy = str_dup(s, e);

	if (!copy)
		return -1;
	*ret = (struct jdoc){.type = JDOC_STRING, .string = {copy, strlen(copy)}};
	return 0;
}

int jdoc_set(struct jdoc *object, const char *key, struct jdoc *value, struct err *e)
{
	scoped_jdoc struct jdoc v = *value;
	struct jdoc_member *m;
	bool found;
	size_t i;
	char *copy;

	*value = (struct jdoc)JDOC_INIT;
	assert(object->type == JDOC_OBJECT);
	i = member_position(object, key, strlen(key), &found);
	if (found) {
		m = &object->object.members[i];
		jdoc_done(&m->value);
		m->value = v;
		v = (struct jdoc)JDOC_INIT;
		return 0;
	}
	if (mem_grow(&object->object.members, &object->object.cap, object->object.n + 1,
		     sizeof *object->object.members, e) < 0)
		return -1;
	copy = str_dup(key, e);
	if (!copy)
		return -1;
	m = &object->object.members[i];
	memmove(m + 1, m, (object->object.n - i) * sizeof *m);
	*m = (struct jdoc_member){copy, strlen(copy), 0, v};
	v = (struct jdoc)JDOC_INIT;
	object->object.n++;
	return 0;
}

int jdoc_set_string(struct jdoc *object, const char *key, const char *s, struct err *e)
{
	struct jdoc v;

	if (jdoc_string(s, &v, e) < 0)
		return -1;
	return jdoc_set(object, key, &v, e);
}

int jdoc_append(struct jdoc *array, struct jdoc *value, struct err *e)
{
	scoped_jdoc struct jdoc v = *value;

	*value = (struct jdoc)JDOC_INIT;
	assert(array->type == JDOC_ARRAY);
	if (mem_grow(&array->array.items, &array->array.cap, array->array.n + 1,
		     sizeof *array->array.items, e) < 0)
		return -1;
	array->array.items[array->array.n++] = v;
	v = (struct jdoc)JDOC_INIT;
	return 0;
}

int jdoc_append_string(struct jdoc *array, const char *s, struct err *e)
{
	struct jdoc v;

	if (jdoc_string(s, &v, e) < 0)
		return -1;
	return jdoc_append(array, &v, e);
}

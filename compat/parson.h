/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compat/parson.h: the part of parson's API that this project uses, on top of jansson.
 *
 * This folder is on the include path only if configure found no parson (Debian has none). Semantics
 * are parson's: a value that is added belongs to its container, a getter returns NULL, -1 or 0 for
 * a missing value, a string ends at its first NUL, an object keeps the order of insertion. API:
 * https://github.com/kgabis/parson (parson.h, 1.5).
 *
 * A JSON_Value, JSON_Object and JSON_Array of parson are a json_t here. Each has its own incomplete
 * type, so that code that mixes them up compiles with neither library.
 */
#ifndef COMPAT_PARSON_H
#define COMPAT_PARSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct json_value_t JSON_Value;
typedef struct json_object_t JSON_Object;
typedef struct json_array_t JSON_Array;
typedef int JSON_Status;
typedef int JSON_Value_Type;

enum { JSONSuccess = 0, JSONFailure = -1 };
enum {
	JSONError = -1,
	JSONNull = 1,
	JSONString = 2,
	JSONNumber = 3,
	JSONObject = 4,
	JSONArray = 5,
	JSONBoolean = 6
};

#define PARSON_J(v) ((json_t *)(void *)(v))
#define PARSON_CJ(v) ((const json_t *)(const void *)(v))
#define PARSON_V(v) ((JSON_Value *)(void *)(v))

static inline JSON_Value *json_parse_string(const char *string)
{
	/* As in parson: any value may be at the top, and duplicate keys are refused. */
	const size_t flags = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES;
	json_t *value = json_loads(string, flags, NULL);

	/*
	 * parson reads all numbers as doubles. jansson refuses integers beyond 64 signed bits,
	 * unless it reads them as doubles.
	 */
	if (!value)
		value = json_loads(string, flags | JSON_DECODE_INT_AS_REAL, NULL);
	return PARSON_V(value);
}

static inline void json_value_free(JSON_Value *value)
{
	json_decref(PARSON_J(value));
}

static inline JSON_Value_Type json_value_get_type(const JSON_Value *value)
{
	if (!value)
		return JSONError;
	switch (json_typeof(PARSON_CJ(value))) {
	case JSON_OBJECT:
		return JSONObject;
	case JSON_ARRAY:
		return JSONArray;
	case JSON_STRING:
		return JSONString;
	case JSON_INTEGER:
	case JSON_REAL:
		return JSONNumber;
	case JSON_TRUE:
	case JSON_FALSE:
		return JSONBoolean;
	case JSON_NULL:
		return JSONNull;
	}
	return JSONError;
}

static inline JSON_Object *json_value_get_object(const JSON_Value *value)
{
	return value && json_is_object(PARSON_CJ(value)) ? (JSON_Object *)(void *)PARSON_J(value)
							 : NULL;
}

static inline JSON_Array *json_value_get_array(const JSON_Value *value)
{
	return value && json_is_array(PARSON_CJ(value)) ? (JSON_Array *)(void *)PARSON_J(value)
							: NULL;
}

static inline const char *json_value_get_string(const JSON_Value *value)
{
	return value ? json_string_value(PARSON_CJ(value)) : NULL;
}

static inline double json_value_get_number(const JSON_Value *value)
{
	return value ? json_number_value(PARSON_CJ(value)) : 0;
}

static inline int json_value_get_boolean(const JSON_Value *value)
{
	return value && json_is_boolean(PARSON_CJ(value)) ? json_is_true(PARSON_CJ(value)) : -1;
}

/* Objects */
static inline JSON_Value *json_object_get_value(const JSON_Object *object, const char *name)
{
	return object ? PARSON_V(json_object_get(PARSON_CJ(object), name)) : NULL;
}

static inline const char *json_object_get_string(const JSON_Object *object, const char *name)
{
	return json_value_get_string(json_object_get_value(object, name));
}

static inline JSON_Object *json_object_get_object(const JSON_Object *object, const char *name)
{
	return json_value_get_object(json_object_get_value(object, name));
}

static inline JSON_Array *json_object_get_array(const JSON_Object *object, const char *name)
{
	return json_value_get_array(json_object_get_value(object, name));
}

static inline double json_object_get_number(const JSON_Object *object, const char *name)
{
	return json_value_get_number(json_object_get_value(object, name));
}

static inline int json_object_get_boolean(const JSON_Object *object, const char *name)
{
	return json_value_get_boolean(json_object_get_value(object, name));
}

static inline size_t json_object_get_count(const JSON_Object *object)
{
	return object ? json_object_size(PARSON_CJ(object)) : 0;
}

/*
 * Find the member at INDEX. jansson has only iterators, so a loop over an object takes quadratic
 * time: use it for small objects only.
 */
static inline void *parson_iter_at(const JSON_Object *object, size_t index)
{
	void *it = object ? json_object_iter(PARSON_J(object)) : NULL;

	while (it && index--)
		it = json_object_iter_next(PARSON_J(object), it);
	return it;
}

static inline const char *json_object_get_name(const JSON_Object *object, size_t index)
{
	void *it = parson_iter_at(object, index);

	return it ? json_object_iter_key(it) : NULL;
}

static inline JSON_Value *json_object_get_value_at(const JSON_Object *object, size_t index)
{
	void *it = parson_iter_at(object, index);

	return it ? PARSON_V(json_object_iter_value(it)) : NULL;
}

static inline JSON_Status json_object_set_value(JSON_Object *object, const char *name,
						JSON_Value *value)
{
	/* On failure parson leaves VALUE to the caller, but json_object_set_new() would free it. */
	if (!object || !value || json_object_set(PARSON_J(object), name, PARSON_J(value)) < 0)
		return JSONFailure;
	json_decref(PARSON_J(value));
	return JSONSuccess;
}

static inline JSON_Status parson_set_new(JSON_Object *object, const char *name, json_t *value)
{
	return object && value && json_object_set_new(PARSON_J(object), name, value) == 0
		       ? JSONSuccess
		       : JSONFailure;
}

static inline JSON_Status json_object_set_string(JSON_Object *object, const char *name,
						 const char *string)
{
	return parson_set_new(object, name, json_string(string));
}

static inline JSON_Status json_object_set_number(JSON_Object *object, const char *name,
						 double number)
{
	/* parson prints a whole number without a fraction. */
	if (number >= -9007199254740992.0 && number <= 9007199254740992.0 &&
	    (double)(json_int_t)number == number)
		return parson_set_new(object, name, json_integer((json_int_t)number));
	return parson_set_new(object, name, json_real(number));
}

static inline JSON_Status json_object_set_boolean(JSON_Object *object, const char *name,
						  int boolean)
{
	return parson_set_new(object, name, json_boolean(boolean));
}

/* Arrays */
static inline size_t json_array_get_count(const JSON_Array *array)
{
	return array ? json_array_size(PARSON_CJ(array)) : 0;
}

static inline JSON_Value *json_array_get_value(const JSON_Array *array, size_t index)
{
	return array ? PARSON_V(json_array_get(PARSON_CJ(array), index)) : NULL;
}

static inline const char *json_array_get_string(const JSON_Array *array, size_t index)
{
	return json_value_get_string(json_array_get_value(array, index));
}

static inline JSON_Object *json_array_get_object(const JSON_Array *array, size_t index)
{
	return json_value_get_object(json_array_get_value(array, index));
}

static inline JSON_Status json_array_append_value(JSON_Array *array, JSON_Value *value)
{
	if (!array || !value || json_array_append(PARSON_J(array), PARSON_J(value)) < 0)
		return JSONFailure;
	json_decref(PARSON_J(value));
	return JSONSuccess;
}

static inline JSON_Status json_array_append_string(JSON_Array *array, const char *string)
{
	json_t *s = json_string(string);

	return array && s && json_array_append_new(PARSON_J(array), s) == 0 ? JSONSuccess
									    : JSONFailure;
}

static inline JSON_Status json_array_append_number(JSON_Array *array, double number)
{
	json_t *n = (double)(json_int_t)number == number ? json_integer((json_int_t)number)
							 : json_real(number);

	return array && n && json_array_append_new(PARSON_J(array), n) == 0 ? JSONSuccess
									    : JSONFailure;
}

/* New values */
static inline JSON_Value *json_value_init_object(void)
{
	return PARSON_V(json_object());
}

static inline JSON_Value *json_value_init_array(void)
{
	return PARSON_V(json_array());
}

static inline JSON_Value *json_value_init_string(const char *string)
{
	return PARSON_V(json_string(string));
}

/* Text */
static inline char *json_serialize_to_string(const JSON_Value *value)
{
	return json_dumps(PARSON_CJ(value), JSON_COMPACT | JSON_ENCODE_ANY);
}

static inline char *json_serialize_to_string_pretty(const JSON_Value *value)
{
	return json_dumps(PARSON_CJ(value), JSON_INDENT(4) | JSON_ENCODE_ANY);
}

static inline void json_free_serialized_string(char *string)
{
	free(string);
}

/* parson escapes '/' unless this turns it off; jansson never does. */
static inline void json_set_escape_slashes(int escape_slashes)
{
	(void)escape_slashes;
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/json/jdoc.h: read and write JSON documents with exactly the bytes that Nix writes.
 *
 * A derivation's structured attributes are read, changed and passed to the builder, and a builder
 * may depend on every byte. Nix (nlohmann::json) has 64-bit integers, sorts keys, and lets the last
 * of equal keys win. parson would not do: it keeps each number as a double, which loses integers
 * beyond 2^53, and does not sort keys. All other JSON of this project goes through parson.
 *
 *	scoped_jdoc struct jdoc doc = JDOC_INIT;
 *	if (jdoc_parse(text, len, &doc, e) < 0 || jdoc_print(&doc, &b, e) < 0) ...
 *
 * The reader is strict: RFC 8259, valid UTF-8 only, one value and nothing after it. The depth and
 * the number of values are bounded. Strings and keys are bytes with a length and a NUL after them;
 * they may contain NULs (\u0000).
 */
#ifndef HOOK_JSON_JDOC_H
#define HOOK_JSON_JDOC_H

#include <stddef.h>
#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

#define JDOC_DEPTH_MAX 512
#define JDOC_VALUES_MAX (1u << 20)

enum jdoc_type {
	JDOC_NULL,
	JDOC_BOOL,
	JDOC_INT,   /* a negative whole number that fits int64_t */
	JDOC_UINT,  /* a whole number from 0 on that fits uint64_t */
	JDOC_FLOAT, /* any other number */
	JDOC_STRING,
	JDOC_ARRAY,
	JDOC_OBJECT,
};

struct jdoc {
	enum jdoc_type type;
	union {
		bool boolean;
		int64_t integer;
		uint64_t natural;
		double real;
		struct {
			char *data;
			size_t len;
		} string;
		struct {
			struct jdoc *items;
			size_t n, cap;
		} array;
		struct {
			struct jdoc_member *members; /* sorted by key, each key once */
			size_t n, cap;
		} object;
	};
};
#define JDOC_INIT                               \
	{                                       \
		.type = JDOC_NULL, .natural = 0 \
	}

struct jdoc_member {
	char *key;
	size_t key_len;
	size_t position; /* while the object is read: its number, so that the last equal key wins */
	struct jdoc value;
};

/* Read the LEN bytes at TEXT. A refusal names the byte offset. */
int jdoc_parse(const char *text, size_t len, struct jdoc *ret, struct err *e) MUST_CHECK;
/* Append the document as Nix writes it: no white space, keys sorted, no line feed at the end. */
int jdoc_print(const struct jdoc *v, struct buf *b, struct err *e) MUST_CHECK;
/* Free what V contains; V becomes null. */
void jdoc_done(struct jdoc *v);
#define scoped_jdoc __attribute__((cleanup(jdoc_done)))

/* Return the member KEY of OBJECT. NULL: there is none, or OBJECT is NULL or no object. */
const struct jdoc *jdoc_get(const struct jdoc *object, const char *key);
/* Return the string V, which V owns. NULL: V is NULL, is no string, or contains a NUL. */
const char *jdoc_text(const struct jdoc *v);
/* Tell whether V is exactly true. V may be NULL. */
static inline bool jdoc_is_true(const struct jdoc *v)
{
	return v && v->type == JDOC_BOOL && v->boolean;
}

/*
 * Make a document. A function that takes a VALUE owns it from then on, also on failure: *VALUE
 * becomes null.
 */
struct jdoc jdoc_object(void);
struct jdoc jdoc_array(void);
struct jdoc jdoc_natural(uint64_t n);
struct jdoc jdoc_bool(bool b);
int jdoc_string(const char *s, struct jdoc *ret, struct err *e) MUST_CHECK;
/* Set or replace the member KEY. */
int jdoc_set(struct jdoc *object, const char *key, struct jdoc *value, struct err *e) MUST_CHECK;
int jdoc_set_string(struct jdoc *object, const char *key, const char *s, struct err *e) MUST_CHECK;
int jdoc_append(struct jdoc *array, struct jdoc *value, struct err *e) MUST_CHECK;
int jdoc_append_string(struct jdoc *array, const char *s, struct err *e) MUST_CHECK;

/* Write the number V to RET, which has JDOC_FLOAT_MAX bytes, as jdoc_print() does. */
#define JDOC_FLOAT_MAX 48
void jdoc_float_text(double v, char *ret);

#endif

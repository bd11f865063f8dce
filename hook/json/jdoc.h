/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/json/jdoc.h: JSON documents that have to come out as Nix writes them.
 *
 * A derivation's structured attributes are read, changed and handed to the builder, and a builder
 * may depend on every byte. parson keeps each number as a double, which loses integers beyond 2^53,
 * and its objects keep their order; Nix (nlohmann::json) has 64-bit integers, sorts keys and lets
 * the last of equal keys win. So these documents have a reader and a writer of their own; all
 * other JSON in this project goes through parson.
 *
 *	scoped_jdoc struct jdoc doc = JDOC_INIT;
 *	if (jdoc_parse(text, len, &doc, e) < 0 || jdoc_print(&doc, &b, e) < 0) ...
 *
 * The reader is strict (RFC 8259, valid UTF-8 only, one value and nothing after it) and bounded in
 * depth and in the number of values. Strings and keys are bytes with a length and a NUL after
 * them; they may hold NULs (\u0000).
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
	JDOC_UINT,  /* one that is not negative and fits uint64_t */
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
	size_t position; /* while an object is read: which of equal keys was last */
	struct jdoc value;
};

/* Read the LEN bytes at TEXT. A refusal names the byte offset. */
int jdoc_parse(const char *text, size_t len, struct jdoc *ret, struct err *e) MUST_CHECK;
/* Append the document as Nix does: no white space, keys sorted, no newline at the end. */
int jdoc_print(const struct jdoc *v, struct buf *b, struct err *e) MUST_CHECK;
/* Free what V holds; it is null after. */
void jdoc_done(struct jdoc *v);
#define scoped_jdoc __attribute__((cleanup(jdoc_done)))

/* The member KEY of an object. NULL: there is none, or OBJECT is no object (or NULL). */
const struct jdoc *jdoc_get(const struct jdoc *object, const char *key);
/* The string without NULs that V is, else NULL (V may be NULL). */
const char *jdoc_text(const struct jdoc *v);
/* Is V exactly true? (V may be NULL) */
static inline bool jdoc_is_true(const struct jdoc *v)
{
	return v && v->type == JDOC_BOOL && v->boolean;
}

/* Making one. What takes a VALUE owns it from then on, on failure too: *VALUE is null after. */
struct jdoc jdoc_object(void);
struct jdoc jdoc_array(void);
struct jdoc jdoc_natural(uint64_t n);
struct jdoc jdoc_bool(bool b);
int jdoc_string(const char *s, struct jdoc *ret, struct err *e) MUST_CHECK;
/* Set or replace a member. */
int jdoc_set(struct jdoc *object, const char *key, struct jdoc *value, struct err *e) MUST_CHECK;
int jdoc_set_string(struct jdoc *object, const char *key, const char *s, struct err *e) MUST_CHECK;
int jdoc_append(struct jdoc *array, struct jdoc *value, struct err *e) MUST_CHECK;
int jdoc_append_string(struct jdoc *array, const char *s, struct err *e) MUST_CHECK;

/* How a double is spelled: what jdoc_print() writes for one. RET has JDOC_FLOAT_MAX bytes. */
#define JDOC_FLOAT_MAX 48
void jdoc_float_text(double v, char *ret);

#endif

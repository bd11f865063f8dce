/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * specgen/json.h: write JSON into a struct buf, the same bytes for the same calls.
 *
 *	struct jw w = JW_INIT(&b, e);
 *	jw_object(&w, NULL);
 *	jw_string(&w, "name", "x");
 *	jw_end(&w);
 *	return jw_done(&w);
 *
 * JSON is read through parson's API but not written by it. Its numbers are doubles, which cannot
 * hold RLIM_INFINITY; and parson and jansson escape differently, so the bytes would depend on the
 * library that configure found. After the first failure a writer does nothing more, and jw_done()
 * returns the error.
 *
 * KEY is NULL for an element of an array and for the value at the top, else a string literal: it is
 * not escaped.
 */
#ifndef SPECGEN_JSON_H
#define SPECGEN_JSON_H

#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

#define JW_DEPTH_MAX 16

struct jw {
	struct buf *b;
	struct err *e;
	bool failed;
	unsigned depth;
	unsigned inline_depth; /* from this depth on all is printed on one line; 0: nowhere */
	bool empty;            /* the innermost container has no element yet */
	char closers[JW_DEPTH_MAX];
};
#define JW_INIT(b, e)                        \
	{                                    \
		(b), (e), false, 0, 0, true, \
		{                            \
			0                    \
		}                            \
	}

void jw_object(struct jw *w, const char *key);
void jw_array(struct jw *w, const char *key);
/* Open an object or array that is printed on one line, with all that it contains. */
void jw_inline_object(struct jw *w, const char *key);
void jw_inline_array(struct jw *w, const char *key);
/* Close the innermost object or array. */
void jw_end(struct jw *w);

/* Print a string. One that is not UTF-8 is an error, because JSON has no other strings. */
void jw_string(struct jw *w, const char *key, const char *s);
void jw_u64(struct jw *w, const char *key, uint64_t v);
void jw_bool(struct jw *w, const char *key, bool v);
void jw_null(struct jw *w, const char *key);
/* Print an array of strings on one line: jw_strings(w, "options", "bind", "ro", NULL). */
void jw_strings(struct jw *w, const char *key, ...) __attribute__((sentinel));
/* Print bytes: {"text": "..."} if text_is_utf8(), else {"base64": "..."}. */
void jw_bytes(struct jw *w, const char *key, const char *data, size_t len);
/* Print a string: "..." if text_is_utf8(), else {"base64": "..."}. */
void jw_bstring(struct jw *w, const char *key, const char *s);

/* Print the final newline. Returns -1 if any call since JW_INIT failed: *E. */
int jw_done(struct jw *w) MUST_CHECK;

/* Tell whether S is UTF-8 (no surrogates, nothing overlong) without NUL. */
bool text_is_utf8(const char *s, size_t len);
/*
 * Append the bytes that the base64 text S stands for. Strict: padded, no blanks, no bits beyond
 * the last byte, so that each byte string has one text.
 * Returns false if S is not base64; also on failure, with *E set.
 */
bool text_from_base64(const char *s, struct buf *b, struct err *e);

#endif

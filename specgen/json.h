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
 * JSON is read through parson's API but not written by it: it has doubles for numbers, and
 * RLIM_INFINITY is none; and parson and jansson escape differently, so bytes would depend on which
 * of them configure found. A writer is in error once for all: calls after the first failure do
 * nothing, jw_done() tells.
 *
 * KEY is NULL for elements of an array and for the value at the top, and else a literal of ours.
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
	unsigned inline_depth; /* from this depth on all stands on one line; 0: nowhere */
	bool empty;            /* nothing in the innermost container yet */
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
/* The same on one line, with all that is inside. */
void jw_inline_object(struct jw *w, const char *key);
void jw_inline_array(struct jw *w, const char *key);
void jw_end(struct jw *w);

/* What is not UTF-8 is an error: JSON has no other strings. */
void jw_string(struct jw *w, const char *key, const char *s);
void jw_u64(struct jw *w, const char *key, uint64_t v);
void jw_bool(struct jw *w, const char *key, bool v);
/* An array of strings on one line: jw_strings(w, "options", "bind", "ro", NULL). */
void jw_strings(struct jw *w, const char *key, ...) __attribute__((sentinel));
/* {"text": "..."} where the bytes are text, else {"base64": "..."}. */
void jw_bytes(struct jw *w, const char *key, const char *data, size_t len);
/* "..." where S is text, else {"base64": "..."}. */
void jw_bstring(struct jw *w, const char *key, const char *s);

/* The final newline. -1 if anything failed since the start; *E says what. */
int jw_done(struct jw *w) MUST_CHECK;

/* UTF-8 (no surrogates, nothing overlong) without NUL. */
bool text_is_utf8(const char *s, size_t len);
/*
 * Append the bytes that the base64 text S stands for. Strict: padded, no blanks, no bits beyond
 * the last byte, so that each byte string has one text. False: S is not that (or *E is set).
 */
bool text_from_base64(const char *s, struct buf *b, struct err *e);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/conf/conf_internal.h: the table of configuration keys, for the files of the module.
 *
 * A key is a line of conf_keys[] in conf_keys.c and a member of struct conf; nothing else.
 */
#ifndef HOOK_CONF_CONF_INTERNAL_H
#define HOOK_CONF_CONF_INTERNAL_H

#include "hook/conf/conf.h"

enum conf_type {
	CONF_STRING,
	CONF_PATH, /* absolute, or "" */
	CONF_LIST, /* words */
	CONF_U64,
	CONF_SIZE, /* bytes, as a number with or without one of K, M, G, T behind it */
	CONF_BOOL,
	CONF_ENUM,
};

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t offset;            /* of the member of struct conf */
	const char *def;          /* as it would stand in the file; NULL: conf_load() finds it */
	const char *help;         /* sentences, for all three formats: plain words, no markup */
	uint64_t max;             /* CONF_U64, CONF_SIZE */
	bool zero_is_auto;        /* CONF_U64: "auto" is another word for 0 */
	const char *const *names; /* CONF_ENUM: by value; ended by NULL */
};

extern const struct conf_key conf_keys[];
extern const size_t conf_keys_count;

/* NULL: there is none of that name. */
const struct conf_key *conf_key_find(const char *name);
/* What KEY may be: "a number from 0 to 4096". */
int conf_allowed(const struct conf_key *key, struct buf *b, struct err *e) MUST_CHECK;
/* Give all keys their defaults; those without one are "". */
int conf_set_defaults(struct conf *c, struct err *e) MUST_CHECK;
/* Set one key. WHERE starts the message: "FILE:LINE", "--option", ... */
int conf_set(struct conf *c, const char *where, const char *name, const char *value,
	     struct err *e) MUST_CHECK;
/* Read the LEN bytes at TEXT, called PATH in messages. They may not include files. */
int conf_parse(struct conf *c, const char *path, const char *text, size_t len,
	       struct err *e) MUST_CHECK;

#endif

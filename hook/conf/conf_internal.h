/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/conf/conf_internal.h: the table of configuration keys, for the files of this folder.
 *
 * A new key needs a line of conf_keys[] in conf_keys.c and a member of struct conf, nothing else.
 */
#ifndef HOOK_CONF_CONF_INTERNAL_H
#define HOOK_CONF_CONF_INTERNAL_H

#include "hook/conf/conf.h"

/* What separates words in a configuration file. */
#define CONF_BLANKS " \t\r"

enum conf_type {
	CONF_STRING,
	CONF_PATH, /* absolute, or "" */
	CONF_LIST, /* words */
	CONF_U64,
	CONF_SIZE,   /* bytes: a number, which K, M, G or T may follow */
	CONF_AMOUNT, /* struct conf_amount: a size, "80%" or "auto" */
	CONF_MILLI,  /* a number with up to three decimals, kept in thousandths */
	CONF_BOOL,
	CONF_ENUM,
};

/* `names` is a list that ends with NULL. */
struct conf_key {
	const char *name;
	enum conf_type type;
	size_t offset;            /* of the key's member in struct conf */
	const char *def;          /* default, as written in a file; NULL: conf_load() chooses it */
	const char *help;         /* sentences for all three formats: plain words, no markup */
	uint64_t max;             /* largest value of a CONF_U64, CONF_SIZE or CONF_MILLI */
	bool zero_is_auto;        /* CONF_U64: "auto" is another word for 0 */
	bool machine;             /* the key holds for the whole machine; no section may set it */
	bool unlimited;           /* CONF_SIZE: "unlimited" is UINT64_MAX */
	const char *const *names; /* CONF_ENUM: each value; CONF_PATH: words besides paths */
};

extern const struct conf_key conf_keys[];
extern const size_t conf_keys_count;

/* Return where C holds the value of KEY. */
static inline void *conf_member(const struct conf *c, const struct conf_key *key)
{
	return (char *)(uintptr_t)c + key->offset;
}
/* Free the values of all keys in C. */
void conf_keys_done(struct conf *c);
/* Return the key named NAME. NULL: there is none. */
const struct conf_key *conf_key_find(const char *name);
/* Append to B what values KEY may have: "a number from 0 to 4096". */
int conf_allowed(const struct conf_key *key, struct buf *b, struct err *e) MUST_CHECK;
/* Set all keys to their defaults. A key whose default conf_load() chooses is set to "". */
int conf_set_defaults(struct conf *c, struct err *e) MUST_CHECK;
/* Set the key NAME to VALUE. WHERE starts the message: "FILE:LINE", "--option", ... */
int conf_set(struct conf *c, const char *where, const char *name, const char *value,
	     struct err *e) MUST_CHECK;
/*
 * Set the keys that the LEN bytes at TEXT name. PATH is the name of TEXT in messages. TEXT may not
 * include files.
 */
int conf_parse(struct conf *c, const char *path, const char *text, size_t len,
	       struct err *e) MUST_CHECK;

#endif

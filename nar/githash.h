/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/githash.h: the hash that git gives a tree.
 *
 *	scoped_githash struct githash *g = githash_new(HASH_SHA1, e);
 *	githash_event(g, &ev, e)                   for each event, NAR_DATA too
 *	... *githash_root(g) ...
 *
 * What is hashed are git's objects (gitformat-pack(5), git-hash-object(1)):
 *
 *	blob	"blob <size>", a NUL, and the contents of a file or the target of a link
 *	tree	"tree <size>", a NUL, and each entry: "<mode> <name>", a NUL, the bytes of its hash;
 *		modes are 40000, 100644, 100755 and 120000; the entries are in the order of their
 *		names, to which those of directories have a '/' added
 *
 * The root's own mode is in no object: a file's hash is that of its blob, executable or not. As
 * with Nix an empty directory is an empty tree; git has none of them. Git knows HASH_SHA1 and
 * HASH_SHA256; any other is computed alike.
 *
 * One pass over the bytes, no recursion. Memory: the entries of each directory from the root to the
 * current one (the lengths of their names and about 36 bytes each with SHA-1), GITHASH_TREE_MAX a
 * directory at most. The events are those of nar/nar.h, from code that keeps their order and
 * limits; what breaks them is an assert.
 */
#ifndef NAR_GITHASH_H
#define NAR_GITHASH_H

#include <stddef.h>

#include "nar/base/err.h"
#include "nar/hash.h"
#include "nar/nar.h"
#include "nar/reader.h"

#define GITHASH_TREE_MAX (1u << 30)

struct githash;

struct githash *githash_new(enum hash_algo a, struct err *e) MUST_CHECK;
int githash_event(struct githash *g, const struct nar_event *ev, struct err *e) MUST_CHECK;
/* The next N bytes of the current file, as a NAR_DATA would have them. */
int githash_data(struct githash *g, const void *data, size_t n, struct err *e) MUST_CHECK;
/* After the last event: the hash of the root. */
const struct hash *githash_root(const struct githash *g);
void githash_free(struct githash *g); /* NULL is fine */

/* The same of DIRFD/NAME, whose path for messages is WHAT: nar/walk.h. */
int githash_tree(int dirfd, const char *name, const char *what, unsigned depth_max,
		 enum hash_algo a, struct hash *ret, struct err *e) MUST_CHECK;
/* The same of what is in a NAR, to its end. */
int githash_nar(struct nar_reader *r, enum hash_algo a, struct hash *ret, struct err *e) MUST_CHECK;

static inline void scope_githash(struct githash **g)
{
	githash_free(*g);
}
#define scoped_githash __attribute__((cleanup(scope_githash)))

#endif

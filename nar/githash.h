/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/githash.h: the hash that git gives a tree.
 *
 *	scoped_githash struct githash *g = githash_new(HASH_SHA1, e);
 *	githash_event(g, &ev, e)                   for each event, also NAR_DATA
 *	... *githash_root(g) ...
 *
 * Git hashes objects (gitformat-pack(5), git-hash-object(1)):
 *
 *	blob	"blob <size>", a NUL, and the contents of a file or the target of a link
 *	tree	"tree <size>", a NUL, and each entry: "<mode> <name>", a NUL, the bytes of its hash;
 *		modes are 40000, 100644, 100755 and 120000; the entries are sorted by name, with a
 *		'/' added to the name of a directory
 *
 * No object contains the root's own mode: the hash of a file is that of its blob, executable or
 * not. An empty directory is an empty tree, as in Nix; git does not record empty directories. Git
 * knows HASH_SHA1 and HASH_SHA256; other algorithms are computed in the same way.
 *
 * One pass over the bytes, no recursion. Memory: the entries of each directory from the root to the
 * current one, at most GITHASH_TREE_MAX for each directory. With SHA-1 an entry takes its name and
 * about 36 bytes. The events are those of nar/nar.h. They come from code that keeps their order and
 * limits; an event that breaks them fails an assert.
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
/* Add the next N bytes of the current file, like a NAR_DATA event. */
int githash_data(struct githash *g, const void *data, size_t n, struct err *e) MUST_CHECK;
/* Return the hash of the root. Call it after the last event. */
const struct hash *githash_root(const struct githash *g);
void githash_free(struct githash *g); /* NULL is fine */

/* Compute git's hash of T. */
int githash_tree(const struct nar_tree *t, enum hash_algo a, struct hash *ret,
		 struct err *e) MUST_CHECK;
/* Compute git's hash of the tree in a NAR, which is read to its end. */
int githash_nar(struct nar_reader *r, enum hash_algo a, struct hash *ret, struct err *e) MUST_CHECK;

static inline void scope_githash(struct githash **g)
{
	githash_free(*g);
}
#define scoped_githash __attribute__((cleanup(scope_githash)))

#endif

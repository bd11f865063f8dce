/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/dump.h: write a file system tree as a NAR, hash it and scan it, in constant memory.
 *
 * Byte-equal to `nix-store --dump`. What is read, and how, is in nar/walk.h: links are never
 * followed; entries that change kind or size while they are read, and entries that are neither
 * file, directory nor link, are refused ("file '%s' has an unsupported type"), as is nesting deeper
 * than DEPTH_MAX (NAR_DEPTH_MAX or NAR_DEPTH_ANY). No recursion.
 *
 * DIRFD/NAME is the root of the tree, which may be a file or a link; WHAT is its path for messages.
 */
#ifndef NAR_DUMP_H
#define NAR_DUMP_H

#include <stdint.h>

#include "nar/base/err.h"
#include "nar/base/sink.h"
#include "nar/hash.h"
#include "nar/nar.h"
#include "nar/refscan.h"

/* Send the NAR to SINK, in pieces of up to 256 KiB. */
int nar_dump(int dirfd, const char *name, const char *what, unsigned depth_max,
	     const struct nar_sink *sink, struct err *e) MUST_CHECK;

struct nar_digest {
	struct hash sha256;
	uint64_t size_bytes;
};

/*
 * Dump, SHA-256, count and scan in one pass. SCAN may be NULL; it is fed, not reset. A large tree
 * is hashed in a thread of its own beside the reading; a small one starts none.
 */
int nar_digest(int dirfd, const char *name, const char *what, unsigned depth_max,
	       struct refscan *scan, struct nar_digest *ret, struct err *e) MUST_CHECK;
/* The same with any algorithm. RET_SIZE_BYTES may be NULL. */
int nar_hash(int dirfd, const char *name, const char *what, unsigned depth_max, enum hash_algo a,
	     struct refscan *scan, struct hash *ret, uint64_t *ret_size_bytes,
	     struct err *e) MUST_CHECK;
/*
 * Send the contents of a regular file, no NAR of it, to SINK. Anything else is refused, as below.
 */
int nar_dump_flat(int dirfd, const char *name, const char *what, const struct nar_sink *sink,
		  struct err *e) MUST_CHECK;
/*
 * The hash of the contents of a regular file, not of its NAR: what a flat fixed output is compared
 * by. Anything else is refused: "'%s' is not a regular file".
 */
int nar_hash_flat(int dirfd, const char *name, const char *what, enum hash_algo a, struct hash *ret,
		  struct err *e) MUST_CHECK;

#endif

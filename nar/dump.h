/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/dump.h: write a file system tree as a NAR, hash it and scan it, in constant memory.
 *
 * The NAR is byte for byte that of `nix-store --dump`. nar/walk.h reads the tree. Symbolic links
 * are never followed. Refused are entries that change kind or size while they are read, entries
 * that are neither file, directory nor link ("file '%s' has an unsupported type"), and nesting
 * deeper than DEPTH_MAX (NAR_DEPTH_MAX or NAR_DEPTH_ANY). No recursion.
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
 * Compute the SHA-256 hash and the size of the tree's NAR, and feed the NAR to SCAN, in one pass.
 * SCAN may be NULL; it is not reset before. A large tree is hashed in a thread of its own while
 * this one reads; a small tree starts no thread.
 */
int nar_digest(int dirfd, const char *name, const char *what, unsigned depth_max,
	       struct refscan *scan, struct nar_digest *ret, struct err *e) MUST_CHECK;
/* Like nar_digest(), with algorithm A. RET_SIZE_BYTES may be NULL. */
int nar_hash(int dirfd, const char *name, const char *what, unsigned depth_max, enum hash_algo a,
	     struct refscan *scan, struct hash *ret, uint64_t *ret_size_bytes,
	     struct err *e) MUST_CHECK;
/*
 * Send the bare contents of a regular file, not its NAR, to SINK. Anything else is refused: "'%s'
 * is not a regular file".
 */
int nar_dump_flat(int dirfd, const char *name, const char *what, const struct nar_sink *sink,
		  struct err *e) MUST_CHECK;
/*
 * Hash the bare contents of a regular file, not its NAR: the hash that a flat fixed output
 * declares. Refuses like nar_dump_flat().
 */
int nar_hash_flat(int dirfd, const char *name, const char *what, enum hash_algo a, struct hash *ret,
		  struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/dump.h: write a file system tree as a NAR, hash it and scan it, in constant memory.
 *
 * The NAR is byte for byte that of `nix-store --dump`. nar/walk.h reads the tree. Symbolic links
 * are never followed. No recursion. Refused are:
 * - entries that change kind or size while they are read
 * - entries that are neither file, directory nor link: "file '%s' has an unsupported type"
 * - trees deeper than their depth_max
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
int nar_dump(const struct nar_tree *t, const struct nar_sink *sink, struct err *e) MUST_CHECK;

struct nar_digest {
	struct hash sha256;
	uint64_t size_bytes;
};

/*
 * Compute the SHA-256 hash and the size of the tree's NAR, and feed the NAR to SCAN, in one pass.
 * SCAN may be NULL; it is not reset before. A large tree is hashed in a thread of its own while
 * this one reads; a small tree starts no thread.
 */
int nar_digest(const struct nar_tree *t, struct refscan *scan, struct nar_digest *ret,
	       struct err *e) MUST_CHECK;
/* Like nar_digest(), with algorithm A. RET_SIZE_BYTES may be NULL. */
int nar_hash(const struct nar_tree *t, enum hash_algo a, struct refscan *scan, struct hash *ret,
	     uint64_t *ret_size_bytes, struct err *e) MUST_CHECK;
/*
 * Send the bare contents of T, which is a regular file, to SINK; not its NAR. Anything else is
 * refused: "'%s' is not a regular file".
 */
int nar_dump_flat(const struct nar_tree *t, const struct nar_sink *sink, struct err *e) MUST_CHECK;
/*
 * Hash the bare contents of T, which is a regular file; not its NAR. A flat fixed output declares
 * this hash. Refuses like nar_dump_flat().
 */
int nar_hash_flat(const struct nar_tree *t, enum hash_algo a, struct hash *ret,
		  struct err *e) MUST_CHECK;

#endif

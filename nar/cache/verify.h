/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/verify.h: unpack the file that a narinfo names, and verify that it is the NAR that the
 * narinfo describes.
 *
 *	v = nar_verify_new(&info, by_ca, &file, e);
 *	struct nar_source nar = nar_verify_source(v);
 *
 * The source ends (read gives 0) only if FileSize, FileHash, NarSize and NarHash are right. Do not
 * use what was read before if it ends with an error. At most FileSize bytes are read, and at most
 * NarSize bytes are given.
 */
#ifndef NAR_CACHE_VERIFY_H
#define NAR_CACHE_VERIFY_H

#include "nar/base/err.h"
#include "nar/base/sink.h"
#include "nar/narinfo.h"

struct nar_verify;

/*
 * Make a verifier of FILE by N, which must live as long; FILE is copied. BY_CA: also compare the
 * hash of the CA field, for which nar_verify_knows_ca() must be true. NULL: *E.
 */
struct nar_verify *nar_verify_new(const struct narinfo *n, bool by_ca,
				  const struct nar_source *file, struct err *e) MUST_CHECK;
struct nar_source nar_verify_source(struct nar_verify *v);
/* Return why the source failed; NULL: it did not. */
const struct err *nar_verify_error(const struct nar_verify *v);
bool nar_verify_ended(const struct nar_verify *v); /* read to its end, and all was right */
bool nar_verify_begun(const struct nar_verify *v); /* read at least once */
void nar_verify_free(struct nar_verify *v);        /* NULL is fine */

/*
 * Tell whether the hash in N's CA field can be compared while the NAR is read. Not if the path
 * refers to itself, nor for a git tree, whose hash is not that of a stream of bytes.
 */
bool nar_verify_knows_ca(const struct narinfo *n);
/* Return the largest size that the file of N may have. */
uint64_t nar_verify_file_max(const struct narinfo *n);

static inline void scope_nar_verify(struct nar_verify **v)
{
	nar_verify_free(*v);
}
#define scoped_nar_verify __attribute__((cleanup(scope_nar_verify), unused))

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/verify.h: the NAR that a narinfo promises, out of the (compressed) file that it names.
 *
 *	v = nar_verify_new(&info, by_ca, &file, e);
 *	struct nar_source nar = nar_verify_source(v);
 *
 * The source unpacks, and checks while it does: it ends only where FileSize, FileHash, NarSize and
 * NarHash were right. What came before is not to be believed where it ends with an error. Neither
 * more than FileSize bytes are taken nor more than NarSize given.
 */
#ifndef NAR_CACHE_VERIFY_H
#define NAR_CACHE_VERIFY_H

#include "nar/base/err.h"
#include "nar/base/sink.h"
#include "nar/narinfo.h"

struct nar_verify;

/*
 * N has to live as long; FILE is copied. BY_CA: also compare the hash of the CA field, which is one
 * that nar_verify_knows_ca(). NULL: *E.
 */
struct nar_verify *nar_verify_new(const struct narinfo *n, bool by_ca,
				  const struct nar_source *file, struct err *e) MUST_CHECK;
struct nar_source nar_verify_source(struct nar_verify *v);
/* Why the source failed; NULL: it did not. */
const struct err *nar_verify_error(const struct nar_verify *v);
bool nar_verify_ended(const struct nar_verify *v); /* all was right */
bool nar_verify_begun(const struct nar_verify *v); /* somebody read from it */
void nar_verify_free(struct nar_verify *v);        /* NULL is fine */

/*
 * Can the hash in its CA field be compared while the NAR streams by? Not that of a NAR which holds
 * its own path, and not that of a git tree, which is no hash of a stream.
 */
bool nar_verify_knows_ca(const struct narinfo *n);
/* The most that the file of N may have. */
uint64_t nar_verify_file_max(const struct narinfo *n);

static inline void scope_nar_verify(struct nar_verify **v)
{
	nar_verify_free(*v);
}
#define scoped_nar_verify __attribute__((cleanup(scope_nar_verify), unused))

#endif

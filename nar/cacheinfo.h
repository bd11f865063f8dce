/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cacheinfo.h: a binary cache's description of itself, the file `nix-cache-info`.
 */
#ifndef NAR_CACHEINFO_H
#define NAR_CACHEINFO_H

#include <stddef.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

#define CACHEINFO_MAX_BYTES (64 << 10)
#define CACHEINFO_PRIORITY 50 /* of a cache that gives none; lower is asked first */

struct cacheinfo {
	char *store_dir; /* NULL: not given */
	bool want_mass_query;
	unsigned priority;
};

/* Parse TEXT like Nix: skip lines without ':' and unknown keys, and trim values. */
int cacheinfo_parse(const char *text, size_t len, struct cacheinfo *ret, struct err *e) MUST_CHECK;
/*
 * Refuse a cache whose store directory is not STORE_DIR. The message is Nix's; URL, the cache's, is
 * for it.
 */
int cacheinfo_check(const struct cacheinfo *c, const char *url, const char *store_dir,
		    struct err *e) MUST_CHECK;
/* Append the file's text to B. Only tests use it. */
int cacheinfo_print(const struct cacheinfo *c, struct buf *b, struct err *e) MUST_CHECK;
void cacheinfo_done(struct cacheinfo *c);
#define scoped_cacheinfo __attribute__((cleanup(cacheinfo_done), unused))

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cacheinfo.h: what a binary cache says of itself (`nix-cache-info`).
 */
#ifndef NAR_CACHEINFO_H
#define NAR_CACHEINFO_H

#include <stddef.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

#define CACHEINFO_MAX_BYTES (64 << 10)
#define CACHEINFO_PRIORITY 50 /* of a cache that says none; lower is asked first */

struct cacheinfo {
	char *store_dir; /* NULL: not said */
	bool want_mass_query;
	unsigned priority;
};

/* Lines without ':' and unknown keys are skipped, values trimmed, as Nix does. */
int cacheinfo_parse(const char *text, size_t len, struct cacheinfo *ret, struct err *e) MUST_CHECK;
/* Refuse a cache of another store directory; URL is for the message, which is Nix's. */
int cacheinfo_check(const struct cacheinfo *c, const char *url, const char *store_dir,
		    struct err *e) MUST_CHECK;
int cacheinfo_print(const struct cacheinfo *c, struct buf *b, struct err *e) MUST_CHECK;
void cacheinfo_done(struct cacheinfo *c);
#define scoped_cacheinfo __attribute__((cleanup(cacheinfo_done), unused))

#endif

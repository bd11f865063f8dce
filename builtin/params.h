/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin/params.h: what a builtin builder is told.
 *
 * A file of records NAME=VALUE, each ended by a NUL, as in /proc/PID/environ; a name may stand more
 * than once. The hook writes it from the derivation's attributes and Nix's settings: in a file, as
 * an environment holds no string of more than 128 KiB and can be read by a file: URL.
 */
#ifndef BUILTIN_PARAMS_H
#define BUILTIN_PARAMS_H

#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

#define PARAMS_BYTES_MAX (256u << 20)

struct params {
	struct buf text;
};
#define PARAMS_INIT                        \
	{                                  \
		BUF_INIT(PARAMS_BYTES_MAX) \
	}

/* Read the file at PATH, and remove it: what it says is nobody else's business. */
int params_load(struct params *p, const char *path, struct err *e) MUST_CHECK;
/* The first value of NAME, or NULL. */
const char *params_get(const struct params *p, const char *name);
/* The values of NAME one after the other: *POS is 0 before the first. NULL: no more. */
const char *params_next(const struct params *p, const char *name, size_t *pos);
/* Is NAME "1"? That is how Nix writes true, in attributes. */
bool params_true(const struct params *p, const char *name);
/* DEF where it is missing; no number: *E. */
int params_u64(const struct params *p, const char *name, uint64_t def, uint64_t *ret,
	       struct err *e) MUST_CHECK;
void params_done(struct params *p);
#define scoped_params __attribute__((cleanup(params_done)))

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin/params.h: the parameters of a builtin builder.
 *
 * They are a file of records NAME=VALUE, each ended by a NUL, as in /proc/PID/environ. A name may
 * occur more than once. The hook writes the file from the derivation's attributes and Nix's
 * settings. An environment would not do: it holds no string of more than 128 KiB, and a file: URL
 * can read it.
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

/* Read the file at PATH, and remove it, so that a file: URL cannot read it. */
int params_load(struct params *p, const char *path, struct err *e) MUST_CHECK;
/* Returns the first value of NAME; NULL: there is none. */
const char *params_get(const struct params *p, const char *name);
/* Returns the next value of NAME; NULL: no more. *POS is 0 before the first call. */
const char *params_next(const struct params *p, const char *name, size_t *pos);
/* Tell whether NAME is "1", which is true in attributes of derivations. */
bool params_true(const struct params *p, const char *name);
/* Read the number NAME; *RET is DEF if it is missing. Another text than a number is an error. */
int params_u64(const struct params *p, const char *name, uint64_t def, uint64_t *ret,
	       struct err *e) MUST_CHECK;
void params_done(struct params *p);
#define scoped_params __attribute__((cleanup(params_done)))

#endif

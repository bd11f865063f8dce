/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/piecewise.h: a source of bytes in memory that gives at most STEP of them at a time.
 */
#ifndef TESTS_PIECEWISE_H
#define TESTS_PIECEWISE_H

#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "nar/base/err.h"

struct piecewise {
	const void *data;
	size_t len, pos, step;
};

static inline ssize_t read_piece(void *ctx, void *data, size_t n, struct err *e)
{
	struct piecewise *p = ctx;

	(void)e;
	if (n > p->step)
		n = p->step;
	if (n > p->len - p->pos)
		n = p->len - p->pos;
	if (n)
		memcpy(data, (const char *)p->data + p->pos, n);
	p->pos += n;
	return (ssize_t)n;
}

#endif

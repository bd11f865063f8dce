/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/pairset.h: a set of pairs of numbers: files by (device, inode), rows by (0, id).
 */
#ifndef NAR_BASE_PAIRSET_H
#define NAR_BASE_PAIRSET_H

#include <stddef.h>
#include <stdint.h>

#include "nar/base/err.h"

struct pairset {
	struct pairset_slot {
		uint64_t a, b;
		bool used;
	} * slots;
	size_t n, cap; /* cap is 0 or a power of two, at least 4/3 of n */
};

#define PAIRSET_INIT       \
	{                  \
		NULL, 0, 0 \
	}

bool pairset_has(const struct pairset *s, uint64_t a, uint64_t b);
/*
 * Add the pair (A, B).
 * Returns 1: added; 0: the set contains it already; -1: *E.
 */
int pairset_add(struct pairset *s, uint64_t a, uint64_t b, struct err *e) MUST_CHECK;
void pairset_done(struct pairset *s);
#define scoped_pairset __attribute__((cleanup(pairset_done)))

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/base/pairset.h"

#include <stdlib.h>

#include "nar/base/buf.h"

#include "nar/base/banned.h"

#define CAP_FIRST 64

/*
 * Scatter X, with the last steps of splitmix64: inode numbers are dense, and unscattered they would
 * fill one long run of slots.
 */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* Return the slot that holds the pair, or the free slot for it: there is always a free one. */
static struct pairset_slot *find(struct pairset_slot *slots, size_t cap, uint64_t a, uint64_t b)
{
	for (size_t i = mix(a * 31 + b) & (cap - 1);; i = (i + 1) & (cap - 1))
		if (!slots[i].used || (slots[i].a == a && slots[i].b == b))
			return &slots[i];
}

bool pairset_has(const struct pairset *s, uint64_t a, uint64_t b)
{
	return s->cap && find(s->slots, s->cap, a, b)->used;
}

static int grow(struct pairset *s, struct err *e)
{
	size_t cap = s->cap ? s->cap * 2 : CAP_FIRST;
	struct pairset_slot *slots = mem_new(cap, sizeof *slots, e);

	if (!slots)
		return -1;
	for (size_t i = 0; i < s->cap; i++)
		if (s->slots[i].used)
			*find(slots, cap, s->slots[i].a, s->slots[i].b) = s->slots[i];
	free(s->slots);
	s->slots = slots;
	s->cap = cap;
	return 0;
}

int pairset_add(struct pairset *s, uint64_t a, uint64_t b, struct err *e)
{
	if (s->n + 1 > s->cap / 4 * 3 && grow(s, e) < 0)
		return -1;
	struct pairset_slot *slot = find(s->slots, s->cap, a, b);
	if (slot->used)
		return 0;
	*slot = (struct pairset_slot){a, b, true};
	s->n++;
	return 1;
}

void pairset_done(struct pairset *s)
{
	free(s->slots);
	*s = (struct pairset)PAIRSET_INIT;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/dump_internal.h: hash and scan the NAR of a series of events, for code that sends the events
 * elsewhere as well (nar/restore.c).
 *
 *	nar_hashing_init(&d, algo, scan, e)
 *	... events and contents to d.w (nar/writer.h) ...
 *	nar_hashing_finish(&d, &hash, &size, e)
 *	nar_hashing_done(&d)                      on every way out
 */
#ifndef NAR_DUMP_INTERNAL_H
#define NAR_DUMP_INTERNAL_H

#include "nar/hasher.h"
#include "nar/refscan.h"
#include "nar/writer.h"

struct nar_hashing {
	struct nar_writer w;
	struct hasher *hasher;
	struct refscan *scan; /* of the caller; NULL: no scan */
};

int nar_hashing_init(struct nar_hashing *d, enum hash_algo a, struct refscan *scan,
		     struct err *e) MUST_CHECK;
int nar_hashing_finish(struct nar_hashing *d, struct hash *ret, uint64_t *ret_size_bytes,
		       struct err *e) MUST_CHECK;
void nar_hashing_done(struct nar_hashing *d);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/reader.h: read a NAR as a series of events, in constant memory.
 *
 *	while ((n = nar_next(r, &ev, e)) > 0)
 *		...
 *
 * Strict as Nix 2.34.8, and stricter in that nothing may follow the end: order of fields and of
 * names, names, tags, padding, also that of contents which are skipped. Input is hostile: its
 * limits are those of nar/nar.h, and each refusal starts with "bad archive: ", says what is wrong
 * in Nix's words and ends with the offset in the NAR, "(at byte N)". No recursion; the memory is
 * that of one buffer and of the names on the way from the root. Not thread-safe.
 */
#ifndef NAR_READER_H
#define NAR_READER_H

#include "nar/base/err.h"
#include "nar/base/sink.h"
#include "nar/nar.h"

#define NAR_READER_BUF_MIN 8192

struct nar_limits {
	unsigned depth_max;      /* NAR_DEPTH_MAX, which 0 means too, or NAR_DEPTH_ANY */
	uint64_t size_max_bytes; /* of the whole NAR; 0 means any */
	size_t buf_bytes;        /* to read at once, at least NAR_READER_BUF_MIN; 0 means 128 KiB */
};

struct nar_reader;

/* Read from FD, which stays the caller's. LIM may be NULL. NULL: *E. */
struct nar_reader *nar_reader_new(int fd, const struct nar_limits *lim, struct err *e) MUST_CHECK;
struct nar_reader *nar_reader_new_source(const struct nar_source *src, const struct nar_limits *lim,
					 struct err *e) MUST_CHECK;
/* 1: *EV filled, its bytes valid until the next call; 0: clean end; -1: *E, reader unusable. */
int nar_next(struct nar_reader *r, struct nar_event *ev, struct err *e) MUST_CHECK;
/*
 * After a NAR_FILE or NAR_DATA: no (more) NAR_DATA of this file. In a file that can seek its
 * contents are not read.
 */
int nar_skip_contents(struct nar_reader *r, struct err *e) MUST_CHECK;
void nar_reader_free(struct nar_reader *r); /* NULL is fine */

static inline void scope_nar_reader(struct nar_reader **r)
{
	nar_reader_free(*r);
}
#define scoped_nar_reader __attribute__((cleanup(scope_nar_reader)))

#endif

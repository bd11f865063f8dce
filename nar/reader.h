/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/reader.h: read a NAR as a series of events, in constant memory.
 *
 *	while ((n = nar_next(r, &ev, e)) > 0)
 *		...
 *
 * The reader is as strict as Nix 2.34.8: order of fields and of names, names, tags, padding, also
 * the padding of skipped contents. In addition, nothing may follow the end. Input is hostile: the
 * limits are those of nar/nar.h. Each refusal starts with "bad archive: ", says what is wrong in
 * Nix's words and ends with the offset in the NAR, "(at byte N)". No recursion. Memory: one buffer
 * and the names from the root to the current entry. Not thread-safe.
 */
#ifndef NAR_READER_H
#define NAR_READER_H

#include "nar/base/err.h"
#include "nar/base/sink.h"
#include "nar/nar.h"

#define NAR_READER_BUF_MIN 8192

struct nar_limits {
	unsigned depth_max;      /* NAR_DEPTH_MAX or NAR_DEPTH_ANY; 0: NAR_DEPTH_MAX */
	uint64_t size_max_bytes; /* of the whole NAR; 0: any */
	size_t buf_bytes;        /* to read at once, at least NAR_READER_BUF_MIN; 0: 128 KiB */
};

struct nar_reader;

/* Make a reader of FD, which the caller closes, or of SRC. LIM may be NULL. NULL: *E. */
struct nar_reader *nar_reader_new(int fd, const struct nar_limits *lim, struct err *e) MUST_CHECK;
struct nar_reader *nar_reader_new_source(const struct nar_source *src, const struct nar_limits *lim,
					 struct err *e) MUST_CHECK;
/*
 * Read the next event.
 * Returns 1: *EV, whose pointers are valid until the next call; 0: the end; -1: *E, and the reader
 * is unusable.
 */
int nar_next(struct nar_reader *r, struct nar_event *ev, struct err *e) MUST_CHECK;
/*
 * Skip the rest of the current file's contents: no more NAR_DATA events for it. Large contents
 * are not read if the reader's file can seek.
 */
int nar_skip_contents(struct nar_reader *r, struct err *e) MUST_CHECK;
void nar_reader_free(struct nar_reader *r); /* NULL is fine */

static inline void scope_nar_reader(struct nar_reader **r)
{
	nar_reader_free(*r);
}
#define scoped_nar_reader __attribute__((cleanup(scope_nar_reader)))

#endif

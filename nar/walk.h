/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/walk.h: a tree in the file system as the events of its NAR.
 *
 *	while ((rc = nar_walk_next(w, &ev, e)) > 0) {
 *		...
 *		if (ev.type == NAR_FILE)
 *			nar_walk_read(w, ...) until ev.size_bytes have come
 *	}
 *
 * Contents are read where the caller wants them, so there is no NAR_DATA. Files are read with
 * read(2), never mapped: a mapped file can show foreign bytes (uprobes), and kills with SIGBUS when
 * it shrinks. Links are never followed, each entry is opened by its directory's descriptor.
 * Descriptors, memory and recursion: nar/tree.h.
 */
#ifndef NAR_WALK_H
#define NAR_WALK_H

#include <sys/stat.h>
#include <sys/types.h>

#include "nar/base/err.h"
#include "nar/nar.h"

struct nar_walk;

/*
 * Of DIRFD/NAME, which stays the caller's; WHAT is that path for messages. Deeper than DEPTH_MAX is
 * refused: NAR_DEPTH_MAX, or NAR_DEPTH_ANY. NULL: *E.
 */
struct nar_walk *nar_walk_new(int dirfd, const char *name, const char *what, unsigned depth_max,
			      struct err *e) MUST_CHECK;
/* 1: *EV filled, its bytes valid until the next call; 0: the end; -1: *E, the walk is over. */
int nar_walk_next(struct nar_walk *w, struct nar_event *ev, struct err *e) MUST_CHECK;
/*
 * Read up to N bytes of the current file: their number (0 where the file was complete before), or
 * -1: *E. A file that is shorter or longer than it was is an error.
 */
ssize_t nar_walk_read(struct nar_walk *w, void *data, size_t n, struct err *e) MUST_CHECK;
/* The current file as it was when it was opened, until the next event. */
const struct stat *nar_walk_stat(const struct nar_walk *w);
/* No more of the current file is wanted. */
void nar_walk_skip(struct nar_walk *w);
void nar_walk_free(struct nar_walk *w); /* NULL is fine */

static inline void scope_nar_walk(struct nar_walk **w)
{
	nar_walk_free(*w);
}
#define scoped_nar_walk __attribute__((cleanup(scope_nar_walk)))

#endif

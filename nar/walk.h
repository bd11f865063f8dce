/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/walk.h: walk a tree in the file system as the events of its NAR.
 *
 *	while ((rc = nar_walk_next(w, &ev, e)) > 0) {
 *		...
 *		if (ev.type == NAR_FILE)
 *			nar_walk_read(w, ...) until ev.size_bytes have come
 *	}
 *
 * The caller says where contents are read to, so that there is no NAR_DATA. Files are read with
 * read(2), never mapped: a mapped file can show foreign bytes (uprobes), and raises SIGBUS when it
 * shrinks. Links are never followed; each entry is opened by its directory's descriptor.
 * Descriptors, memory and recursion are as in nar/tree.h.
 */
#ifndef NAR_WALK_H
#define NAR_WALK_H

#include <sys/stat.h>
#include <sys/types.h>

#include "nar/base/err.h"
#include "nar/nar.h"

struct nar_walk;

/* Start a walk of T. *T and its descriptor must live as long as the walk. NULL: *E. */
struct nar_walk *nar_walk_new(const struct nar_tree *t, struct err *e) MUST_CHECK;
/*
 * Go on to the next event.
 * Returns 1: *EV, whose pointers are valid until the next call; 0: the end; -1: *E, and the walk is
 * over.
 */
int nar_walk_next(struct nar_walk *w, struct nar_event *ev, struct err *e) MUST_CHECK;
/*
 * Read up to N bytes of the current file. A file that has changed its size is an error.
 * Returns how many were read; 0: the file was complete already; -1: *E.
 */
ssize_t nar_walk_read(struct nar_walk *w, void *data, size_t n, struct err *e) MUST_CHECK;
/* Return the status of the current file when it was opened; valid until the next event. */
const struct stat *nar_walk_stat(const struct nar_walk *w);
/* Skip the rest of the current file. */
void nar_walk_skip(struct nar_walk *w);
void nar_walk_free(struct nar_walk *w); /* NULL is fine */

static inline void scope_nar_walk(struct nar_walk **w)
{
	nar_walk_free(*w);
}
#define scoped_nar_walk __attribute__((cleanup(scope_nar_walk)))

#endif

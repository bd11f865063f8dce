/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/cleanup.h: remove what a run made, when all its processes are dead.
 *
 * Runs in: the supervisor; the hook if its supervisor was killed or has failed (run.h).
 */
#ifndef HOOK_RUN_CLEANUP_H
#define HOOK_RUN_CLEANUP_H

#include "nar/base/buf.h"
#include "nar/base/err.h"

/*
 * Remove the control groups CGROUPS and the trees OWNED (absolute paths), the trees from the last
 * to the first. A failure does not keep the others from being removed. What cannot be removed is
 * tried again for about a second, because most reasons pass: no descriptor or memory to spare, an
 * interrupted call.
 *
 * RECORD (see hook/run/record.h; NULL: there is none) is removed last, and only when all else is
 * removed. Otherwise it stays, and the next run removes the rest when the record's lock is free.
 * Returns -1: *E names the first thing that stays.
 */
int cleanup(const struct strv *cgroups, const struct strv *owned, const char *record,
	    struct err *e) MUST_CHECK;

#endif

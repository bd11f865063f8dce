/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/record.h: what a run would leave behind if both its hook and its supervisor were killed.
 *
 *	<state-dir>/run/<name>.run   the record of a run; who is part of it has it locked (flock(2))
 *	<state-dir>/run/<name>       the directory for the runtime's own files
 *
 *	record_enter()       remove what dead runs left, and make a record of our own
 *	record_appear()      when its remover knows its path: it has a name from now on
 *	record_intend()      before a directory of the run is made: the bundle, copies of outputs
 *	record_made()        when it is, and still empty
 *	record_runtime()     before the container starts: how to kill it
 *	record_cgroup()      before the hook makes a control group for the container
 *
 * A record without a lock is that of a dead run, or of one that could not remove everything: the
 * kernel takes a lock away with the last process that has it, and nothing else does. record_enter()
 * ends such a run, in this order:
 *  1. kill every process that has the scratch directories of one of its directories mounted
 *     (hook/run/tenants.h);
 *  2. if the machine was not started again since: let the runtime delete the container, unless its
 *     state was in memory (hook/runtime/memdir.h) and so is gone; kill the processes of the control
 *     group that the hook made, and remove the groups that bear the container's name;
 *  3. remove each of its directories, if what is at the path is still the recorded one. A directory
 *     that was intended and not recorded as made is removed if it is empty and not older;
 *  4. remove the runtime's directory, then the record. If anything could not be removed, the record
 *     stays for the run after this one.
 * Outputs are never recorded: they may be valid by then.
 *
 * Nothing is believed that another user may have written.
 */
#ifndef HOOK_RUN_RECORD_H
#define HOOK_RUN_RECORD_H

#include "hook/runtime/runtime.h"
#include "nar/base/err.h"

struct record {
	int fd;     /* has the lock; for the supervisor to keep as well */
	char *path; /* of the record: to be removed last */
	char *dir;  /* for the runtime; not made yet */
	bool named; /* it is at `path` */
	bool left;  /* somebody else removes the record */
};
#define RECORD_INIT                          \
	{                                    \
		-1, NULL, NULL, false, false \
	}

/* In RUN_DIR, which must exist. What dead runs left and cannot be removed is only warned of. */
int record_enter(const char *run_dir, struct record *ret, struct err *e) MUST_CHECK;
/*
 * Until then a kill leaves nothing at all, where the file system has files without a name (most
 * have: open(2), O_TMPFILE).
 */
int record_appear(struct record *r, struct err *e) MUST_CHECK;
/*
 * The container of this ID, as run_container() runs it; KEEPS_STATE: with our directory for the
 * runtime.
 */
int record_runtime(const struct record *r, const struct runtime *rt, const char *id,
		   bool keeps_state, struct err *e) MUST_CHECK;
/* The group DIR, which has the name of the container and will have no processes but its. */
int record_cgroup(const struct record *r, const char *dir, struct err *e) MUST_CHECK;
/* The directory PATH, about to be made. */
int record_intend(const struct record *r, const char *path, struct err *e) MUST_CHECK;
/* The same, made and opened as FD. A bundle has its scratch directories in its `scratch`. */
int record_made(const struct record *r, int fd, const char *path, struct err *e) MUST_CHECK;
/* Removes the record unless it is left to others. */
void record_done(struct record *r);
#define scoped_record __attribute__((cleanup(record_done)))

#endif

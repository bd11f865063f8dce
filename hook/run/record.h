/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/record.h: the record of what a run would leave if its hook and its supervisor were both
 * killed. run.h says who cleans up in all other cases.
 *
 *	<state-dir>/run/<name>.run   the record of a run; its hook and supervisor hold a lock on it
 *	<state-dir>/run/<name>       the directory for the runtime's own files
 *
 *	record_enter()       remove what dead runs left, and make a record for this run
 *	record_appear()      give the record its name, when the supervisor knows that name
 *	record_intend()      before a directory is made: the bundle, copies of outputs
 *	record_made()        when that directory is made and still empty
 *	record_runtime()     before the container starts: how to delete it
 *	record_cgroup()      before the hook makes a control group for the container
 *
 * The lock is a flock(2), which the kernel removes when the last process that holds it is dead. So
 * a record without a lock is of a dead run, or of a run that could not remove everything.
 * record_enter() ends such a run, in this order:
 *  1. kill every process that has the scratch directories of one of its directories mounted
 *     (hook/run/tenants.h);
 *  2. if the machine was not started again since: let the runtime delete the container, unless its
 *     state was in memory (hook/runtime/memdir.h) and so is gone; kill the processes of the control
 *     groups that the hook made, and remove these and the groups that bear the container's name;
 *  3. remove each of its directories, if the directory at the path is still the recorded one. A
 *     directory that was intended and not recorded as made is removed if it is empty and not older
 *     than the intention;
 *  4. remove the runtime's directory, then the record. If anything could not be removed, the record
 *     stays for the run after this one.
 * Outputs are never recorded, because they may be valid when the record is read. A record that
 * another user may have written is not read.
 */
#ifndef HOOK_RUN_RECORD_H
#define HOOK_RUN_RECORD_H

#include "hook/runtime/runtime.h"
#include "nar/base/err.h"

struct record {
	int fd;     /* holds the lock; the supervisor keeps a copy of it */
	char *path; /* of the record, which is removed last */
	char *dir;  /* path for the runtime's own files; record_enter() does not make it */
	bool named; /* the record exists at `path` */
	bool left;  /* the supervisor removes the record, not record_done() */
};
#define RECORD_INIT                          \
	{                                    \
		-1, NULL, NULL, false, false \
	}

/*
 * Remove what dead runs left in RUN_DIR, which must exist, and make and lock a record for this run.
 * What a dead run left and cannot be removed is only warned of.
 */
int record_enter(const char *run_dir, struct record *ret, struct err *e) MUST_CHECK;
/*
 * Give the record its name. Before, a kill leaves nothing at all, if the file system has files
 * without a name (open(2), O_TMPFILE), as most have.
 */
int record_appear(struct record *r, struct err *e) MUST_CHECK;
/*
 * Record the container ID, as run_container() runs it with RT. KEEPS_STATE: the runtime keeps its
 * state in the record's `dir`, so that a later run can let the runtime delete the container.
 */
int record_runtime(const struct record *r, const struct runtime *rt, const char *id,
		   bool keeps_state, struct err *e) MUST_CHECK;
/*
 * Record the control group DIR. Its name must begin with CGROUP_BUILD_PREFIX, or be the container's
 * id, and be no other run's, and it must contain no processes except the container's.
 */
int record_cgroup(const struct record *r, const char *dir, struct err *e) MUST_CHECK;
/* Record that the directory PATH is about to be made. */
int record_intend(const struct record *r, const char *path, struct err *e) MUST_CHECK;
/*
 * Record that the directory PATH is made; FD is its descriptor. If it is a bundle, its scratch
 * directories are in its `scratch`.
 */
int record_made(const struct record *r, int fd, const char *path, struct err *e) MUST_CHECK;
/* Close the record, and remove it unless `left` is set. */
void record_done(struct record *r);
#define scoped_record __attribute__((cleanup(record_done)))

#endif

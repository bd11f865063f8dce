/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/job/build_group.h: whether a build has a control group of its own, and which.
 *
 * It must have one if the configuration limits it or asks for groups (`cgroups = on`), or if it may
 * make groups itself (the feature uid-range). Others have an optional one (`cgroups = auto`), which
 * tells what they used. The hook makes the group, the same way for all runtimes.
 */
#ifndef HOOK_JOB_BUILD_GROUP_H
#define HOOK_JOB_BUILD_GROUP_H

#include "hook/cgroup/group.h"
#include "hook/host/users.h"
#include "hook/job/job.h"
#include "hook/run/record.h"

struct build_group {
	struct cgroup_group g;
	struct cgroup_limits limits;
	char *named;     /* the group as linux.cgroupsPath; NULL: start the runtime inside it */
	bool hands_over; /* the build may make groups in it */
	bool optional;   /* the build can do without */
};
#define BUILD_GROUP_INIT ((struct build_group){.g = CGROUP_GROUP_INIT})
void build_group_done(struct build_group *b);

/*
 * Choose the group of J's build as USER in the container ID of RUN: none, or one whose name has the
 * derivation's hash, the user's id and this process's. UID_RANGE: the build has the feature. Makes
 * nothing, but RUN's supervisor may be moved to a scope of systemd's, in which the group is to be.
 */
int build_group_choose(const struct job *j, const char *id, bool uid_range,
		       const struct build_user *user, const struct run *run,
		       struct build_group *ret, struct err *e) MUST_CHECK;
/*
 * Make the group. Before, it is in the record R and on RUN's list. -1: *E; a limit that cannot be
 * kept is named, with the file and the reason. An optional one that cannot be made is dropped.
 */
int build_group_make(struct build_group *b, const struct record *r, struct run *run,
		     const struct build_user *user, struct err *e) MUST_CHECK;

/* Return the directory of B that counts memory, else any. It stays B's. NULL: there is no group. */
const char *build_group_dir(const struct build_group *b);

/* Tell whether a build that ended with R, RUN_OOM, met its own limit, not the machine's end. */
bool build_group_met_limit(const struct build_group *b, const struct run_result *r);
/*
 * Set *E for a build of DRV under RT that ended with R, RUN_OOM: what bounds its memory, what it
 * had of it, which process had most, and what to set. Returns -1.
 */
int build_group_report_oom(const struct build_group *b, const char *drv, const struct runtime *rt,
			   const struct run_result *r, struct err *e) MUST_CHECK;

#endif

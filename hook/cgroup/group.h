/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cgroup/group.h: the control group that the hook makes for a build.
 *
 *	cgroup_choose()    where it is to be
 *	                   ... record its directories, put them on the supervisor's list ...
 *	cgroup_make()      make it, with its limits
 *	cgroup_enter()     in the child that becomes the runtime
 *	cgroup_usage_read() (usage.h), cgroup_kill() (processes.h), cgroup_remove() (cgroup.h)
 *
 * With v2 a group is one directory. With v1 it is a directory in each hierarchy that counts or
 * bounds something of the build; on a hybrid machine some may be v1's and one v2's.
 */
#ifndef HOOK_CGROUP_GROUP_H
#define HOOK_CGROUP_GROUP_H

#include <stdbool.h>
#include <sys/types.h>

#include "hook/cgroup/limits.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

/* How the name of each build's group begins. The clean-up touches no other group by its record. */
#define CGROUP_BUILD_PREFIX "nix-build@"

struct cgroup_wish {
	const char *name;   /* the last component of its directories */
	const char *parent; /* below the root of each hierarchy, made if need be; "": see below */
	const struct cgroup_limits *limits;
	bool counts; /* also what only tells the use of memory, processors, disks and processes */
	/* With `counts`, without limits: only what changes no other group or was left to us. */
	bool optional;
	bool v2; /* it has a directory of v2, in which the build can make groups */
	/*
	 * For systemd: the process that is moved to the scope in which the group is, and stays
	 * there as long as the group (0: systemd is not asked), and the scope's name.
	 */
	pid_t keeper;
	const char *scope;
};

#define CGROUP_DIRS_MAX (CGROUP_CONTROLLERS + 1)
struct cgroup_group {
	struct strv dirs; /* empty: the build has no group */
	/* For each directory the key of a limit that needs it, or NULL. */
	const char *keys[CGROUP_DIRS_MAX];
	char *v2;          /* the one of v2, or NULL */
	size_t memory;     /* the index of the directory that counts memory, or of any */
	size_t v2_top_len; /* so long is the part of `v2` that is the mount point */
};
#define CGROUP_GROUP_INIT ((struct cgroup_group){.dirs = STRV_INIT})
void cgroup_group_done(struct cgroup_group *g);

/*
 * Find the directories of the group that W describes; they do not exist yet.
 *
 * Unless W names a parent:
 * With v1 they are in the groups of this process. With v2 the group is in the first of these that
 * has the controllers for the limits:
 *  1. this process's own group, if that is delegated: systemd says so, or, without systemd, this
 *     process may write to it. A group of v2 that gives controllers to others may have no processes
 *     itself, so those move to the group "supervisor" in it. A service of systemd's must have none
 *     already (DelegateSubgroup=), or it could not be started again during a build;
 *  2. the group above, if that is delegated;
 *  3. with systemd, a scope that it is asked for, in which W->keeper is (systemd.h);
 *  4. without systemd, the topmost group.
 * Without limits it is in this process's own group, as Nix has it. Without limits and W->v2, no
 * group is no error. One that is optional is there, or in the group above if systemd has delegated
 * that; where this process may not make groups there is none.
 */
int cgroup_choose(const struct cgroup_wish *w, struct cgroup_group *ret, struct err *e) MUST_CHECK;
/*
 * Make G with the limits L. All of its processes are to be killed where one is for want of memory
 * (v2). -1: *E; where a limit cannot be kept it names the key, the file and the reason. What was
 * made is the caller's to remove. *RET_SWAP_UNBOUNDED as of cgroup_limits_write().
 */
int cgroup_make(const struct cgroup_group *g, const struct cgroup_limits *l,
		bool *ret_swap_unbounded, struct err *e) MUST_CHECK;
/*
 * Let UID:GID create groups in the v2 group DIR and move processes between them. Nix lets the root
 * of a build do the same.
 */
int cgroup_hand_over(const char *dir, uid_t uid, gid_t gid, struct err *e) MUST_CHECK;
/* Move this process, which has one thread, into the group's directory DIR. */
int cgroup_enter(const char *dir, struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cgroup/cgroup.h: find the control groups that a runtime made for a container, and
 * remove groups, also those of the hook's own making (group.h).
 *
 * Works on cgroup v1, v2 and both at once (hybrid). A cgroup is named by its directory.
 * Runs in: the hook and the supervisor.
 */
#ifndef HOOK_CGROUP_CGROUP_H
#define HOOK_CGROUP_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

/* How control groups are mounted on this machine. */
enum cgroup_layout { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

int cgroup_layout_detect(enum cgroup_layout *ret, struct err *e) MUST_CHECK;
/*
 * Append to RET the directory of each cgroup of process PID that is not also this process's own and
 * whose last component contains ID. Directories that RET already contains are not added twice. A
 * process that has exited has no cgroups.
 */
int cgroup_find(pid_t pid, const char *id, struct strv *ret, struct err *e) MUST_CHECK;
/*
 * Append to RET the existing directories where runtimes put a container named ID by default: in
 * each hierarchy the group ID below this process's group, and the group ID below the root. Needs no
 * process of the container; on v1 an exiting process shows "/" instead of its cgroup.
 */
int cgroup_guess(const char *id, struct strv *ret, struct err *e) MUST_CHECK;
/*
 * Remove the groups DIRS and all groups below them. Their processes must have been killed; waits up
 * to a second for each group until they have left it.
 */
int cgroup_remove(const struct strv *dirs, struct err *e) MUST_CHECK;

#endif

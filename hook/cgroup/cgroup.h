/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cgroup/cgroup.h: find, read and remove the control groups that a runtime made for a
 * container, and make a group for a build that may create groups itself.
 *
 * Works on cgroup v1, v2 and both at once (hybrid). A cgroup is named by its directory.
 * Runs in: the hook, the supervisor, and the supervisor's child that becomes the runtime.
 */
#ifndef HOOK_CGROUP_CGROUP_H
#define HOOK_CGROUP_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

/* How control groups are mounted on this machine. */
enum cgroup_layout { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

enum cgroup_layout cgroup_layout_detect(void);
/*
 * Tell whether CONTROLLER ("memory") can limit a build here: whether the kernel lists it. No group
 * is made to try it.
 */
bool cgroup_has_controller(const char *controller);
/* Tell whether this process may create groups at the top of CONTROLLER's hierarchy. */
bool cgroup_may_create(const char *controller);
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

/*
 * Return the directory for a new v2 group named NAME: below this process's own group, as Nix does,
 * or, if TOPMOST, at the root of the v2 mount. Makes nothing.
 * Heap. NULL: *E; v2 is not mounted, or its mount does not show this process's group.
 */
char *cgroup_place(const char *name, bool topmost, struct err *e) MUST_CHECK;
/*
 * Make the v2 group DIR, and let UID:GID create groups in it and move processes between them. Nix
 * permits the root of a build the same, and no more. On failure the new group is removed.
 */
int cgroup_make(const char *dir, uid_t uid, gid_t gid, struct err *e) MUST_CHECK;
/* Move this process into the group DIR. */
int cgroup_enter(const char *dir, struct err *e) MUST_CHECK;
/*
 * Kill every process in the v2 group DIR and in the groups below it. Does nothing before Linux
 * 5.14, which brought cgroup.kill.
 */
void cgroup_kill(const char *dir);

#endif

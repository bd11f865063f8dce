/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cgroup/cgroup.h: the control groups that a container's runtime made: find, read and remove
 * them. And one of our own making, for a build that may make others in it.
 *
 * Works on cgroup v1, v2 and both at once (hybrid). A cgroup is named by its directory.
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
/* Whether CONTROLLER ("memory") can limit something here, as far as one can see without trying. */
bool cgroup_has_controller(const char *controller);
/* Tell whether this process may create groups at the top of CONTROLLER's hierarchy. */
bool cgroup_may_create(const char *controller);
/*
 * Append to RET the directories, not there yet, of the cgroups that process PID is in, this process
 * is not, and whose last component has ID in it. A process that is gone has none.
 */
int cgroup_find(pid_t pid, const char *id, struct strv *ret, struct err *e) MUST_CHECK;
/*
 * Append to RET where runtimes put a container named ID when they are not told: below the cgroups
 * of this process, or of the root, of each hierarchy. It needs no process; an exiting one of v1
 * shows "/" instead of its cgroup.
 */
int cgroup_guess(const char *id, struct strv *ret, struct err *e) MUST_CHECK;
/* How often the kernel killed for want of memory in these; what cannot be read counts as 0. */
uint64_t cgroup_oom_kills(const struct strv *dirs);
/*
 * Remove them and the ones below, whose processes must have been killed; waits for them a little.
 */
int cgroup_remove(const struct strv *dirs, struct err *e) MUST_CHECK;

/*
 * Where a group of v2 named NAME is to be made: in the group of this process, as Nix has it, or in
 * the TOPMOST that is mounted. Heap. NULL: *E; v2 is not mounted, or our own group is not to be
 * seen there.
 */
char *cgroup_place(const char *name, bool topmost, struct err *e) MUST_CHECK;
/*
 * Make the group DIR, and let UID:GID make groups in it and move processes between them, which is
 * all that Nix lets the root of a build do, too. A group that is not made is not left.
 */
int cgroup_make(const char *dir, uid_t uid, gid_t gid, struct err *e) MUST_CHECK;
/* Move this process into the group DIR. */
int cgroup_enter(const char *dir, struct err *e) MUST_CHECK;
/* Kill whatever is in the group of v2 DIR and those below (Linux 5.14; else nothing). */
void cgroup_kill(const char *dir);

#endif

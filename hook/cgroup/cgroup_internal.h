/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/cgroup/cgroup_internal.h: parts of hook/cgroup/cgroup.c, for its tests. */
#ifndef HOOK_CGROUP_CGROUP_INTERNAL_H
#define HOOK_CGROUP_CGROUP_INTERNAL_H

#include "hook/cgroup/cgroup.h"

/*
 * Do the work of cgroup_find() with texts: THEIRS is the /proc/PID/cgroup of the process looked at,
 * OURS that of this process, MOUNTINFO the /proc/self/mountinfo.
 */
int cgroup_match(const char *theirs, const char *ours, const char *mountinfo, const char *id,
		 struct strv *ret, struct err *e) MUST_CHECK;
/* Do the work of cgroup_place() with the texts of /proc/self/cgroup and /proc/self/mountinfo. */
char *cgroup_place_in(const char *ours, const char *mountinfo, const char *name, bool topmost,
		      struct err *e) MUST_CHECK;
/* Tell whether CONTROLLER is in TEXT (a /proc/self/cgroup) or in LIST (a cgroup.controllers). */
bool cgroup_lists(const char *text, const char *list, const char *controller);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/cgroup/cgroup_internal.h: parts of hook/cgroup/cgroup.c, for its tests. */
#ifndef HOOK_CGROUP_CGROUP_INTERNAL_H
#define HOOK_CGROUP_CGROUP_INTERNAL_H

#include "hook/cgroup/cgroup.h"

/*
 * From texts as in /proc/PID/cgroup (THEIRS, OURS) and /proc/self/mountinfo: append what
 * cgroup_find() does.
 */
int cgroup_match(const char *theirs, const char *ours, const char *mountinfo, const char *id,
		 struct strv *ret, struct err *e) MUST_CHECK;
/* The same for cgroup_place(). */
char *cgroup_place_in(const char *ours, const char *mountinfo, const char *name, bool topmost,
		      struct err *e) MUST_CHECK;
/* The number after the word KEY in text like memory.events, or 0. */
uint64_t cgroup_flat_value(const char *text, const char *key);

/* Whether CONTROLLER is in TEXT, a /proc/self/cgroup, or in LIST, a cgroup.controllers of v2. */
bool cgroup_lists(const char *text, const char *list, const char *controller);

#endif

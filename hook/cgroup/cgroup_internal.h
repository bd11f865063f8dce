/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/cgroup/cgroup_internal.h: parts of hook/cgroup/cgroup.c, for group.c and tests. */
#ifndef HOOK_CGROUP_CGROUP_INTERNAL_H
#define HOOK_CGROUP_CGROUP_INTERNAL_H

#include "hook/cgroup/cgroup.h"

/*
 * Do the work of cgroup_find() with texts: THEIRS is the /proc/PID/cgroup of the process looked at,
 * OURS that of this process, MOUNTINFO the /proc/self/mountinfo.
 */
int cgroup_match(const char *theirs, const char *ours, const char *mountinfo, const char *id,
		 struct strv *ret, struct err *e) MUST_CHECK;
/* The /proc/self/cgroup of this process, empty where there are no cgroups, and its mounts. */
struct cgroup_texts {
	struct buf ours, mounts;
};
#define CGROUP_TEXTS_INIT ((struct cgroup_texts){.ours = {0}})
int cgroup_texts_read(struct cgroup_texts *ret, struct err *e) MUST_CHECK;
static inline void cgroup_texts_done(struct cgroup_texts *t)
{
	buf_done(&t->ours);
	buf_done(&t->mounts);
}
#define scoped_texts __attribute__((cleanup(cgroup_texts_done)))
/*
 * Return the directory of this process's group in the hierarchy of v1's CONTROLLER (NULL: that of
 * v2), or, if TOPMOST, its mount point. Heap. NULL without *E: there is none, or the mount does not
 * show it.
 */
char *cgroup_own(const struct cgroup_texts *t, const char *controller, bool topmost,
		 struct err *e) MUST_CHECK;

/* Tell whether CONTROLLER is in TEXT (a /proc/self/cgroup) or in LIST (a cgroup.controllers). */
bool cgroup_lists(const char *text, const char *list, const char *controller);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cgroup/processes.h: the processes of a control group and of the groups below it.
 */
#ifndef HOOK_CGROUP_PROCESSES_H
#define HOOK_CGROUP_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Call FN with CTX and each process of the group DIR, and, if BELOW, of the groups below it.
 * Returns how many there were; a group that is gone has none. A process may have ended, or have
 * left the group, when FN hears of it.
 */
size_t cgroup_each_process(const char *dir, bool below, void (*fn)(void *ctx, pid_t pid),
			   void *ctx);
/*
 * Kill all processes of the group DIR and of the groups below: by cgroup.kill (v2, Linux 5.14),
 * else one by one for up to a second. The last component of DIR is no other group's.
 */
void cgroup_kill(const char *dir);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/clone_into.h: start a child inside a control group.
 *
 * A process that moves itself into a group of cgroup v2 waits for all processors (kernel:
 * cgroup_threadgroup_rwsem), often for some milliseconds. A child that begins there does not.
 */
#ifndef HOOK_RUN_CLONE_INTO_H
#define HOOK_RUN_CLONE_INTO_H

#include <sys/types.h>

/*
 * Start a child as vfork(2) does, in the v2 group whose directory GROUP_FD is open. The child calls
 * FN(ARG), which must not return, on a stack of its own, and shares this process's memory until it
 * executes a program or exits. Signals must be blocked.
 * Returns the child's process id; -1: the child cannot be started so (errno), perhaps by vfork(2).
 */
pid_t clone_into(int group_fd, void (*fn)(void *arg), void *arg);

#endif

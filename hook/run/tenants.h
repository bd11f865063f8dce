/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/tenants.h: the processes that have a directory mounted.
 *
 * What a container has of the disk tells whose it is, when all that started it is dead and the
 * runtime's own record of it is gone: each of its processes has the bundle's scratch directories
 * among its mounts (proc_pid_mountinfo(5)), and those are one run's alone.
 */
#ifndef HOOK_RUN_TENANTS_H
#define HOOK_RUN_TENANTS_H

#include "nar/base/err.h"

/*
 * Kill every process that has a directory of DIR/SUB mounted, and wait for their end. DIR is an
 * absolute path, SUB a name in it.
 */
int tenants_kill(const char *dir, const char *sub, struct err *e) MUST_CHECK;

#endif

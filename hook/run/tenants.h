/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/tenants.h: kill the processes of a container that outlived its hook and its supervisor.
 *
 * Runs in: the hook of a later build.
 *
 * The supervisor is dead, and the runtime's own record of the container may be gone. But each
 * process of the container has the bundle's scratch directories among its mounts
 * (proc_pid_mountinfo(5)), and no other run mounts those. Such a process is called a tenant.
 */
#ifndef HOOK_RUN_TENANTS_H
#define HOOK_RUN_TENANTS_H

#include "nar/base/err.h"

/*
 * Kill every process that has a directory in DIR/SUB mounted, and wait for their end. DIR is an
 * absolute path, SUB the name of a directory in it.
 */
int tenants_kill(const char *dir, const char *sub, struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cgroup/systemd.h: have systemd give a process a control group that is left to it.
 *
 * Where systemd runs, all groups of v2 are its own, but those that it delegates. It takes the
 * controllers from a group that it does not know, with the limits that these kept, when it
 * starts or stops some unit.
 */
#ifndef HOOK_CGROUP_SYSTEMD_H
#define HOOK_CGROUP_SYSTEMD_H

#include <stdbool.h>
#include <sys/types.h>

#include "nar/base/err.h"

/* The slice in which the groups of builds are, unless they are elsewhere. */
#define SYSTEMD_SLICE "nix-builds.slice"

/* Tell whether this machine was started by systemd (sd_booted(3)). */
bool systemd_runs(void);
/*
 * Have systemd move process PID into a new scope NAME of SYSTEMD_SLICE, which is delegated and ends
 * with the last of its processes. Without root it is the user's own systemd. It is asked by
 * busctl(1), over D-Bus.
 * Returns the scope's directory in the hierarchy of v2. Heap. NULL: *E.
 */
char *systemd_make_scope(const char *name, pid_t pid, struct err *e) MUST_CHECK;

#endif

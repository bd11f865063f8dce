/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/runtime/runtime_internal.h: how runtime.c decides whether a runtime can run, for its tests.
 */
#ifndef HOOK_RUNTIME_RUNTIME_INTERNAL_H
#define HOOK_RUNTIME_RUNTIME_INTERNAL_H

#include "hook/runtime/runtime.h"

/* Facts about this machine that decide, besides struct runtime, whether a runtime can run. */
struct runtime_here {
	bool may_mount;               /* this process may mount in a mount namespace of its own */
	bool unified_has_controllers; /* the cgroup2 mount of a hybrid layout has controllers */
	bool tmpfs;                   /* a tmpfs is mounted at /sys/fs/cgroup */
};

/* Tell why RT would certainly refuse to run HERE. NULL: it may work. */
const char *runtime_cannot_run(const struct runtime *rt, const struct runtime_here *here);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/runtime/runtime_internal.h: what runtime.c decides by, for its tests.
 */
#ifndef HOOK_RUNTIME_RUNTIME_INTERNAL_H
#define HOOK_RUNTIME_RUNTIME_INTERNAL_H

#include "hook/runtime/runtime.h"

/* What a runtime's fitness depends on besides struct runtime. */
struct runtime_here {
	bool may_mount;               /* this process, in a mount namespace of its own */
	bool unified_has_controllers; /* the cgroup2 mount of a hybrid layout */
	bool tmpfs;                   /* is at /sys/fs/cgroup */
	bool limits;                  /* the configuration asks for some */
};

/* Tell why RT would certainly refuse to run HERE. NULL: it may work. */
const char *runtime_cannot_run(const struct runtime *rt, const struct runtime_here *here);

#endif

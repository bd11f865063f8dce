/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cgroup/limits.h: what a build may use, and the files of control groups that bound it.
 *
 * A limit is tried: whether it can be kept is what the kernel says to the write.
 */
#ifndef HOOK_CGROUP_LIMITS_H
#define HOOK_CGROUP_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

/* Parts of the kernel that count or bound something, as bits of a set. */
enum cgroup_controller {
	CGROUP_MEMORY = 1 << 0,
	CGROUP_PIDS = 1 << 1,
	CGROUP_CPU = 1 << 2,
	CGROUP_IO = 1 << 3,
	CGROUP_CPUACCT = 1 << 4, /* v2 counts without a controller */
};
#define CGROUP_CONTROLLERS 5
/* Those that count what a build uses. */
#define CGROUP_COUNTERS (CGROUP_MEMORY | CGROUP_PIDS | CGROUP_IO | CGROUP_CPUACCT)

/* Return what v2 (or V1) calls the controller C; NULL: it has none like it. */
const char *cgroup_controller_name(enum cgroup_controller c, bool v1);

/* 0: no limit, unless it says something else. */
struct cgroup_limits {
	uint64_t memory_max, memory_high; /* bytes */
	uint64_t swap_max;                /* bytes, with `bounds_swap`; 0 is a limit then */
	uint64_t pids_max;                /* processes and threads */
	uint64_t cpu_max;                 /* thousandths of a processor */
	uint64_t cpu_weight, io_weight;   /* 1 to 10000; what has none has 100 */
	bool bounds_swap;
};

/* Return the set of controllers that keep the limits of L; 0: L limits nothing. */
unsigned cgroup_limits_controllers(const struct cgroup_limits *l);
/* Return the configuration's key of the first limit of L that needs one of CONTROLLERS, or NULL. */
const char *cgroup_limits_key(const struct cgroup_limits *l, unsigned controllers);
/*
 * Write L into the new group of the directories DIRS, which has no processes yet. -1: *E names the
 * key of the limit that cannot be kept, the file, and the reason. Swap is the exception: a kernel
 * that does not count it leaves *RET_SWAP_UNBOUNDED true.
 */
int cgroup_limits_write(const struct cgroup_limits *l, const struct strv *dirs,
			bool *ret_swap_unbounded, struct err *e) MUST_CHECK;

#endif

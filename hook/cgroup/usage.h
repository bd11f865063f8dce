/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cgroup/usage.h: read what the processes of a control group have used.
 *
 *	struct cgroup_usage u;
 *	cgroup_usage_read(&dirs, &u);
 *	if (u.memory_peak_bytes.known)
 *		...
 *
 * Read while the group exists; most values outlive the group's processes. A value that this kernel
 * or this version of control groups does not count is not known, which is no error. All values
 * include groups below the group, such as a runtime makes.
 *
 * Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ in the kernel.
 */
#ifndef HOOK_CGROUP_USAGE_H
#define HOOK_CGROUP_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "nar/base/buf.h"

struct cgroup_value {
	uint64_t n; /* 0 unless known */
	bool known;
};

/* For how long processes waited for one resource (PSI), in microseconds; v2 only. */
struct cgroup_pressure {
	struct cgroup_value some_usec; /* at least one process waited */
	struct cgroup_value full_usec; /* all processes waited */
};

struct cgroup_usage {
	struct cgroup_value memory_bytes;      /* now */
	struct cgroup_value memory_peak_bytes; /* v1; v2 since Linux 5.19 */
	struct cgroup_value swap_peak_bytes;   /* v2 since Linux 6.5 */
	struct cgroup_value cpu_user_usec, cpu_system_usec;
	struct cgroup_value io_read_bytes, io_written_bytes; /* of block devices */
	struct cgroup_value pids_peak;                       /* since Linux 6.6 */
	struct cgroup_value pids_refused; /* if not 0, pids-max did not let a process start */
	struct cgroup_value oom_kills;    /* v1 since Linux 4.13 */
	struct cgroup_pressure memory_pressure, io_pressure, cpu_pressure;
};

/*
 * Fill *RET from the directories DIRS of a group: one with v2, one for each hierarchy with v1. Each
 * value comes from the first directory that knows it.
 */
void cgroup_usage_read(const struct strv *dirs, struct cgroup_usage *ret);
/*
 * Count how often the kernel killed a process in the groups DIRS, or in a group below one of them,
 * because memory ran out: the group's or the machine's. Not known: no counter can be read.
 */
struct cgroup_value cgroup_oom_kills(const struct strv *dirs);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/host/cores.h: how many processors this process may keep busy.
 *
 * As Nix counts them (current-process.cc, getMaxCPU): the quota of our cgroup v2, rounded up, else
 * all that are online. Affinity does not count.
 */
#ifndef HOOK_HOST_CORES_H
#define HOOK_HOST_CORES_H

/* At least 1. */
unsigned cores_of_machine(void);
/* The quota by the text of /proc/self/cgroup and the directory of the cgroup2 mount. 0: none. */
unsigned cores_by_quota(const char *proc_cgroup, const char *cgroup_root);

#endif

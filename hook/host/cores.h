/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/host/cores.h: how many processors this process may keep busy.
 *
 * Counts them as Nix does (current-process.cc, getMaxCPU): the CPU quota of this process's v2
 * cgroup, rounded up; without a quota all processors that are online. Affinity does not count.
 */
#ifndef HOOK_HOST_CORES_H
#define HOOK_HOST_CORES_H

/* Return how many processors this process may keep busy, at least 1. */
unsigned cores_of_machine(void);
/*
 * Return the quota in whole processors, given the text of /proc/self/cgroup and the directory where
 * cgroup2 is mounted. 0: there is no quota, or none that can be read.
 */
unsigned cores_by_quota(const char *proc_cgroup, const char *cgroup_root);

#endif

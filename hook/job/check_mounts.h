/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/job/check_mounts.h: whether this machine's mounts let a build start.
 */
#ifndef HOOK_JOB_CHECK_MOUNTS_H
#define HOOK_JOB_CHECK_MOUNTS_H

#include "hook/job/job.h"
#include "nar/base/err.h"

/*
 * Fail with a reason and a way out where J cannot start because of how the machine is mounted: no
 * /proc, or a program that is certainly executed lies on a noexec mount. The kernel and the runtime
 * would name neither. DIR is where bundles are created on the disk; UNPACKED_INPUTS: builds read
 * the input cache instead of the store. runsc has a kernel of its own, which may execute all the
 * same, so it is not kept from trying.
 */
int check_mounts(const struct job *j, const char *dir, bool unpacked_inputs,
		 struct err *e) MUST_CHECK;

#endif

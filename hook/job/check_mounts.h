/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/job/check_mounts.h: whether this machine's mounts let a build start.
 */
#ifndef HOOK_JOB_CHECK_MOUNTS_H
#define HOOK_JOB_CHECK_MOUNTS_H

#include "hook/job/job.h"
#include "nar/base/err.h"

/*
 * Fail with a reason and a way out if J cannot start because of this machine's mounts: /proc is not
 * mounted, /sys is not and the runtime needs it, or a program that is certainly executed lies on a
 * noexec mount. The kernel and the runtime would name none of these. DIR is where bundles are
 * created on the disk. UNPACKED_INPUTS: builds read the input cache instead of the store. With
 * runsc noexec is not checked, because gVisor's kernel may execute the program all the same.
 */
int check_mounts(const struct job *j, const char *dir, bool unpacked_inputs,
		 struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/base/fds.h: close descriptors that were open when this process started.
 */
#ifndef HOOK_BASE_FDS_H
#define HOOK_BASE_FDS_H

#include "nar/base/err.h"

/*
 * Close all descriptors from FIRST to LAST, by close_range(2). Before Linux 5.9, and in sandboxes
 * that refuse system calls they do not know, close those that /proc/self/fd lists.
 */
int fds_close(unsigned first, unsigned last, struct err *e) MUST_CHECK;

#endif

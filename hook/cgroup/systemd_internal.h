/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/cgroup/systemd_internal.h: a part of hook/cgroup/systemd.c, for tests. */
#ifndef HOOK_CGROUP_SYSTEMD_INTERNAL_H
#define HOOK_CGROUP_SYSTEMD_INTERNAL_H

#include <stdint.h>

#include "hook/cgroup/systemd.h"

/* Do the work of systemd_make_scope(), which waits for WAIT_MS until PID is in the scope. */
char *systemd_make_scope_within(const char *name, pid_t pid, int64_t wait_ms,
				struct err *e) MUST_CHECK;

#endif

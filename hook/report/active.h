/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/report/active.h: the record of a running build that `nix ps` of Determinate Nix reads.
 *
 * A file <state>/active-builds/<pid>-<n> with JSON, on which flock(2) is held as long as the build
 * runs; a file that is not locked is of a build that died, and readers remove it. Nix makes the
 * directory (LocalStore's constructor), so where there is none there is nobody to read it, and
 * nothing is written. Source: Determinate Nix's src/libstore/active-builds.cc and
 * local-store-active-builds.cc, of 2026.
 */
#ifndef HOOK_REPORT_ACTIVE_H
#define HOOK_REPORT_ACTIVE_H

#include <sys/types.h>

#include "hook/report/report.h"
#include "nar/base/err.h"

struct active {
	char *path; /* NULL: no file is wanted */
	int fd;     /* holds the lock, as every copy of it does; -1: none */
};
#define ACTIVE_INIT      \
	{                \
		NULL, -1 \
	}

/*
 * Make the file, locked and empty, which readers skip. NIX_STATE_DIR is Nix's state directory.
 * Stale files in it are removed. It is for the caller to have the file removed in the end.
 */
int active_open(struct active *a, const char *nix_state_dir, struct err *e) MUST_CHECK;
/*
 * Fill it: the build of R, whose processes are descendants of MAIN_PID or in the control group
 * CGROUP (NULL: none), and run as UID.
 */
int active_write(const struct active *a, const struct report *r, pid_t main_pid, uid_t uid,
		 const char *cgroup, struct err *e) MUST_CHECK;
void active_done(struct active *a); /* the file stays */
#define scoped_active __attribute__((cleanup(active_done)))

#endif

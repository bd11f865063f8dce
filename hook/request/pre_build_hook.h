/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/request/pre_build_hook.h: run Nix's pre-build-hook, a program of the machine's owner that
 * names more paths of the machine for a build to see.
 *
 * The program gets the derivation's path and the root directory of the build, which does not
 * contain mount points for inputs and host paths yet. It may print lists of paths, each as
 *
 *	extra-sandbox-paths      (or the old name extra-chroot-dirs)
 *	target=source            any number of lines; or one path that is both
 *	                         an empty line
 *
 * As in Nix each path must exist, its closure is not added, and a last line without a line feed
 * does not count.
 */
#ifndef HOOK_REQUEST_PRE_BUILD_HOOK_H
#define HOOK_REQUEST_PRE_BUILD_HOOK_H

#include "hook/request/make.h"

/* Tell whether the settings name a pre-build-hook. */
bool pre_build_hook_is_set(const struct settings *s);
/*
 * Run the pre-build-hook for the build of IN, whose root directory is ROOT, and add the paths that
 * it names to R. Its standard error is LOG_FD.
 */
int pre_build_hook_run(const struct request_source *in, const char *root, int log_fd,
		       struct request *r, struct err *e) MUST_CHECK;

#endif

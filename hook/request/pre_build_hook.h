/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/request/pre_build_hook.h: Nix's pre-build-hook, a program of the machine's owner that names
 * more paths of the machine for a build to see.
 *
 * It gets the derivation's path and the root directory of the build, in which only /etc, /tmp and
 * the mount points of the store and the build directory are yet. What it prints: the line
 * "extra-sandbox-paths" (or its old name "extra-chroot-dirs"), then one path a line,
 * `target=source` or both in one, then an empty line; that as often as it likes. As in Nix a path
 * has to be there, brings no closure, and a last line without its end does not count.
 */
#ifndef HOOK_REQUEST_PRE_BUILD_HOOK_H
#define HOOK_REQUEST_PRE_BUILD_HOOK_H

#include "hook/request/make.h"

/* Whether the settings name one. */
bool pre_build_hook_is_set(const struct settings *s);
/* Run it for the build of IN, and add what it names to R. Its standard error goes to LOG_FD. */
int pre_build_hook_run(const struct request_source *in, const char *root, int log_fd,
		       struct request *r, struct err *e) MUST_CHECK;

#endif

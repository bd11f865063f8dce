/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/request/launcher.h: run a request's command by the launcher (launch/launch.c).
 *
 * The launcher's program is a part of this one. It is put into the build directory as one of the
 * request's additional files, with command and environment behind it; so what a runtime and its
 * config.json cannot say, bytes that are no UTF-8 and an argv[0] of its own, is said all the same.
 */
#ifndef HOOK_REQUEST_LAUNCHER_H
#define HOOK_REQUEST_LAUNCHER_H

#include <stdbool.h>

#include "launch/launch.h"
#include "nar/base/err.h"
#include "specgen/request.h"

/* There is none for some machines; launcher_wrap() then does nothing. */
bool launch_available(void);
/*
 * Make R, which is complete, one whose command is the launcher. SIGPIPE is to be ignored by the
 * build where it is now ignored by this process: so it is with Nix. FLAGS are those of
 * launch/launch.h; LAUNCH_DIE_WITH_PARENT needs a parent that waits for the builder.
 */
int launcher_wrap(struct request *r, uint32_t flags, struct err *e) MUST_CHECK;

#endif

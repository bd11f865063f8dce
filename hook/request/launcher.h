/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/request/launcher.h: make a request run its command by the launcher (launch/launch.c).
 *
 * The bytes of the launcher's program are contained in this program. They become an additional file
 * of the request in the build directory, with the command and the environment behind them. So the
 * builder can get what config.json cannot express: bytes that are not UTF-8, and an argv[0] that
 * differs from its path.
 */
#ifndef HOOK_REQUEST_LAUNCHER_H
#define HOOK_REQUEST_LAUNCHER_H

#include <stdbool.h>

#include "launch/launch.h"
#include "nar/base/err.h"
#include "specgen/request.h"

/* Tell whether there is a launcher for this machine; else launcher_wrap() does nothing. */
bool launch_available(void);
/*
 * Make the launcher the command of R, which must be complete. The builder ignores SIGPIPE if this
 * process ignores it now, as with Nix. FLAGS are LAUNCH_... of launch/launch.h;
 * LAUNCH_DIE_WITH_PARENT needs a parent that waits for the builder.
 */
int launcher_wrap(struct request *r, uint32_t flags, struct err *e) MUST_CHECK;

#endif

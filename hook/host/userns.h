/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/host/userns.h: whether a build can have a user namespace, and how it runs without one.
 *
 * The machine may allow no user namespace (user.max_user_namespaces is 0), or the container in
 * which the hook runs may forbid them. Nix as root then builds without one: the builder has the
 * ids of its build user, inside as well as outside. The hook does the same, but only where Nix's
 * setting sandbox-fallback allows a weaker sandbox.
 */
#ifndef HOOK_HOST_USERNS_H
#define HOOK_HOST_USERNS_H

#include "hook/nix/settings.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "specgen/spec.h"

/*
 * Try to make a user namespace, which is gone when this returns.
 * Returns 0, or the errno that says why it cannot be made.
 */
int userns_try(void) MUST_CHECK;
/*
 * Change H, which machine_describe() filled, so that the build runs without a user namespace: with
 * the ids outside to which H maps its ids. Append to WARNING that it does. WHY is what userns_try()
 * returned. NEEDED: the runtime needs a user namespace.
 * -1: this build must have one, or sandbox-fallback is false; *E says what to change.
 */
int userns_do_without(struct spec_host *h, int why, bool needed, const struct settings *s,
		      struct buf *warning, struct err *e) MUST_CHECK;

#endif

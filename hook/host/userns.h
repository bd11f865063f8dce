/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/host/userns.h: whether a build can have a user namespace of its own, and what is done where
 * it cannot.
 *
 * The number of them may be limited to none (user.max_user_namespaces), or what we run in forbids
 * them. Root's Nix builds all the same then: the builder has its build user's ids outside and
 * inside. So do we, but only where Nix's setting sandbox-fallback allows a weaker sandbox.
 */
#ifndef HOOK_HOST_USERNS_H
#define HOOK_HOST_USERNS_H

#include "hook/host/users.h"
#include "hook/nix/settings.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "specgen/spec.h"

/* Make one, which is gone when this returns. 0, or why there is none, as an errno. */
int userns_try(void) MUST_CHECK;
/*
 * WHY is what userns_try() says: let the build of USER that H describes do without a user
 * namespace, of which WARNING is to be told; or else -1, with what is in the way and what to do.
 * NEEDED: the runtime cannot do without.
 */
int userns_do_without(struct spec_host *h, int why, bool needed, const struct settings *s,
		      const struct build_user *user, struct buf *warning, struct err *e) MUST_CHECK;

#endif

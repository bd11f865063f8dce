/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/job/decide.h: whether the hook accepts a derivation that Nix offers.
 */
#ifndef HOOK_JOB_DECIDE_H
#define HOOK_JOB_DECIDE_H

#include "hook/conf/policy.h"
#include "hook/drv/derivation.h"
#include "hook/nix/protocol.h"
#include "hook/nix/settings.h"
#include "hook/store/store.h"
#include "nar/base/err.h"

enum decision {
	DECIDE_ACCEPT,
	DECIDE_DECLINE, /* Nix may build it itself, unless its max-jobs is 0 */
	DECIDE_FOREIGN, /* neither the hook nor Nix can build it on this machine */
};

/* What decides whether a derivation can be built: this machine and its settings. */
struct decide_here {
	const struct settings *settings;
	struct store *store;
	const struct policy *policy; /* defines system features */
};

/*
 * Decide about D, the derivation of the question T. If it is not accepted, WHY gets a line for
 * people that says why.
 * Returns -1: *E; a setting of Nix or the store cannot be read.
 */
int decide(const struct decide_here *here, const struct proto_try *t, const struct drv *d,
	   enum decision *ret, struct buf *why, struct err *e) MUST_CHECK;

#endif

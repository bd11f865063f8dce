/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/job/decide.h: whether a derivation that Nix offers is one for us.
 */
#ifndef HOOK_JOB_DECIDE_H
#define HOOK_JOB_DECIDE_H

#include "hook/drv/derivation.h"
#include "hook/nix/protocol.h"
#include "hook/nix/settings.h"
#include "hook/store/store.h"
#include "nar/base/err.h"

enum decision {
	DECIDE_ACCEPT,
	DECIDE_DECLINE, /* Nix may build it itself, where it builds anything itself */
	DECIDE_FOREIGN, /* neither we nor Nix can build it on this machine */
};

/*
 * D is the derivation of T. WHY gets a line for people that says why it is declined. -1 with *E:
 * a setting of Nix cannot be read.
 */
int decide(const struct proto_try *t, const struct drv *d, const struct settings *s,
	   struct store *st, enum decision *ret, struct buf *why, struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/request/narrow.h: the configuration that holds for one derivation. */
#ifndef HOOK_REQUEST_NARROW_H
#define HOOK_REQUEST_NARROW_H

#include "hook/conf/conf.h"
#include "hook/drv/attrs.h"
#include "nar/base/err.h"

/* What the conditions of sections are asked of (hook/conf/policy.h), and what holds its texts. */
struct build_subject {
	struct policy_subject subject;
	struct strv features;
	char *pname, *user;
};
#define BUILD_SUBJECT_INIT    \
	{                     \
		.pname = NULL \
	}

/*
 * Fill RET from the derivation D, which has to outlive it. The user is the one whose process this
 * is. Root has no name here: Nix's daemon is root for everybody, and tells no hook for whom.
 */
int build_subject(const struct drv *d, struct build_subject *ret, struct err *e) MUST_CHECK;
void build_subject_done(struct build_subject *b);
#define scoped_build_subject __attribute__((cleanup(build_subject_done)))

/* Change C into what holds for the derivation D. Without sections nothing changes. */
int conf_narrow(struct conf *c, const struct drv *d, struct err *e) MUST_CHECK;

#endif

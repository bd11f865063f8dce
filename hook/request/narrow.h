/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/request/narrow.h: narrow the configuration to what holds for one derivation. */
#ifndef HOOK_REQUEST_NARROW_H
#define HOOK_REQUEST_NARROW_H

#include "hook/conf/conf.h"
#include "hook/drv/attrs.h"
#include "nar/base/err.h"

/* The build that conditions of sections are asked of (hook/conf/policy.h), and its texts. */
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
 * Fill RET from the derivation D, which must outlive RET. The user is that of this process. Root
 * gets no name, because Nix's daemon is root and does not tell a hook for which user it builds.
 */
int build_subject(const struct drv *d, struct build_subject *ret, struct err *e) MUST_CHECK;
void build_subject_done(struct build_subject *b);
#define scoped_build_subject __attribute__((cleanup(build_subject_done)))

/* Set the keys of C that sections of the configuration set for the derivation D. */
int conf_narrow(struct conf *c, const struct drv *d, struct err *e) MUST_CHECK;

#endif

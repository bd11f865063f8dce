/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/request/narrow.h"

#include <stdlib.h>
#include <unistd.h>

#include "hook/base/account.h"
#include "hook/drv/pname.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/*
 * Set B->user to the login name of this process's user. It stays NULL, which matches no pattern,
 * for root and for a user that this machine does not know.
 */
static int find_user(struct build_subject *b, struct err *e)
{
	const struct passwd *pw = NULL;

	/* A failure is none that may go on: a section for the user may have a limit for it. */
	if (geteuid() && account_user_of(geteuid(), &pw, e) < 0)
		return -1;
	if (pw && !(b->user = str_dup(pw->pw_name, e)))
		return -1;
	return 0;
}

int build_subject(const struct drv *d, struct build_subject *ret, struct err *e)
{
	scoped_attrs struct attrs a = ATTRS_INIT;
	scoped_build_subject struct build_subject b = BUILD_SUBJECT_INIT;

	if (attrs_open(&a, d, e) < 0 ||
	    attrs_list(&a, "requiredSystemFeatures", &b.features, e) < 0)
		return -1;
	b.pname = drv_pname(&a, e);
	if (!b.pname || find_user(&b, e) < 0)
		return -1;
	*ret = TAKE(b, (struct build_subject)BUILD_SUBJECT_INIT);
	ret->subject = (struct policy_subject){
		.name = d->name,
		.pname = ret->pname,
		.system = d->system,
		.user = ret->user,
		.features = &ret->features,
		.fixed_output = drv_is_fixed(d),
	};
	return 0;
}

void build_subject_done(struct build_subject *b)
{
	strv_done(&b->features);
	free(b->pname);
	free(b->user);
	*b = (struct build_subject)BUILD_SUBJECT_INIT;
}

int conf_narrow(struct conf *c, const struct drv *d, struct err *e)
{
	scoped_build_subject struct build_subject b = BUILD_SUBJECT_INIT;

	if (!c->policy.n)
		return 0;
	return build_subject(d, &b, e) < 0 ? -1 : policy_narrow(c, &b.subject, e);
}

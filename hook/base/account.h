/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/base/account.h: look up the users and groups of this machine.
 *
 * getpwnam(3) and its kin return NULL for an account that does not exist and for one that cannot be
 * looked up now. These functions tell the two apart. *RET is the C library's own memory, which the
 * next lookup overwrites; it is NULL if there is no such account.
 */
#ifndef HOOK_BASE_ACCOUNT_H
#define HOOK_BASE_ACCOUNT_H

#include <grp.h>
#include <pwd.h>

#include "nar/base/err.h"

int account_user(const char *name, const struct passwd **ret, struct err *e) MUST_CHECK;
int account_user_of(uid_t uid, const struct passwd **ret, struct err *e) MUST_CHECK;
int account_group(const char *name, const struct group **ret, struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HOOK_REQUEST_PRE_BUILD_HOOK_INTERNAL_H
#define HOOK_REQUEST_PRE_BUILD_HOOK_INTERNAL_H

#include "hook/request/pre_build_hook.h"

/* Append the paths that the LEN bytes at TEXT name to RET, as they stand. */
int pre_build_hook_parse(const char *text, size_t len, struct strv *ret, struct err *e) MUST_CHECK;

#endif

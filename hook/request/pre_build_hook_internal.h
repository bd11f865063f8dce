/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HOOK_REQUEST_PRE_BUILD_HOOK_INTERNAL_H
#define HOOK_REQUEST_PRE_BUILD_HOOK_INTERNAL_H

#include "hook/request/pre_build_hook.h"

/* Parse the LEN bytes at TEXT that a pre-build-hook printed, and append its paths to RET as is. */
int pre_build_hook_parse(const char *text, size_t len, struct strv *ret, struct err *e) MUST_CHECK;

#endif

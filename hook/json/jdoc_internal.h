/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/json/jdoc_internal.h: functions that jdoc.c and jdoc_read.c share.
 */
#ifndef HOOK_JSON_JDOC_INTERNAL_H
#define HOOK_JSON_JDOC_INTERNAL_H

#include "hook/json/jdoc.h"

void jdoc_member_done(struct jdoc_member *m);
/* Compare keys by bytes; a prefix comes first. Returns < 0, 0 or > 0. */
int jdoc_key_cmp(const char *a, size_t a_len, const char *b, size_t b_len);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HOOK_KEEP_INTERNAL_H
#define HOOK_KEEP_INTERNAL_H

#include "hook/keep.h"

/*
 * Copy what is in directory FROM into directory TO (descriptors), with modes, owners and times.
 * Hard links become files of their own; sockets are left out. WHAT is FROM's path for messages.
 */
int keep_copy_tree(int from, int to, const char *what, struct err *e) MUST_CHECK;

#endif

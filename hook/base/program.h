/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/base/program.h: where the other programs of this package are.
 */
#ifndef HOOK_BASE_PROGRAM_H
#define HOOK_BASE_PROGRAM_H

#include "nar/base/err.h"

/*
 * The path of the program NAME: beside this one, as where neither is installed, else where it is
 * installed, whether it is there or not. Heap; NULL: *E.
 */
char *program_path(const char *name, struct err *e) MUST_CHECK;

#endif

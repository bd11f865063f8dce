/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/base/program.h: find the other programs of this package.
 */
#ifndef HOOK_BASE_PROGRAM_H
#define HOOK_BASE_PROGRAM_H

#include "nar/base/err.h"

/*
 * Return the path of the program NAME. If it lies beside this program, as in a build tree, that is
 * its path; else the path where it gets installed, even if it is not there. Heap. NULL: *E.
 */
char *program_path(const char *name, struct err *e) MUST_CHECK;

#endif

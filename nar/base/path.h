/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/path.h: paths as text.
 */
#ifndef NAR_BASE_PATH_H
#define NAR_BASE_PATH_H

#include "nar/base/err.h"

/*
 * Return PATH without empty, "." and ".." components and trailing '/', as Nix's canonPath() does.
 * No link is followed. A relative PATH is read as if it began at "/". Heap. NULL: *E.
 */
char *path_clean(const char *path, struct err *e) MUST_CHECK;

#endif

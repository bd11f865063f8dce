/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/outputs/optimise.h: equal files of a store become one file (Nix's setting
 * auto-optimise-store).
 *
 * As Nix has it: `.links` in the store holds a hard link to each file and symbolic link, under the
 * hash of its NAR in base 32, so an executable file is not equal to one that is none. What is there
 * already takes the place of what was built. A link count or a directory that is full only means
 * that a file stays its own.
 */
#ifndef HOOK_OUTPUTS_OPTIMISE_H
#define HOOK_OUTPUTS_OPTIMISE_H

#include "nar/base/err.h"

/*
 * The tree DIRFD/NAME, which is canonical and nobody else's, on the mount of the store directory
 * STORE_FD. WHAT is its path for messages. For a moment there is one more entry in DIRFD.
 */
int optimise_tree(int store_fd, int dirfd, const char *name, const char *what,
		  struct err *e) MUST_CHECK;

#endif

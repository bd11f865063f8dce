/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/outputs/optimise.h: make equal files of a store one file (Nix's setting
 * auto-optimise-store).
 *
 * This works as in Nix. `.links` in the store contains a hard link to each file and symbolic link,
 * named by the hash of the file's NAR in base 32. So an executable file and a plain one are not
 * equal. A file that `.links` contains already replaces the built one. If the file has as many
 * links as the file system allows, or `.links` is full, the built file stays.
 */
#ifndef HOOK_OUTPUTS_OPTIMISE_H
#define HOOK_OUTPUTS_OPTIMISE_H

#include "nar/base/err.h"

/*
 * Optimise the tree DIRFD/NAME, which must be canonical, on the mount of the store directory
 * STORE_FD, and used by no other process. WHAT is its path, for messages. For a moment DIRFD
 * contains one more entry.
 */
int optimise_tree(int store_fd, int dirfd, const char *name, const char *what,
		  struct err *e) MUST_CHECK;

#endif

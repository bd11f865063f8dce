/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/restore.h: a NAR, or a tree, made into files.
 *
 * The root is DIRFD/NAME and must not exist; a symbolic link there counts as something that
 * exists. Everything below is created with O_EXCL, by the descriptor of its directory and without
 * following links, so nothing outside the root is reached, whatever others do to it meanwhile.
 * What is refused or fails leaves nothing: the root is removed again. WHAT is its path for
 * messages.
 */
#ifndef NAR_RESTORE_H
#define NAR_RESTORE_H

#include "nar/dump.h"
#include "nar/err.h"
#include "nar/nar.h"
#include "nar/reader.h"

enum nar_restore_flags {
	/*
	 * As things look in a store: modes 0444 and 0555, times 1. Else as Nix restores: modes 0666
	 * and 0777 without what umask takes, all execute bits for an executable, times now.
	 */
	NAR_RESTORE_CANONICAL = 1 << 0,
};

/* Read R to its end. */
int nar_restore(struct nar_reader *r, int dirfd, const char *name, const char *what, unsigned flags,
		struct err *e) MUST_CHECK;

struct nar_copy {
	int from_dirfd;
	const char *from_name, *from_what;
	int to_dirfd;
	const char *to_name, *to_what;
	unsigned flags; /* of the copy: enum nar_restore_flags */
};
/*
 * Copy a tree and hash and scan it in the same pass: the digest is that of the bytes which were
 * written. SCAN may be NULL.
 */
int nar_copy(const struct nar_copy *c, struct refscan *scan, struct nar_digest *ret,
	     struct err *e) MUST_CHECK;

#endif

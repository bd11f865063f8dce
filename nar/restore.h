/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/restore.h: a NAR, or a tree, made into files.
 *
 * The root is DIRFD/NAME and must not exist; a symbolic link there counts as something that
 * exists. Everything below is created with O_EXCL, by the descriptor of its directory and without
 * following links, so nothing outside the root is reached, whatever others do to it meanwhile.
 * What is refused or fails leaves nothing: the root is removed again. WHAT is its path for
 * messages. Blocks of zeroes become holes.
 */
#ifndef NAR_RESTORE_H
#define NAR_RESTORE_H

#include <sys/types.h>

#include "nar/base/err.h"
#include "nar/budget.h"
#include "nar/dump.h"
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
	/*
	 * Names of one file are those of one file in the copy, too. Its contents are written, and
	 * read from the original, once; they are hashed as often as it has names.
	 */
	bool keeps_links;
	/* A file of another owner, when it is opened, is refused; owner_max 0: of anybody. */
	uid_t owner_min, owner_max;
	struct budget *budget; /* what it may take; NULL: no end */
	unsigned depth_max;    /* NAR_DEPTH_MAX, which 0 means too, or NAR_DEPTH_ANY */
};
/*
 * Copy a tree and hash and scan it in the same pass: the digest is that of the bytes which were
 * written. SCAN may be NULL.
 */
int nar_copy(const struct nar_copy *c, struct refscan *scan, struct nar_digest *ret,
	     struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/restore.h: make files of a NAR, or of a copied tree.
 *
 * The root is DIRFD/NAME, and WHAT is its path for messages. It must not exist, not even as a
 * symbolic link. Everything below is created with O_EXCL, by the descriptor of its directory and
 * without following links. So nothing outside the root is reached, whatever other processes do to
 * the tree meanwhile. On failure the root is removed again. Blocks of zeroes become holes.
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
	 * Modes and times as in a store: 0444 and 0555, and time 1. Without the flag, as Nix
	 * restores: modes 0666 and 0777 less the umask, all execute bits for an executable, and the
	 * current time.
	 */
	NAR_RESTORE_CANONICAL = 1 << 0,
};

/* Make files of the NAR that R reads, to its end. */
int nar_restore(struct nar_reader *r, int dirfd, const char *name, const char *what, unsigned flags,
		struct err *e) MUST_CHECK;

struct nar_copy {
	struct nar_tree from;
	int to_dirfd;
	const char *to_name, *to_what;
	unsigned flags; /* of the copy: enum nar_restore_flags */
	/*
	 * Keep hard links: several names of one file are names of one file in the copy as well. Its
	 * contents are read from the original and written once, but hashed for each name.
	 */
	bool keeps_links;
	/* Refuse a file that another user than these owns when it is opened; owner_max 0: any. */
	uid_t owner_min, owner_max;
	struct budget *budget; /* NULL: no limits */
};
/*
 * Copy a tree, and hash and scan it in the same pass: *RET is the digest of the bytes that were
 * written. SCAN may be NULL.
 */
int nar_copy(const struct nar_copy *c, struct refscan *scan, struct nar_digest *ret,
	     struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/outputs/canon.h: make the metadata of a tree canonical, as everything in a Nix store has it.
 *
 *	mode    files 0444, or 0555 if their owner could execute them; directories 0555; no set-id
 *	        or sticky bits
 *	time    modification 1 s after the epoch (a fraction of that second stays)
 *	owner   the user and group of this process
 *	xattrs  no extended attributes or ACLs except those of the setting `ignored-acls`
 *
 * Symbolic links get what of this they can have. Hard links stay. An entry that is no file,
 * directory or link is refused, and so is a path that is too long for the kernel. Nothing else
 * bounds the depth.
 *
 * The walk goes from the root down, and is safe on a tree that another process still changes. Each
 * entry is opened (O_PATH) before it is looked at, and that descriptor is used to change it. An
 * entry is refused before its first change, so a hard link to another user's file does not change
 * that file. The texts are Nix's (posix-fs-canonicalise.cc).
 */
#ifndef HOOK_OUTPUTS_CANON_H
#define HOOK_OUTPUTS_CANON_H

#include <sys/types.h>

#include "hook/nix/settings.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/base/pairset.h"

struct canon {
	/* Owners that are allowed; uid_min > uid_max: all. */
	uid_t uid_min, uid_max;
	const struct strv *ignored_xattrs;
	const char *quote; /* around paths in messages that are Nix's; settings_quote() */
	/*
	 * Inodes that are canonical already, shared by all outputs of a build. Under its second
	 * name a file belongs to this process by then, and not to the build.
	 */
	struct pairset *seen;
	/* Raised to the depth of the tree, as nar/nar.h counts it; or NULL. */
	size_t *depth;
};

/* Make the tree DIRFD/NAME canonical. WHAT is its path, for messages. */
int canon_path(int dirfd, const char *name, const char *what, const struct canon *c,
	       struct err *e) MUST_CHECK;
/*
 * Check what canon_path() checks (kinds, owners, mounts, lengths of paths), without changing
 * anything. C->seen is not used.
 */
int canon_check(int dirfd, const char *name, const char *what, const struct canon *c,
		struct err *e) MUST_CHECK;
/* Append the names of the setting `ignored-acls` to RET, or Nix's default. */
int canon_ignored_xattrs(const struct settings *s, struct strv *ret, struct err *e) MUST_CHECK;

#endif

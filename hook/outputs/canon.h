/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/outputs/canon.h: make the metadata of a tree canonical, as everything in a Nix store has it.
 *
 * Files 0444, or 0555 where their owner could execute them; directories 0555; no set-id or sticky
 * bits; modification time 1 s after the epoch (a fraction in that second stays); owner and group
 * ours; no extended attributes or ACLs but those of `ignored-acls`. Symbolic links too, as far as
 * they have any. Hard links stay. What is neither file, directory nor link is refused, and so is a
 * path that is too long for the kernel; nothing else bounds the depth.
 *
 * Top down, and safe on a tree that somebody still changes: each entry is pinned by a descriptor
 * before it is looked at, and what was looked at is what is changed. Refusals come before the first
 * change to an entry, so that a hard link to somebody else's file leaves that file alone. The texts
 * are Nix's (posix-fs-canonicalise.cc).
 */
#ifndef HOOK_OUTPUTS_CANON_H
#define HOOK_OUTPUTS_CANON_H

#include <sys/types.h>

#include "hook/nix/settings.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/base/pairset.h"

struct canon {
	/* Owners that are allowed; uid_min > uid_max: anybody. */
	uid_t uid_min, uid_max;
	const struct strv *ignored_xattrs;
	const char *quote; /* around paths in messages that Nix has too; settings_quote() */
	/*
	 * Inodes dealt with already, shared by all outputs of a build: a second name of a file has
	 * another owner (us) by then.
	 */
	struct pairset *seen;
	/* Gets the depth of the tree, as nar/nar.h counts it, where it is more. NULL is fine. */
	size_t *depth;
};

/* DIRFD/NAME; WHAT is its path for messages. */
int canon_path(int dirfd, const char *name, const char *what, const struct canon *c,
	       struct err *e) MUST_CHECK;
/*
 * The same checks (kinds, owners, mounts, lengths of paths) without changing anything; SEEN is not
 * used.
 */
int canon_check(int dirfd, const char *name, const char *what, const struct canon *c,
		struct err *e) MUST_CHECK;
/* The names of setting `ignored-acls`, or Nix's default. */
int canon_ignored_xattrs(const struct settings *s, struct strv *ret, struct err *e) MUST_CHECK;

#endif

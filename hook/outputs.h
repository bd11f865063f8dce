/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/outputs.h: from what a build left behind to valid store paths, all or none.
 *
 *	out_check()         each output is there and may be trusted
 *	out_canonicalise()  modes, owner, times, extended attributes, as Nix has them
 *	out_digest()        NAR hash, size, references in one pass
 *	out_publish()       rename into the store, register
 *
 * in that order, on the outputs in OUTPUT_DIRFD. Everything a build left is hostile: descriptors
 * and O_NOFOLLOW throughout, and nothing is believed before all processes of the build are dead.
 * Texts of refusals are Nix's. Source: Nix's registerOutputs() and posix-fs-canonicalise.cc.
 */
#ifndef HOOK_OUTPUTS_H
#define HOOK_OUTPUTS_H

#include <stdint.h>

#include "hook/derivation.h"
#include "hook/settings.h"
#include "hook/store.h"
#include "hook/users.h"
#include "nar/err.h"

struct run;

struct out_job {
	const struct drv *drv;
	const struct strv *wanted;  /* names of the outputs to register; the others are thrown away */
	const struct strv *inputs;  /* full store paths of the input closure */
	struct store *store;
	const struct settings *settings;
	const struct build_user *user; /* who must own what the build left; NULL: not checked */
	const char *output_dir;     /* where the outputs lie under their base names */
	int output_dirfd;
	struct run *run;            /* told of every path before it is created in the store */
};

/* The whole of it. On failure nothing of this build is in the store or its database. */
int out_register(const struct out_job *job, struct err *e) MUST_CHECK;

/* How metadata is made canonical; a part of its own for tests. */
struct canon {
	uid_t uid_min, uid_max; /* owners that are allowed; uid_min > uid_max: anybody's */
	const struct strv *ignored_xattrs;
	struct inode_set *seen; /* inodes dealt with already: hard links inside a derivation */
};
int canon_path(int dirfd, const char *name, const char *what, const struct canon *c,
	       struct err *e) MUST_CHECK;
struct inode_set *inode_set_new(struct err *e) MUST_CHECK;
void inode_set_free(struct inode_set *s);

#endif

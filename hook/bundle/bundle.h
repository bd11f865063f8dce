/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/bundle/bundle.h: lay an OCI bundle out on disk.
 *
 *	<bundle>/
 *	  config.json
 *	  root/            root file system: etc/, dev/, tmp/, mount points, 0750 root:<build gid>
 *	  scratch/<name>/  one for each scratch path (spec_scratch_name()), owned by the build user:
 *	                   scratch/build is the build directory, scratch/nix-store holds outputs
 *	  root/dev/null    a device, where the machine's could come to belong to the build (else an
 *	                   empty file to mount that one on, or one like it where the file system
 *	                   has no devices): fit for a runtime's standard input
 *	  inputs/<base>    unpacked inputs, where they are not bound from the store
 *
 * All but scratch/ can be in memory (hook/runtime/memdir.h), where scratch/ is an empty directory
 * on which whoever starts the runtime binds that of the disk. /tmp then is scratch/tmp.
 *
 * For builds of the hook it lies at `<real store>/<drv base name>.chroot`, as Nix's own does: the
 * same mount as the store, so outputs are moved by rename(2), and the garbage collector knows the
 * name. Modes, owners and file contents are those of Nix's sandbox: docs/parity.md.
 */
#ifndef HOOK_BUNDLE_BUNDLE_H
#define HOOK_BUNDLE_BUNDLE_H

#include "hook/host/users.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "specgen/request.h"
#include "specgen/spec.h"

struct bundle {
	char *path;       /* absolute; on the disk */
	int dirfd;        /* of the directory with config.json */
	char *build_dir;  /* absolute path of scratch/<working dir>, what keep-failed keeps */
	char *output_dir; /* absolute path of scratch/nix-store, in which outputs appear */
	int output_dirfd;
	bool lacks_null;   /* root/dev/null is a file on which a null device is to be mounted */
	bool owns_machine; /* the runtime can change what is the machine's root's */
};
#define BUNDLE_INIT                                    \
	{                                              \
		NULL, -1, NULL, NULL, -1, false, false \
	}

/* Whether a bundle for R may be in memory: nothing that its build can fill would be. */
bool bundle_fits_memory(const struct request *r, enum spec_profile profile);
/*
 * Create the bundle at PATH for REQUEST; a stale one of that name is removed first. MEM_DIRFD, an
 * empty directory in memory or -1, gets all but scratch/. USER owns the scratch directories (NULL:
 * the caller). On failure nothing is left at PATH. Symbolic links among
 * inputs and host paths are made as links, not mounted, as Nix does; `h` tells the profile's
 * facts about the machine, and is what config.json is printed from.
 */
int bundle_create(const char *path, int mem_dirfd, const struct request *r,
		  enum spec_profile profile, const struct spec_host *h,
		  const struct build_user *user, struct bundle *ret, struct err *e) MUST_CHECK;
/* What the caller does of it. Each may be NULL. */
struct bundle_calls {
	void *ctx;
	/*
	 * Make the directory PATH, 0700, in place of what is there. Returns it opened, or -1: *E.
	 */
	int (*make_top)(void *ctx, const char *path, struct err *e);
	/* On the disk only: the root is there, and nothing is mounted in it yet. May add to R. */
	int (*ask)(void *ctx, const char *root, struct err *e);
};
/* The same with calls. */
int bundle_create_by(const char *path, int mem_dirfd, const struct request *r,
		     enum spec_profile profile, const struct spec_host *h,
		     const struct build_user *user, const struct bundle_calls *calls,
		     struct bundle *ret, struct err *e) MUST_CHECK;
/* Frees memory and descriptors; the files stay. */
void bundle_done(struct bundle *b);
#define scoped_bundle __attribute__((cleanup(bundle_done)))
/* Remove the files of the bundle at PATH. */
int bundle_remove(const char *path, struct err *e) MUST_CHECK;

#endif

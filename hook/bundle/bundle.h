/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/bundle/bundle.h: lay an OCI bundle out on disk.
 *
 *	<bundle>/
 *	  config.json
 *	  root/            root file system: etc/, dev/, tmp/, mount points, 0750 root:<build gid>
 *	  root/dev/null    a device if the build could come to own the machine's; else, and on a
 *	                   file system without devices, an empty file to mount a null device on
 *	  scratch/<name>/  one for each scratch path (spec_scratch_name()), owned by the build user:
 *	                   scratch/build is the build directory, scratch/nix-store contains outputs
 *
 * Everything except scratch/ can be in memory (hook/runtime/memdir.h). There scratch/ is an empty
 * directory, on which the child that becomes the runtime mounts the scratch/ of the disk. /tmp then
 * is scratch/tmp.
 *
 * The bundle of a build of the hook is `<real store>/<drv base name>.chroot`, as in Nix's own
 * sandbox: on the mount of the store, so that outputs are moved by rename(2), and with a name that
 * the garbage collector knows. Modes, owners and file contents are as in Nix's sandbox:
 * docs/parity.md.
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
	char *build_dir;  /* absolute path of scratch/<working dir>, which keep-failed keeps */
	char *output_dir; /* absolute path of scratch/nix-store, in which outputs appear */
	int output_dirfd;
	bool lacks_null;   /* root/dev/null is a file; mount a null device on it */
	bool owns_machine; /* the runtime can change files that belong to the machine's root */
};
#define BUNDLE_INIT                                    \
	{                                              \
		NULL, -1, NULL, NULL, -1, false, false \
	}

/*
 * Tell whether a bundle for R may be in memory. It may if no directory that the build can fill
 * would be in memory.
 */
bool bundle_fits_memory(const struct request *r, enum spec_profile profile);
/* A bundle that is to be created. */
struct bundle_job {
	const char *path; /* absolute; a stale bundle there is removed first */
	int mem_dirfd;    /* empty directory in memory for everything except scratch/; or -1 */
	const struct request *request;
	enum spec_profile profile;
	const struct spec_host *host;  /* this machine; config.json is printed from both */
	const struct build_user *user; /* owns the scratch directories; NULL: the caller does */
	/* Callbacks, with `ctx`; each may be NULL. */
	void *ctx;
	/*
	 * Make the directory PATH, 0700, in place of what is there.
	 * Returns its descriptor; -1: *E.
	 */
	int (*make_top)(void *ctx, const char *path, struct err *e);
	/*
	 * Called when the directory ROOT exists and before the mount points in it are made. It may
	 * add to the request. Only for a bundle on the disk.
	 */
	int (*ask)(void *ctx, const char *root, struct err *e);
	/*
	 * Called for an input that does not exist on this machine. Its mount point becomes a
	 * directory. NULL: such an input is an error.
	 */
	void (*missing)(void *ctx, const struct req_input *in);
};
/*
 * Create the bundle of J. A symbolic link among inputs and host paths becomes a link and is not
 * mounted, as in Nix. On failure nothing is left at its path.
 */
int bundle_create(const struct bundle_job *j, struct bundle *ret, struct err *e) MUST_CHECK;
/* Free memory and close descriptors; the files stay. */
void bundle_done(struct bundle *b);
#define scoped_bundle __attribute__((cleanup(bundle_done)))
/* Remove the files of the bundle at PATH. */
int bundle_remove(const char *path, struct err *e) MUST_CHECK;

#endif

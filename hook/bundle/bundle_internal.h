/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/bundle/bundle_internal.h: what the files of the bundle share.
 */
#ifndef HOOK_BUNDLE_BUNDLE_INTERNAL_H
#define HOOK_BUNDLE_BUNDLE_INTERNAL_H

#include <sys/stat.h>

#include "hook/bundle/bundle.h"

/* The owner where the build has no id of its own: the caller. */
#define NOBODY ((uid_t)-1)

/* Where the directories of a bundle that is being made are, and whose they are. */
struct bundle_work {
	const char *path;
	const struct request *r;
	const struct spec_host *h;
	enum spec_profile profile;
	uid_t uid; /* of the build; (uid_t)-1 with gid: everything is the caller's */
	gid_t gid;
	int disk; /* what scratch/ is in; all of these are descriptors */
	int top;  /* what all else is in: the same, or in memory */
	bool in_memory;
	int root, etc, dev, scratch;
	int *scratch_fds; /* one a scratch path of the request, in its order */
	bool *placed_inputs, *placed_host_paths;
	bool own_null, lacks_null;
	mode_t umask; /* the caller's */
	struct bundle_calls calls;
};

/* Make NAME in DIRFD what lstat said of SOURCE: a link, or something to mount SOURCE on. */
int bundle_place(int dirfd, const char *name, const char *source, const struct stat *st,
		 bool *ret_placed, struct err *e) MUST_CHECK;
/* root/: etc with its files, tmp, dev, proc, and mount points for all scratch paths. */
int bundle_make_root(struct bundle_work *w, struct err *e) MUST_CHECK;
/* Mount points for inputs, host paths, the shell and files of the machine. */
int bundle_make_mount_points(struct bundle_work *w, struct err *e) MUST_CHECK;
/*
 * The runtime can change what is the machine's root's: once in the namespaces, where root is mapped
 * as itself, and before for whomever root is mapped to. crun does the latter with descriptor 0.
 */
bool bundle_owns_machine(const struct spec_host *h);
/* The request's additional files. */
int bundle_make_files(struct bundle_work *w, struct err *e) MUST_CHECK;

/*
 * The directory in which the sandbox's TARGET (absolute, clean) lies, opened, with those on the way
 * made (0755, OWNED: by the build), and its last component. A link on the way, or a file: *RET_FD
 * is -1, without an error.
 */
int bundle_open_parent(const struct bundle_work *w, const char *target, bool owned, int *ret_fd,
		       const char **ret_name, struct err *e) MUST_CHECK;
/* Give DIRFD/NAME ("": DIRFD itself) to the build, where it has an id of its own. */
int bundle_give(const struct bundle_work *w, int dirfd, const char *name, struct err *e) MUST_CHECK;

/* The scratch path that PATH (without leading '/') is or lies in: its index, or -1. */
ssize_t bundle_scratch_index(const struct request *r, const char *path);

/* Go on from *FD into NAME (LEN bytes), which is made if need be. A link or a file: *FD is -1. */
int bundle_descend(const struct bundle_work *w, int *fd, const char *name, size_t len, bool owned,
		   struct err *e) MUST_CHECK;

#endif

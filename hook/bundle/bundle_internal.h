/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/bundle/bundle_internal.h: shared by create.c, root.c and tree.c.
 */
#ifndef HOOK_BUNDLE_BUNDLE_INTERNAL_H
#define HOOK_BUNDLE_BUNDLE_INTERNAL_H

#include <sys/stat.h>

#include "hook/bundle/bundle.h"

/* In place of a build user's uid: files stay the caller's. */
#define NOBODY ((uid_t)-1)

/* A bundle while it is created. */
struct bundle_work {
	const struct bundle_job *job;
	/* The job's: */
	const char *path;
	const struct request *r;
	const struct spec_host *h;
	enum spec_profile profile;
	uid_t uid; /* the build user's; NOBODY: everything is the caller's */
	gid_t gid; /* the build user's; (gid_t)-1 with NOBODY */
	int disk;  /* descriptor of the directory that contains scratch/ */
	int top;   /* descriptor of the directory for all else: on the disk, or in memory */
	bool in_memory;
	int root, etc, dev, scratch; /* descriptors */
	int *scratch_fds;            /* one for each scratch path of the request, in its order */
	/* Need no mount: these were made as links, or are optional and do not exist. */
	bool *placed_inputs, *placed_host_paths;
	bool own_null, lacks_null;
	mode_t umask; /* the caller's */
};

/*
 * Make NAME in DIRFD a place for SOURCE, whose status is ST: a link if SOURCE is one, else an empty
 * file or directory to mount SOURCE on. *RET_PLACED: it is a link and need not be mounted.
 */
int bundle_place(int dirfd, const char *name, const char *source, const struct stat *st,
		 bool *ret_placed, struct err *e) MUST_CHECK;
/* Make root/: etc with its files, tmp, dev, proc, and mount points for all scratch paths. */
int bundle_make_root(struct bundle_work *w, struct err *e) MUST_CHECK;
/* Make mount points for inputs, host paths, the shell and files of the machine. */
int bundle_make_mount_points(struct bundle_work *w, struct err *e) MUST_CHECK;
/*
 * Tell whether the runtime can change files that belong to the machine's root. It can if this
 * process is root, and the container has no user namespace or one that maps root. Before crun
 * enters such a namespace, it gives descriptor 0 to the user that root is mapped to.
 */
bool bundle_owns_machine(const struct spec_host *h);
/* Write the request's additional files. */
int bundle_make_files(struct bundle_work *w, struct err *e) MUST_CHECK;

/*
 * Open the parent directory of the sandbox's path TARGET (absolute, clean) as *RET_FD, and set
 * *RET_NAME to TARGET's last component. Directories on the way are made, 0755; OWNED: they belong
 * to the build. If a component on the way is a link or a file, *RET_FD is -1, without an error.
 */
int bundle_open_parent(const struct bundle_work *w, const char *target, bool owned, int *ret_fd,
		       const char **ret_name, struct err *e) MUST_CHECK;
/* Give DIRFD/NAME ("": DIRFD itself) to the build user, if there is one. */
int bundle_give(const struct bundle_work *w, int dirfd, const char *name, struct err *e) MUST_CHECK;

/* Return the index of the scratch path that PATH (without leading '/') is or lies in, or -1. */
ssize_t bundle_scratch_index(const struct request *r, const char *path);

/*
 * Replace *FD by its subdirectory NAME (LEN bytes), which is made if need be; OWNED: for the build.
 * If NAME is a link or a file, *FD becomes -1, without an error.
 */
int bundle_descend(const struct bundle_work *w, int *fd, const char *name, size_t len, bool owned,
		   struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/keep/keep_failed.h: keep the build directory of a failed build (Nix's setting keep-failed).
 *
 * The directory is moved to where Nix's own sandbox would have it: in the directory of the setting
 * build-dir, else of TMPDIR, else /tmp, as `nix-build-<name>.drv-<n>`. Since Nix 2.24 the build
 * directory is `build` in that. From 2.32 the default is `builds` in the state directory, and the
 * name is `nix-<pid>-<n>`. Everybody may enter both directories. The build's user owns what is
 * inside, and nothing in it gives rights to anybody else (hook/keep/keep_tree.h).
 *
 *	keep_plan()  before the build: whether to keep the directory, and where
 *	keep_move()  when the build has failed and all its processes are dead
 *
 * Runs in: the hook; the supervisor, if the hook was killed during the build (Ctrl-C, or another
 * build has failed). The hook sends the plan to the supervisor before the build starts.
 */
#ifndef HOOK_KEEP_KEEP_FAILED_H
#define HOOK_KEEP_KEEP_FAILED_H

#include <sys/types.h>

#include "hook/drv/derivation.h"
#include "hook/host/users.h"
#include "hook/nix/settings.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/budget.h"

struct run;

/* Whether and how a build directory is kept. Plain data, so that it can be sent to a process. */
struct keep_plan {
	char *dir;      /* kept directories are in this one; NULL: this build's is not kept */
	char *prefix;   /* start of the kept directory's name; a number follows */
	bool makes_dir; /* make `dir` if it does not exist, as Nix does with its own */
	bool inside;    /* the build directory is kept as `build` in the named one */
	uid_t uid_min, uid_max; /* the build's users: only their files are kept */
};
#define KEEP_PLAN_INIT                         \
	{                                      \
		NULL, NULL, false, false, 0, 0 \
	}
void keep_plan_done(struct keep_plan *p);
#define scoped_keep_plan __attribute__((cleanup(keep_plan_done)))

/*
 * Plan for D, built by U, with settings S. STATE_DIR is Nix's. The directory of a `builtin:`
 * builder is never kept, because it may contain passwords.
 */
int keep_plan(const struct drv *d, const struct settings *s, const char *state_dir,
	      const struct build_user *u, struct keep_plan *ret, struct err *e) MUST_CHECK;

/*
 * Append P and BUILD_DIR to B as bytes for another process, which reads them back from N bytes. P
 * must be a plan that keeps something.
 */
int keep_plan_print(const struct keep_plan *p, const char *build_dir, struct buf *b,
		    struct err *e) MUST_CHECK;
int keep_plan_parse(const char *bytes, size_t n, struct keep_plan *ret, char **ret_build_dir,
		    struct err *e) MUST_CHECK;

/* How keep_move() has a path put on the supervisor's list, and taken off again. */
struct keep_list {
	struct run *run;
	int (*own)(struct run *run, const char *path, struct err *e); /* NULL: no list */
	int (*disown)(struct run *run, const char *path, struct err *e);
};

/*
 * Move BUILD_DIR (absolute) to its place of P, or copy it to another file system. B bounds the
 * time; the free space of that file system bounds the copy. The kept directory appears when it is
 * complete, and *RET_PATH is its path, on the heap.
 * Returns -1: *E; what was copied is removed, or, if that fails, on the list.
 */
int keep_move(const struct keep_plan *p, const char *build_dir, const struct keep_list *list,
	      struct budget *b, char **ret_path, struct err *e) MUST_CHECK;

#endif

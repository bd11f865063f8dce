/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/keep/keep_failed.h: the build directory of a failed build stays (Nix's setting keep-failed).
 *
 * It goes to where Nix's own sandbox would have had it: in the directory of the setting build-dir,
 * else of TMPDIR, else /tmp, as `nix-build-<name>.drv-<n>`; since Nix 2.24 that has the build
 * directory in it as `build`. From 2.32 the default is `builds` in the state directory, and the
 * name `nix-<pid>-<n>`. Everybody may enter both, the build's user owns what is inside, and nothing
 * in it gives anybody rights that he has not (hook/keep/keep_tree.h).
 *
 *	keep_plan()  before the build: whether, and where to
 *	keep_move()  when it has failed and all its processes are gone
 *
 * Also where nobody waits for the build any more (Ctrl-C, or another build has failed): the
 * supervisor has the plan while the build runs, and does this when it finds the hook dead.
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

/* Plain data, so that it can be told to another process. */
struct keep_plan {
	char *dir;      /* where kept directories are; NULL: this build's is not to be kept */
	char *prefix;   /* of the name there: a number follows */
	bool makes_dir; /* DIR is Nix's own, which makes it with the first build */
	bool inside;    /* the build directory is `build` in it */
	uid_t uid_min, uid_max; /* who may own what is kept */
};
#define KEEP_PLAN_INIT                         \
	{                                      \
		NULL, NULL, false, false, 0, 0 \
	}
void keep_plan_done(struct keep_plan *p);
#define scoped_keep_plan __attribute__((cleanup(keep_plan_done)))

/*
 * Of D, built by U, with settings S. STATE_DIR is Nix's. Never for `builtin:` builders, which may
 * have passwords in there.
 */
int keep_plan(const struct drv *d, const struct settings *s, const char *state_dir,
	      const struct build_user *u, struct keep_plan *ret, struct err *e) MUST_CHECK;

/* P and where it is of, as bytes for another process; the other way round, from N of them. */
int keep_plan_print(const struct keep_plan *p, const char *build_dir, struct buf *b,
		    struct err *e) MUST_CHECK;
int keep_plan_parse(const char *bytes, size_t n, struct keep_plan *ret, char **ret_build_dir,
		    struct err *e) MUST_CHECK;

/* Told of a path before it is made, and that it stays or is gone: run_own_tree(), run_disown(). */
struct keep_list {
	struct run *run;
	int (*own)(struct run *run, const char *path, struct err *e); /* NULL: nobody is told */
	int (*disown)(struct run *run, const char *path, struct err *e);
};

/*
 * Move BUILD_DIR (absolute) where it can be found, by a copy if that is another file system; B
 * bounds the time, and what a copy takes is bounded by the free space there. *RET_PATH is the new
 * place, on the heap. It appears when it is complete. -1: *E, and nothing is left of it.
 */
int keep_move(const struct keep_plan *p, const char *build_dir, const struct keep_list *list,
	      struct budget *b, char **ret_path, struct err *e) MUST_CHECK;

#endif

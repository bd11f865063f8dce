/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bundle is on the store's file system, and kept build directories are often on another one.
 * So a directory that rename(2) cannot move is copied.
 *
 * The directory first gets a random name, under which it is on the supervisor's list before it
 * exists. Under its final name the supervisor could remove what was there before. The last step
 * gives it the final name. Until then only its owner may enter it, and no process of the build's
 * user lives.
 */
#include "hook/keep/keep_failed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/keep/keep_tree.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define NUMBER_MAX 100000
#define INSIDE_NAME "build"

void keep_plan_done(struct keep_plan *p)
{
	free(p->dir);
	free(p->prefix);
	*p = (struct keep_plan)KEEP_PLAN_INIT;
}

/* ---- where to ---- */

/* Return the directory in which Nix would have the build directory, on the heap. NULL: *E. */
static char *parent_dir(const struct settings *s, const char *state_dir, bool *ret_makes_dir,
			struct err *e)
{
	const char *set = settings_get(s, "build-dir");
	const char *tmp = getenv("TMPDIR");

	if (set && set[0])
		return str_dup(set, e);
	if (!settings_of_2_32(s))
		return str_dup(tmp && tmp[0] == '/' ? tmp : "/tmp", e);
	*ret_makes_dir = true;
	return str_fmt(e, "%s/builds", state_dir);
}

int keep_plan(const struct drv *d, const struct settings *s, const char *state_dir,
	      const struct build_user *u, struct keep_plan *ret, struct err *e)
{
	scoped_keep_plan struct keep_plan p = KEEP_PLAN_INIT;
	bool keep;

	if (settings_bool(s, "keep-failed", false, &keep, e) < 0)
		return -1;
	if (!keep || str_starts(d->builder, "builtin:")) {
		*ret = (struct keep_plan)KEEP_PLAN_INIT;
		return 0;
	}
	p.prefix = settings_of_2_32(s) ? str_fmt(e, "nix-%ld-", (long)getpid())
				       : str_fmt(e, "nix-build-%s.drv-", d->name);
	p.dir = p.prefix ? parent_dir(s, state_dir, &p.makes_dir, e) : NULL;
	if (!p.dir)
		return -1;
	/*
	 * Nix sends build-dir since 2.22 but has the inner directory only since 2.24: for the two
	 * releases between, this guess is wrong.
	 */
	p.inside = settings_get(s, "build-dir");
	p.uid_min = u->uid;
	p.uid_max = u->uid + (u->count ? u->count - 1 : 0);
	*ret = p;
	p = (struct keep_plan)KEEP_PLAN_INIT;
	return 0;
}

/* ---- to another process ---- */

struct head {
	uint8_t makes_dir, inside;
	uint32_t uid_min, uid_max;
};

int keep_plan_print(const struct keep_plan *p, const char *build_dir, struct buf *b, struct err *e)
{
	const struct head h = {p->makes_dir, p->inside, p->uid_min, p->uid_max};
	const char *const words[] = {p->dir, p->prefix, build_dir};

	if (buf_add(b, &h, sizeof h, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (buf_add(b, words[i], strlen(words[i]) + 1, e) < 0)
			return -1;
	return 0;
}

int keep_plan_parse(const char *bytes, size_t n, struct keep_plan *ret, char **ret_build_dir,
		    struct err *e)
{
	scoped_keep_plan struct keep_plan p = KEEP_PLAN_INIT;
	char *words[3] = {NULL};
	struct head h;

	if (n < sizeof h)
		return err_set(e, ERR_SYSTEM, "the request to keep a build directory is damaged");
	memcpy(&h, bytes, sizeof h);
	for (size_t i = 0, at = sizeof h; i < ARRAY_SIZE(words) && at < n; i++) {
		const size_t len = strnlen(bytes + at, n - at);

		words[i] = str_ndup(bytes + at, len, e);
		at += len + 1;
	}
	p = (struct keep_plan){words[0], words[1], h.makes_dir, h.inside, h.uid_min, h.uid_max};
	if (!words[2])
		return err_is_set(e) ? -1
				     : err_set(e, ERR_SYSTEM,
					       "the request to keep a build directory is damaged");
	*ret_build_dir = words[2];
	*ret = p;
	p = (struct keep_plan)KEEP_PLAN_INIT;
	return 0;
}

/* ---- the work ---- */

struct work {
	const struct keep_plan *p;
	const char *build_dir;
	struct keeptree tree;
	int dirfd;     /* p->dir, opened */
	char name[48]; /* the kept directory's name in `dirfd` until it is complete */
	char *path;    /* p->dir and `name` */
};

static void work_done(struct work *w)
{
	scope_close(&w->dirfd);
	free(w->path);
}
#define scoped_work __attribute__((cleanup(work_done)))

static int work_open(struct work *w, struct err *e)
{
	uint64_t random;

	/* O_NOFOLLOW is not set: the administrator names the directory, and may name a link. */
	w->dirfd = w->p->makes_dir ? io_mkdir_p(w->p->dir, 0755, e)
				   : open(w->p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dirfd < 0)
		return err_is_set(e) ? -1 : err_sys(e, "opening directory '%s'", w->p->dir);
	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return err_sys(e, "getting a random number");
	snprintf(w->name, sizeof w->name, ".nix-oci-hook-%016" PRIx64, random);
	w->path = str_fmt(e, "%s/%s", w->p->dir, w->name);
	return w->path ? 0 : -1;
}

/*
 * Copy the build directory, opened as FROM and of status ST, to NAME in DIRFD.
 * Returns the copy's descriptor; -1: *E.
 */
static int copy(struct work *w, int from, const struct stat *st, int dirfd, const char *name,
		struct err *e)
{
	scoped_fd int to = io_mkdir(dirfd, name, 0700, e);

	if (to < 0 || (w->tree.budget && budget_fit_disk(w->tree.budget, to, w->p->dir, e) < 0) ||
	    keeptree_copy(from, to, w->build_dir, &w->tree, e) < 0 ||
	    keeptree_like(to, st, w->build_dir, e) < 0)
		return -1;
	return TAKE(to, -1);
}

/* Move or copy the build directory to NAME in DIRFD, and let everybody enter it. */
static int move(struct work *w, int dirfd, const char *name, struct err *e)
{
	scoped_fd int from = io_opendir(AT_FDCWD, w->build_dir, e);
	struct stat st, to_st;

	if (from < 0)
		return -1;
	if (fstat(from, &st) < 0 || fstat(dirfd, &to_st) < 0)
		return err_sys(e, "getting status of '%s'", w->build_dir);
	if (fchmod(from, 0700) < 0)
		return err_sys(e, "setting the mode of '%s'", w->build_dir);
	const bool same = st.st_dev == to_st.st_dev;
	/* Before it is moved: if the budget ends here, it is still where it was. */
	if (same && keeptree_strip(from, w->build_dir, &w->tree, e) < 0)
		return -1;
	scoped_fd int to = -1;
	if (!same || renameat(AT_FDCWD, w->build_dir, dirfd, name) < 0) {
		if (same && errno != EXDEV)
			return err_sys(e, "moving '%s' to '%s'", w->build_dir, w->p->dir);
		to = copy(w, from, &st, dirfd, name, e);
		if (to < 0)
			return err_wrap(e, "copying '%s' to '%s'", w->build_dir, w->p->dir);
	}
	if (fchmod(to < 0 ? from : to, 0755) < 0)
		return err_sys(e, "setting the mode of '%s'", w->path);
	return 0;
}

/* Move the build directory into a new directory, as Nix has it since 2.24. */
static int move_below(struct work *w, struct err *e)
{
	scoped_fd int top = io_mkdir(w->dirfd, w->name, 0700, e);

	if (top < 0 || move(w, top, INSIDE_NAME, e) < 0)
		return -1;
	return fchmod(top, 0755) < 0 ? err_sys(e, "setting the mode of '%s'", w->path) : 0;
}

/* Give the kept directory its final NAME. Returns 0: it has it; 1: NAME exists already; -1: *E. */
static int take_name(const struct work *w, const char *name, struct err *e)
{
	if (renameat2(w->dirfd, w->name, w->dirfd, name, RENAME_NOREPLACE) == 0)
		return 0;
	/* Without RENAME_NOREPLACE an empty directory reserves the name, and is replaced. */
	if (errno == EINVAL && mkdirat(w->dirfd, name, 0700) == 0 &&
	    renameat(w->dirfd, w->name, w->dirfd, name) == 0)
		return 0;
	return errno == EEXIST ? 1
			       : err_sys(e, "renaming '%s' to '%s/%s'", w->path, w->p->dir, name);
}

/* Give the kept directory the first name that is free, and set *RET_PATH to its path. */
static int publish(const struct work *w, char **ret_path, struct err *e)
{
	for (unsigned n = 0; n < NUMBER_MAX; n++) {
		scoped_free char *name = str_fmt(e, "%s%u", w->p->prefix, n);
		scoped_free char *path = name ? str_fmt(e, "%s/%s%s", w->p->dir, name,
							w->p->inside ? "/" INSIDE_NAME : "")
					      : NULL;
		const int rc = path ? take_name(w, name, e) : -1;

		if (rc == 0)
			*ret_path = TAKE(path, NULL);
		if (rc <= 0)
			return rc;
	}
	return err_set(e, ERR_LIMIT, "'%s' has %d directories '%s<n>' of failed builds", w->p->dir,
		       NUMBER_MAX, w->p->prefix);
}

int keep_move(const struct keep_plan *p, const char *build_dir, const struct keep_list *list,
	      struct budget *b, char **ret_path, struct err *e)
{
	scoped_work struct work w = {
		.p = p,
		.build_dir = build_dir,
		.tree = {p->uid_min, p->uid_max, b},
		.dirfd = -1,
	};
	struct err later = ERR_INIT;

	if (work_open(&w, e) < 0 || (list->own && list->own(list->run, w.path, e) < 0))
		return -1;
	const int rc = (p->inside ? move_below(&w, e) : move(&w, w.dirfd, w.name, e)) < 0
			       ? -1
			       : publish(&w, ret_path, e);
	/* The first error is the one returned; what cannot be removed here stays on the list. */
	if (rc < 0 && io_rmtree(w.dirfd, w.name, w.path, &later) < 0)
		return -1;
	if (list->own && list->disown(list->run, w.path, &later) < 0)
		err_clear(&later);
	return rc;
}

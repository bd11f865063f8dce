/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each build waits for its bundle, so it is created with few system calls. Directories get their
 * mode from mkdir(2) itself, under a umask of 0. All mount points are made here, so that the
 * runtime makes none. Nothing is written to the disk at once, because after a crash the bundle is
 * stale.
 *
 * Until the runtime starts, no other process can write in the bundle. Its top directory is new,
 * 0700, and belongs to the caller or to the build user, which has no process yet.
 */
#include "hook/bundle/bundle.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "hook/bundle/bundle_internal.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define CONFIG_BYTES_MAX (64u << 20)

static void work_done(struct bundle_work *w)
{
	int *fds[] = {&w->disk, &w->top, &w->root, &w->etc, &w->dev, &w->scratch};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		scope_close(fds[i]);
	for (size_t i = 0; w->scratch_fds && i < w->r->scratch_paths.n; i++)
		scope_close(&w->scratch_fds[i]);
	free(w->scratch_fds);
	free(w->placed_inputs);
	free(w->placed_host_paths);
}
#define scoped_work __attribute__((cleanup(work_done)))

static void umask_restore(const mode_t *mask)
{
	umask(*mask);
}

/*
 * Give the top directory to the user as which the runtime reads the bundle: the root of the
 * build's user namespace if root is mapped, else the build user.
 */
static int give_top(const struct bundle_work *w, struct err *e)
{
	uid_t viewer = w->uid;

	for (size_t i = 0; i < w->h->n_uid_map; i++)
		if (w->h->uid_map[i].inside == 0)
			viewer = w->h->uid_map[i].outside;
	if (!w->h->userns || w->uid == NOBODY || viewer == geteuid())
		return 0;
	if (fchown(w->top, viewer, (gid_t)-1) < 0)
		return err_sys(e, "changing the owner of '%s'", w->path);
	return 0;
}

/*
 * Make the directory PATH; what is there already is stale.
 * Returns its descriptor; -1: *E.
 */
static int make_top(const char *path, struct err *e)
{
	int fd;

	if (mkdir(path, 0700) < 0) {
		if (errno != EEXIST)
			return err_sys(e, "creating the bundle '%s'", path);
		if (bundle_remove(path, e) < 0)
			return -1;
		if (mkdir(path, 0700) < 0)
			return err_sys(e, "creating the bundle '%s'", path);
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "opening the bundle '%s'", path);
	return fd;
}

/*
 * Make the scratch directories with Nix's modes. In the store the build may create outputs and
 * other files, and each user may remove only its own. Every other scratch directory is the build's
 * alone.
 */
static int make_scratch(struct bundle_work *w, struct err *e)
{
	w->scratch = io_mkdir(w->disk, "scratch", 0755, e);
	if (w->scratch < 0)
		return -1;
	if (w->in_memory && mkdirat(w->top, "scratch", 0755) < 0)
		return err_sys(e, "creating 'scratch' in memory for '%s'", w->path);
	/* In place of root/tmp, which must not be in memory. */
	if (w->in_memory && w->profile == SPEC_NIX && mkdirat(w->scratch, "tmp", 01777) < 0)
		return err_sys(e, "creating 'scratch/tmp' in '%s'", w->path);
	for (size_t i = 0; i < w->r->scratch_paths.n; i++) {
		const char *path = w->r->scratch_paths.items[i];
		bool store = str_eq(path, w->r->inputs_dir);
		scoped_free char *name = spec_scratch_name(path, e);
		if (!name)
			return -1;
		if (mkdirat(w->scratch, name, store ? 01775 : 0700) < 0)
			return err_sys(e, "creating 'scratch/%s' in '%s'", name, w->path);
		w->scratch_fds[i] = io_opendir(w->scratch, name, e);
		if (w->scratch_fds[i] < 0)
			return -1;
		if (store && w->uid != NOBODY) {
			/* chown(2) by root keeps the mode of a directory. */
			if (fchown(w->scratch_fds[i], (uid_t)-1, w->gid) < 0)
				return err_sys(e, "changing the group of 'scratch/%s'", name);
		} else if (bundle_give(w, w->scratch_fds[i], "", e) < 0) {
			return -1;
		}
	}
	return 0;
}

static int write_config(const struct bundle_work *w, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(CONFIG_BYTES_MAX);
	struct spec_host h = *w->h;

	h.placed_inputs = w->placed_inputs;
	h.placed_host_paths = w->placed_host_paths;
	h.own_null = w->own_null;
	h.own_tmp = w->in_memory;
	h.mount_flags_ctx = &w->scratch;
	if (spec_print(w->r, w->profile, &h, &b, e) < 0)
		return -1;
	return io_write_file(w->top, "config.json", 0644, b.data, b.len, e);
}

/* Call the callback `ask` under the caller's umask. */
static int ask(const struct bundle_work *w, struct err *e)
{
	__attribute__((cleanup(umask_restore))) mode_t mask = umask(w->umask);
	scoped_free char *root = str_fmt(e, "%s/root", w->path);

	(void)mask;
	return root ? w->job->ask(w->job->ctx, root, e) : -1;
}

static int fill(struct bundle_work *w, struct err *e)
{
	const struct request *r = w->r;

	w->scratch_fds = mem_new(r->scratch_paths.n, sizeof *w->scratch_fds, e);
	if (!w->scratch_fds)
		return -1;
	for (size_t i = 0; i < r->scratch_paths.n; i++)
		w->scratch_fds[i] = -1;
	if (give_top(w, e) < 0 || make_scratch(w, e) < 0 || bundle_make_root(w, e) < 0)
		return -1;
	if (w->job->ask && ask(w, e) < 0)
		return -1;
	w->placed_inputs = mem_new(r->n_inputs, sizeof *w->placed_inputs, e);
	if (!w->placed_inputs)
		return -1;
	w->placed_host_paths =
		mem_new(r->constraints.n_host_paths, sizeof *w->placed_host_paths, e);
	if (!w->placed_host_paths)
		return -1;
	if (bundle_make_mount_points(w, e) < 0 || bundle_make_files(w, e) < 0)
		return -1;
	return write_config(w, e);
}

/* Return the absolute path in the bundle of PATH, which lies in a scratch path. NULL: *E. */
static char *outside(const struct bundle_work *w, const char *path, struct err *e)
{
	for (size_t i = 0; i < w->r->scratch_paths.n; i++) {
		const char *scratch = w->r->scratch_paths.items[i];
		size_t n = strlen(scratch);
		scoped_free char *name = NULL;
		if (strncmp(path, scratch, n) != 0 || (path[n] && path[n] != '/'))
			continue;
		name = spec_scratch_name(scratch, e);
		return name ? str_fmt(e, "%s/scratch/%s%s", w->path, name, path + n) : NULL;
	}
	err_set(e, ERR_INPUT,
		"the request's directory '%s' lies in none of its scratch paths, and a bundle has "
		"no other place for it",
		path);
	return NULL;
}

static int finish(struct bundle_work *w, struct bundle *ret, struct err *e)
{
	struct bundle b = BUNDLE_INIT;

	b.path = str_dup(w->path, e);
	if (!b.path || !(b.build_dir = outside(w, w->r->working_dir, e)) ||
	    !(b.output_dir = outside(w, w->r->inputs_dir, e))) {
		bundle_done(&b);
		return -1;
	}
	b.output_dirfd = open(b.output_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b.output_dirfd < 0) {
		err_sys(e, "opening '%s'", b.output_dir);
		bundle_done(&b);
		return -1;
	}
	b.dirfd = TAKE(w->top, -1);
	b.lacks_null = w->lacks_null;
	b.owns_machine = bundle_owns_machine(w->h);
	*ret = b;
	return 0;
}

bool bundle_fits_memory(const struct request *r, enum spec_profile profile)
{
	/* A build that is root of a range of ids may write to all of its root file system. */
	if (r->constraints.uid_range)
		return false;
	if (profile == SPEC_NIX && spec_has_target(r, "/tmp"))
		return false;
	for (size_t i = 0; i < r->scratch_paths.n; i++)
		if (str_eq(r->scratch_paths.items[i], "tmp") ||
		    str_starts(r->scratch_paths.items[i], "tmp/"))
			return false;
	return true;
}

static int create(struct bundle_work *w, struct bundle *ret, struct err *e)
{
	/* The process has one thread, so no other thread sees this umask. */
	__attribute__((cleanup(umask_restore))) mode_t mask = umask(0);

	assert(w->path[0] == '/');
	w->umask = mask;
	if (req_check(w->r, e) < 0)
		return -1;
	w->disk =
		w->job->make_top ? w->job->make_top(w->job->ctx, w->path, e) : make_top(w->path, e);
	if (w->disk < 0)
		return -1;
	w->top = fcntl(w->in_memory ? w->job->mem_dirfd : w->disk, F_DUPFD_CLOEXEC, 0);
	if (w->top < 0)
		err_sys(e, "duplicating a descriptor");
	if (w->top < 0 || fill(w, e) < 0 || finish(w, ret, e) < 0) {
		struct err later = ERR_INIT;
		/*
		 * The caller gets the first error. A bundle that cannot be removed is stale, and
		 * the next one at PATH replaces it.
		 */
		if (bundle_remove(w->path, &later) < 0)
			err_clear(&later);
		return -1;
	}
	return 0;
}

int bundle_create(const struct bundle_job *j, struct bundle *ret, struct err *e)
{
	scoped_work struct bundle_work w = {.job = j,
					    .path = j->path,
					    .r = j->request,
					    .h = j->host,
					    .profile = j->profile,
					    .uid = j->user ? j->user->uid : NOBODY,
					    .gid = j->user ? j->user->gid : (gid_t)-1,
					    .in_memory = j->mem_dirfd >= 0,
					    .disk = -1,
					    .top = -1,
					    .root = -1,
					    .etc = -1,
					    .dev = -1,
					    .scratch = -1};

	return create(&w, ret, e);
}

void bundle_done(struct bundle *b)
{
	free(b->path);
	free(b->build_dir);
	free(b->output_dir);
	scope_close(&b->dirfd);
	scope_close(&b->output_dirfd);
	*b = (struct bundle)BUNDLE_INIT;
}

int bundle_remove(const char *path, struct err *e)
{
	return io_rmtree(AT_FDCWD, path, path, e);
}

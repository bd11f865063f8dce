/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two kinds of outputs are copied before they are believed. Those of fixed-output derivations: such
 * a build has the host's network and may have passed a descriptor of its output to somebody
 * outside, who could change the file after its hash was checked (CVE-2024-27297 of Nix). And those
 * of a bundle on another mount than the store, where rename(2) says EXDEV.
 *
 * A copy is made with canonical metadata, into a directory that only we may enter; hash and
 * references are the copy's. The directory lies beside
 * the directory of the outputs, so that it goes with the bundle, or in the store under the
 * derivation's hash, by which the garbage collector knows it is in use.
 */
#include "hook/outputs_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "nar/io.h"
#include "nar/scope.h"
#include "nar/walk.h"

#include "nar/banned.h"

#define COPIES_NAME "copies"
#define COPIES_SUFFIX_IN_STORE ".copies"

static int mount_of(int fd, const char *path, uint64_t *ret, struct err *e)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &st) < 0)
		return err_sys(e, "getting status of '%s'", path);
	*ret = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id
					  : makedev(st.stx_dev_major, st.stx_dev_minor);
	return 0;
}

int outs_compare_mounts(struct outs *o, const struct out_job *job, struct err *e)
{
	scoped_fd int store_fd = io_opendir(AT_FDCWD, job->store->real_dir, e);
	uint64_t ours, stores;

	if (store_fd < 0 || mount_of(job->output_dirfd, job->output_dir, &ours, e) < 0 ||
	    mount_of(store_fd, job->store->real_dir, &stores, e) < 0)
		return -1;
	o->other_mount = ours != stores;
	return 0;
}

bool outs_needs_copy(const struct outs *o, const struct out *out)
{
	return o->other_mount || out->decl->kind == DRV_FIXED;
}

static char *copies_path(const struct outs *o, const struct out_job *job, struct err *e)
{
	const char *slash = strrchr(job->output_dir, '/');

	if (o->other_mount)
		return str_fmt(e, "%s/%s" COPIES_SUFFIX_IN_STORE, job->store->real_dir,
			       str_base(job->drv->path));
	return str_fmt(e, "%.*s/" COPIES_NAME, (int)(slash - job->output_dir), job->output_dir);
}

static int copies_open(struct outs *o, const struct out_job *job, struct err *e)
{
	o->copies_path = copies_path(o, job, e);
	if (!o->copies_path)
		return -1;
	if (o->other_mount && job->own && job->own(job->run, o->copies_path, e) < 0)
		return -1;
	/* One that is there already is a dead run's. */
	if (io_rmtree(AT_FDCWD, o->copies_path, o->copies_path, e) < 0)
		return -1;
	o->copies_fd = io_mkdir(AT_FDCWD, o->copies_path, 0700, e);
	return o->copies_fd < 0 ? -1 : 0;
}

/* ---- one tree ---- */

#define COPY_PIECE (256u << 10)

struct copy {
	struct nar_walk *walk;
	char *piece; /* COPY_PIECE bytes */
	const char *what;
	int fds[NAR_DEPTH_MAX + 1]; /* of the directory of the copies and of those that are open */
	size_t depth;
};

static void copy_done(struct copy *c)
{
	while (c->depth)
		close(c->fds[c->depth--]);
	nar_walk_free(c->walk);
	free(c->piece);
}
#define scoped_copy __attribute__((cleanup(copy_done)))

static int seal(struct copy *c, int fd, mode_t mode, struct err *e)
{
	const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	if (fchmod(fd, mode) < 0 || futimens(fd, times) < 0)
		return err_sys(e, "making the copy of '%s' canonical", c->what);
	return 0;
}

static int copy_file(struct copy *c, const char *name, bool executable, struct err *e)
{
	scoped_fd int fd = openat(c->fds[c->depth], name,
				  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (fd < 0)
		return err_sys(e, "creating a copy of '%s'", c->what);
	while ((n = nar_walk_read(c->walk, c->piece, COPY_PIECE, e)) > 0)
		if (io_write(fd, c->piece, (size_t)n, c->what, e) < 0)
			return -1;
	if (n < 0 || seal(c, fd, executable ? 0555 : 0444, e) < 0)
		return -1;
	return io_close(&fd, c->what, e);
}

static int copy_link(struct copy *c, const char *name, const struct nar_event *ev, struct err *e)
{
	const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	scoped_free char *target = str_ndup(ev->data, ev->size_bytes, e);

	if (!target)
		return -1;
	if (symlinkat(target, c->fds[c->depth], name) < 0 ||
	    utimensat(c->fds[c->depth], name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "creating a copy of '%s'", c->what);
	return 0;
}

static int copy_event(struct copy *c, const struct nar_event *ev, const char *root, struct err *e)
{
	/* The walk's root has no name; its copy is called as it is. */
	const char *name = c->depth ? ev->name : root;

	switch (ev->type) {
	case NAR_DIR:
		if (c->depth == NAR_DEPTH_MAX)
			return err_set(e, ERR_LIMIT, "'%s' is too deep to be copied", c->what);
		c->fds[c->depth + 1] = io_mkdir(c->fds[c->depth], name, 0700, e);
		if (c->fds[c->depth + 1] < 0)
			return -1;
		c->depth++;
		return 0;
	case NAR_DIR_END: {
		scoped_fd int fd = c->fds[c->depth--];
		return seal(c, fd, 0555, e);
	}
	case NAR_FILE:
		return copy_file(c, name, ev->executable, e);
	case NAR_LINK:
		return copy_link(c, name, ev, e);
	case NAR_DATA:
		break;
	}
	return 0;
}

static int copy_tree(const struct out *out, int to_dirfd, struct err *e)
{
	scoped_copy struct copy c = {.what = out->what, .fds = {to_dirfd}};
	struct nar_event ev;
	int rc;

	c.piece = mem_new(1, COPY_PIECE, e);
	if (!c.piece)
		return -1;
	c.walk = nar_walk_new(out->dirfd, out->base, out->what, e);
	if (!c.walk)
		return -1;
	while ((rc = nar_walk_next(c.walk, &ev, e)) > 0)
		if (copy_event(&c, &ev, out->base, e) < 0)
			return -1;
	return rc;
}

int outs_copy(struct outs *o, struct out *out, const struct out_job *job, struct refscan *scan,
	      struct err *e)
{
	if (o->copies_fd < 0 && copies_open(o, job, e) < 0)
		return -1;
	if (copy_tree(out, o->copies_fd, e) < 0)
		return -1;
	out->dirfd = o->copies_fd;
	return nar_digest(out->dirfd, out->base, out->what, scan, &out->digest, e);
}

int outs_drop_copies(struct outs *o, const struct out_job *job, struct err *e)
{
	if (o->copies_fd < 0)
		return 0;
	if (io_rmtree(AT_FDCWD, o->copies_path, o->copies_path, e) < 0)
		return -1;
	if (o->other_mount && job->disown)
		return job->disown(job->run, o->copies_path, e);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two kinds of outputs are copied before they are believed:
 *
 *  - Fixed outputs. Their build has the host's network and may have passed a descriptor of the
 *    output to a process outside. That process could change the file after its hash was checked
 *    (CVE-2024-27297 of Nix).
 *  - All outputs of a bundle on another mount than the store. There rename(2) fails with EXDEV.
 *
 * A copy is the original's NAR, restored with canonical metadata into a directory that only this
 * user may enter. Hash and references are computed from the bytes that were written. The directory
 * lies beside the directory of the outputs and is removed with the bundle. For outputs on another
 * mount it lies in the store, under the derivation's name, by which the garbage collector knows
 * that it is in use.
 */
#include "hook/outputs/outputs_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/restore.h"

#include "nar/base/banned.h"

#define COPIES_NAME "copies"
#define COPIES_SUFFIX_IN_STORE ".copies"

/* Find out on which mount FD is: the mount's id if the kernel tells it, else the device. */
static int mount_of(int fd, const char *path, uint64_t *ret, struct err *e)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &st) < 0)
		return err_sys(e, "getting status of '%s'", path);
	*ret = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id
					  : makedev(st.stx_dev_major, st.stx_dev_minor);
	return 0;
}

int outputs_compare_mounts(struct outputs *o, const struct outputs_job *job, struct err *e)
{
	scoped_fd int store_fd = io_opendir(AT_FDCWD, job->store->real_dir, e);
	uint64_t ours, stores;

	if (store_fd < 0 || mount_of(job->output_dirfd, job->output_dir, &ours, e) < 0 ||
	    mount_of(store_fd, job->store->real_dir, &stores, e) < 0)
		return -1;
	o->other_mount = ours != stores;
	return 0;
}

bool outputs_needs_copy(const struct outputs *o, const struct output *out)
{
	return o->other_mount || out->decl->kind == DRV_FIXED;
}

static char *copies_path(const struct outputs *o, const struct outputs_job *job, struct err *e)
{
	const char *slash = strrchr(job->output_dir, '/');

	if (o->other_mount)
		return str_fmt(e, "%s/%s" COPIES_SUFFIX_IN_STORE, job->store->real_dir,
			       str_base(job->drv->path));
	return str_fmt(e, "%.*s/" COPIES_NAME, (int)(slash - job->output_dir), job->output_dir);
}

int outputs_open_copies(struct outputs *o, const struct outputs_job *job, struct err *e)
{
	if (o->copies_fd >= 0)
		return 0;
	o->copies_path = copies_path(o, job, e);
	if (!o->copies_path)
		return -1;
	if (o->other_mount && job->make_dir) {
		o->copies_fd = job->make_dir(job->run, o->copies_path, e);
		return o->copies_fd < 0 ? -1 : 0;
	}
	/* A directory that exists already is of a dead run. */
	if (io_rmtree(AT_FDCWD, o->copies_path, o->copies_path, e) < 0)
		return -1;
	o->copies_fd = io_mkdir(AT_FDCWD, o->copies_path, 0700, e);
	return o->copies_fd < 0 ? -1 : 0;
}

int outputs_copy(struct outputs *o, struct output *out, const struct outputs_job *job,
		 struct refscan *scan, struct err *e)
{
	const struct build_user *u = job->user;

	if (outputs_open_copies(o, job, e) < 0)
		return -1;
	scoped_free char *to = str_fmt(e, "%s/%s", o->copies_path, out->base);
	if (!to)
		return -1;
	const struct nar_copy copy = {
		.from = output_tree(out),
		.to_dirfd = o->copies_fd,
		.to_name = out->base,
		.to_what = to,
		.flags = NAR_RESTORE_CANONICAL,
		.keeps_links = true,
		/* Owners are checked again: a process outside may have changed the tree since. */
		.owner_min = u ? u->uid : 0,
		.owner_max = u ? u->uid + (u->count ? u->count - 1 : 0) : 0,
		.budget = job->budget,
	};
	if (job->budget && budget_fit_disk(job->budget, o->copies_fd, o->copies_path, e) < 0)
		return -1;
	if (nar_copy(&copy, scan, &out->digest, e) < 0)
		return -1;
	out->dirfd = o->copies_fd;
	return 0;
}

int outputs_drop_copies(struct outputs *o, const struct outputs_job *job, struct err *e)
{
	if (o->copies_fd < 0)
		return 0;
	if (io_rmtree(AT_FDCWD, o->copies_path, o->copies_path, e) < 0)
		return -1;
	if (o->other_mount && job->disown)
		return job->disown(job->run, o->copies_path, e);
	return 0;
}

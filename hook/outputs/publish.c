/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Outputs become valid all or none, whatever happens in between:
 *
 *  1. begin a transaction, which refuses paths that cannot be registered or are valid already;
 *  2. remove what lies at the final paths. It is not valid, and a build that died left it: Nix,
 *     which asked for this build, holds the locks on these paths;
 *  3. put each final path on the supervisor's list, and rename the output to it;
 *  4. take the paths off the list, and commit. Before, no process takes them for valid.
 *
 * On failure this file removes the paths again; after SIGKILL the supervisor does.
 *
 * A power cut must not leave a path that is valid and lacks its contents. So contents must reach
 * the disk before the names in the store, and the names before the row of the database. SQLite does
 * not write a row at once (WAL, synchronous = normal), but from the commit on the kernel may write
 * it at any time. Writing contents can take long, so it is done before the transaction begins. In
 * the transaction only the store directory is written: the database is locked for one flush.
 *
 * The paths are taken off the list just before the commit, not after it. A kill between the two
 * leaves files that are not valid, which Nix removes before the next build, and the garbage
 * collector at any time. The other order could leave a valid path without its files.
 */
#include "hook/outputs/outputs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hook/store/sign.h"
#include "nar/base/clock.h"
#include "nar/base/durable.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

struct publish {
	const struct outputs *o;
	const struct outputs_job *job;
	int store_fd;
	size_t moved; /* so many outputs, from the first on, are at their final paths */
};

/* Call TELL, if it is not NULL, with the real path of each output that is registered. */
static int each_real_path(const struct publish *p,
			  int (*tell)(struct run *, const char *, struct err *), struct err *e)
{
	for (size_t i = 0; tell && i < p->o->n; i++) {
		if (p->o->items[i].skip)
			continue;
		scoped_free char *real = store_real_path(p->job->store, p->o->items[i].path, e);

		if (!real || tell(p->job->run, real, e) < 0)
			return -1;
	}
	return 0;
}

static int remove_leftovers(const struct publish *p, struct err *e)
{
	for (size_t i = 0; i < p->o->n; i++)
		if (!p->o->items[i].skip &&
		    io_rmtree(p->store_fd, p->o->items[i].base, p->o->items[i].path, e) < 0)
			return -1;
	return 0;
}

/*
 * Rename OUT to its final path. Without root, moving a directory needs the right to write to it,
 * because its ".." changes. Afterwards it gets the canonical mode back.
 */
static int rename_out(struct publish *p, const struct output *out, struct err *e)
{
	bool unlock = geteuid() != 0 && S_ISDIR(out->left.st_mode);

	if (unlock && fchmodat(out->dirfd, out->base, 0755, 0) < 0)
		return err_sys(e, "making '%s' movable", out->what);
	if (renameat2(out->dirfd, out->base, p->store_fd, out->base, RENAME_NOREPLACE) < 0 &&
	    ((errno != EINVAL && errno != ENOSYS) ||
	     renameat(out->dirfd, out->base, p->store_fd, out->base) < 0))
		return err_sys(e, "moving output '%s' from '%s' to '%s'", out->decl->name,
			       out->what, out->path);
	p->moved = (size_t)(out - p->o->items) + 1;
	if (unlock && fchmodat(p->store_fd, out->base, 0555, 0) < 0)
		return err_sys(e, "setting the mode of '%s'", out->path);
	return 0;
}

static int move_all(struct publish *p, struct err *e)
{
	for (size_t i = 0; i < p->o->n; i++)
		if (!p->o->items[i].skip && rename_out(p, &p->o->items[i], e) < 0)
			return -1;
	return 0;
}

/* Remove what was moved. An error is ignored: what stays is not valid, so Nix removes it. */
static void take_back(const struct publish *p)
{
	for (size_t i = 0; i < p->moved; i++) {
		struct err ignored = ERR_INIT;

		/* This path is valid; another build made it. */
		if (p->o->items[i].skip)
			continue;
		if (io_rmtree(p->store_fd, p->o->items[i].base, p->o->items[i].path, &ignored) < 0)
			continue;
	}
}

/* Write the contents of all outputs to the disk, before they are moved. */
static int write_contents(const struct publish *p, struct err *e)
{
	scoped_free struct durable_tree *trees = mem_new(p->o->n, sizeof *trees, e);
	uint64_t bytes = 0;
	size_t n = 0;

	if (!trees)
		return -1;
	for (size_t i = 0; i < p->o->n; i++) {
		const struct output *out = &p->o->items[i];

		if (out->skip)
			continue;
		trees[n++] = (struct durable_tree){out->dirfd, out->base, out->what};
		if (__builtin_add_overflow(bytes, out->digest.size_bytes, &bytes))
			bytes = UINT64_MAX;
	}
	return durable_trees(trees, n, bytes, e);
}

static int move_and_commit(struct publish *p, struct store_txn *t, struct err *e)
{
	const struct outputs_job *job = p->job;

	if (remove_leftovers(p, e) < 0 || each_real_path(p, job->own, e) < 0 ||
	    move_all(p, e) < 0 ||
	    (job->store->durable && durable_fd(p->store_fd, job->store->real_dir, e) < 0) ||
	    each_real_path(p, job->disown, e) < 0)
		return -1;
	if (store_commit(t, e) < 0)
		return err_wrap(e, "registering the outputs of '%s'", job->drv->path);
	return 0;
}

static void note_cost(struct outputs_cost *cost, const struct store_registration *regs, size_t n,
		      uint64_t us)
{
	cost->registration_us += us;
	for (size_t i = 0; i < n; i++)
		cost->bytes += regs[i].nar_size_bytes;
}

int outputs_publish(const struct outputs *o, const struct outputs_job *job, struct err *e)
{
	scoped_fd int store_fd = io_opendir(AT_FDCWD, job->store->real_dir, e);
	scoped_free struct store_registration *regs = NULL;
	struct publish p = {o, job, store_fd, 0};

	if (store_fd < 0)
		return -1;
	regs = mem_new(o->n, sizeof *regs, e);
	if (!regs)
		return -1;
	size_t n = 0;
	for (size_t i = 0; i < o->n; i++)
		if (!o->items[i].skip)
			regs[n++] = output_registration(&o->items[i], job->drv->path);
	if (job->store->durable && write_contents(&p, e) < 0)
		return -1;
	const uint64_t since_us = clock_now_us();
	struct store_txn *t = store_begin(job->store, regs, n, e);
	if (!t)
		return err_wrap(e, "registering the outputs of '%s'", job->drv->path);
	int rc = store_txn_realise(t, o->reals, o->n_reals, e);
	if (rc == 0)
		rc = move_and_commit(&p, t, e);
	store_txn_free(t);
	if (rc < 0)
		take_back(&p);
	if (job->cost)
		note_cost(job->cost, regs, rc == 0 ? n : 0, clock_now_us() - since_us);
	return rc;
}

int outputs_sign(struct outputs *o, const struct settings *s, struct err *e)
{
	scoped_secretkeys struct secretkeys keys = SECRETKEYS_INIT;

	if (sign_keys_load(s, &keys, e) < 0)
		return -1;
	for (size_t i = 0; i < o->n; i++) {
		struct store_registration r = output_registration(&o->items[i], NULL);

		if (sign_registration(&keys, &r, &o->items[i].sigs, e) < 0)
			return -1;
	}
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fixed output with another hash than declared is what its own hash says it is, and as such a
 * good store path: Nix keeps it, so that who corrects the hash need not download again.
 *
 * Nix, which asked us, holds no lock on that path, so it is taken here, the way Nix does: a file
 * beside the path, locked; one with something in it was removed by who held it. Whoever has it now
 * is making that very path, and there is nothing to keep.
 */
#include "hook/outputs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "hook/log.h"
#include "nar/io.h"
#include "nar/scope.h"

#include "nar/banned.h"

/* The lock's descriptor; -1 where somebody else has it, or with *E. */
static int lock(const char *path, struct err *e)
{
	scoped_fd int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return err_sys(e, "opening the lock file '%s'", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_sys(e, "locking '%s'", path);
		return -1;
	}
	if (fstat(fd, &st) < 0)
		return err_sys(e, "getting status of '%s'", path);
	return st.st_size ? -1 : TAKE(fd, -1);
}

/* Remove the lock file, and tell who has it open already. */
static void unlock(int fd, const char *path)
{
	struct err ignored = ERR_INIT;

	unlink(path);
	if (io_write(fd, "d", 1, path, &ignored) < 0)
		err_clear(&ignored);
}

/* OUT is at PATH from now on, by another name. */
static int rename_copy(struct outs *o, struct out *out, const char *path, struct err *e)
{
	const char *base = str_base(path);

	if (renameat(out->dirfd, out->base, o->copies_fd, base) < 0)
		return err_sys(e, "renaming '%s' to '%s'", out->what, base);
	out->path = path;
	out->base = base;
	out->ca = storepath_ca_text(out->decl->method, &out->actual, e);
	return out->ca ? 0 : -1;
}

static int keep_locked(struct outs *o, struct out *out, const char *path, const struct out_job *job,
		       struct err *e)
{
	int valid = store_is_valid(job->store, path, e);

	if (valid)
		return valid < 0 ? -1 : 0;
	if (rename_copy(o, out, path, e) < 0 || outs_sign(o, job->settings, e) < 0 ||
	    outs_publish(o, job, e) < 0)
		return -1;
	return 0;
}

static int keep(struct outs *o, struct out *out, const struct out_job *job, struct err *e)
{
	const struct store *st = job->store;
	scoped_free char *path = storepath_make_ca(out->decl->method, &out->actual, NULL, false,
						   st->dir, storepath_name(out->base), e);
	if (!path)
		return -1;
	scoped_free char *real = store_real_path(st, path, e);
	if (!real)
		return -1;
	scoped_free char *lock_path = str_fmt(e, "%s.lock", real);
	if (!lock_path)
		return -1;
	scoped_fd int fd = lock(lock_path, e);
	if (fd < 0)
		return err_is_set(e) ? -1 : 0;
	int rc = keep_locked(o, out, path, job, e);
	/* PATH is gone at the end of this scope. */
	out->path = out->decl->path;
	out->base = str_base(out->path);
	unlock(fd, lock_path);
	return rc;
}

void outs_keep_mismatched(struct outs *o, const struct out_job *job)
{
	struct err e = ERR_INIT;

	/* There is only one, which refers to nothing. */
	if (o->n != 1 || !o->items[0].mismatched || o->copies_fd < 0)
		return;
	if (keep(o, &o->items[0], job, &e) < 0)
		log_warn("what was built is not kept under its own hash: %s", e.msg);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fixed output whose hash is not the declared one is still a good store path, under the path that
 * its real hash gives. Nix registers it there, so that a user who corrects the hash need not
 * download it again.
 *
 * Nix, which asked for the build, holds no lock on that path, so this process locks it. If another
 * process holds the lock, that process makes the same path, and nothing is kept here.
 */
#include "hook/outputs/outputs_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "hook/base/log.h"
#include "hook/store/path_lock.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Rename the copy of OUT to the name in PATH, and make OUT the output of PATH. */
static int rename_copy(struct outputs *o, struct output *out, const char *path, struct err *e)
{
	const char *base = str_base(path);

	if (renameat(out->dirfd, out->base, o->copies_fd, base) < 0)
		return err_sys(e, "renaming '%s' to '%s'", out->what, base);
	out->path = path;
	out->base = base;
	out->ca = storepath_ca_text(out->decl->method, &out->actual, e);
	return out->ca ? 0 : -1;
}

static int keep_locked(struct outputs *o, struct output *out, const char *path,
		       const struct outputs_job *job, struct err *e)
{
	int valid = store_is_valid(job->store, path, e);

	if (valid)
		return valid < 0 ? -1 : 0;
	if (rename_copy(o, out, path, e) < 0 || outputs_sign(o, job->settings, e) < 0 ||
	    outputs_publish(o, job, e) < 0)
		return -1;
	return 0;
}

static int keep(struct outputs *o, struct output *out, const struct outputs_job *job, struct err *e)
{
	const struct store *st = job->store;
	const struct ca_contents c = {.method = out->decl->method, .hash = out->actual};
	scoped_free char *path = storepath_make_ca(&c, st->dir, storepath_name(out->base), e);

	if (!path)
		return -1;
	scoped_free char *real = store_real_path(st, path, e);
	if (!real)
		return -1;
	scoped_pathlock struct pathlock lock = PATHLOCK_INIT;
	int rc = pathlock_take(real, false, &lock, e);
	if (rc <= 0)
		return rc;
	rc = keep_locked(o, out, path, job, e);
	/* OUT must not point to PATH, which is freed at the end of this scope. */
	out->path = out->decl->path;
	out->base = str_base(out->path);
	return rc;
}

void outputs_keep_mismatched(struct outputs *o, const struct outputs_job *job)
{
	struct err e = ERR_INIT;

	/* A fixed-output derivation has one output; it is kept only without references. */
	if (o->n != 1 || !o->items[0].mismatched || o->copies_fd < 0)
		return;
	if (keep(o, &o->items[0], job, &e) < 0)
		log_warn("what was built is not kept under its own hash: %s", e.msg);
}

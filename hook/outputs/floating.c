/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Floating outputs are content-addressed, so their paths are known only after the build. The build
 * wrote to made-up paths (drv_build_path()), and the files may name the made-up paths of all
 * outputs. In the order of references, each output gets, as in Nix's registerOutputs():
 *
 *	hash	of its contents. For hashing, the made-up hash of another output is replaced by the
 *		hash in that output's final path, and its own by zeroes (in a git tree it stays)
 *	path	made of that hash and its references
 *	files	rewritten, so that they name the final paths. They are only renamed if they name
 *		no made-up path
 *
 * The path is registered, and the realisation: the derivation's hash, the output's name and the
 * path. An output that is not wanted and was realised before keeps its path, and references to it
 * become references to that path.
 */
#include "hook/outputs/outputs_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hook/store/sign.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/githash.h"
#include "nar/restore.h"
#include "nar/storepath.h"
#include "nar/subst.h"

#include "nar/base/banned.h"

/* Nix before 2.17, which lacks this setting, also hashes the positions of the zeroes. */
#define SETTING_OF_2_17 "require-drop-supplementary-groups"

/* ---- which outputs there are ---- */

static int read_drv(void *ctx, const char *path, struct drv *ret, struct err *e)
{
	const struct store *st = ctx;
	scoped_free char *real = store_real_path(st, path, e);

	return real ? drv_read(path, real, st->dir, ret, e) : -1;
}

int float_open(struct outputs *o, const struct outputs_job *job, struct err *e)
{
	struct hash h;

	if (drv_hash_modulo(job->drv, job->store->dir, read_drv, job->store, &h, e) < 0)
		return -1;
	hash_print(&h, HASH_BASE16, true, o->drv_hash);
	return 0;
}

int float_collect(struct outputs *o, const struct outputs_job *job, const struct drv_output *decl,
		  char **ret_path, struct err *e)
{
	scoped_free char *made_up = drv_build_path(job->drv, decl, job->store->dir, e);
	scoped_free char *known = NULL;
	int rc = 0;

	if (!made_up)
		return -1;
	if (!strv_has(job->wanted, decl->name))
		rc = store_realisation(job->store, o->drv_hash, decl->name, &known, e);
	if (rc < 0)
		return -1;
	if (rc > 0) {
		if (strv_add(&o->known_from, made_up, e) < 0 || strv_add(&o->known, known, e) < 0)
			return -1;
		*ret_path = NULL;
		return 0;
	}
	*ret_path = TAKE(made_up, NULL);
	return 0;
}

/* ---- one output ---- */

/*
 * Return the final path of the output that was built as PATH. NULL: PATH is no made-up path, or it
 * is OUT's own.
 */
static const char *final_of(const struct outputs *o, const struct output *out, const char *path)
{
	for (size_t i = 0; i < o->known.n; i++)
		if (str_eq(o->known_from.items[i], path))
			return o->known.items[i];
	for (size_t i = 0; i < o->n; i++)
		if (&o->items[i] != out && o->items[i].made_up && str_eq(o->items[i].made_up, path))
			return o->items[i].path;
	return NULL;
}

/* Return the paths that the contents of OUT name, whether they are registered or not. */
static const struct strv *named_by(const struct output *out)
{
	return out->discarded.n ? &out->discarded : &out->refs;
}

static bool needs_rewriting(const struct outputs *o, const struct output *out)
{
	const struct strv *named = named_by(out);

	for (size_t i = 0; i < named->n; i++)
		if (str_eq(named->items[i], out->path) || final_of(o, out, named->items[i]))
			return true;
	return false;
}

/* Append to RET the final references of OUT, except itself; *RET_SELF: it also names itself. */
static int final_refs(const struct outputs *o, const struct output *out, struct strv *ret,
		      bool *ret_self, struct err *e)
{
	for (size_t i = 0; i < out->refs.n; i++) {
		const char *ref = out->refs.items[i], *final = final_of(o, out, ref);

		if (str_eq(ref, out->path)) {
			*ret_self = true;
			continue;
		}
		if (strv_add(ret, final ? final : ref, e) < 0)
			return -1;
	}
	strv_sort(ret);
	strv_uniq(ret);
	return 0;
}

/* Have S replace the made-up hashes in OUT by the final ones, and OUT's own by SELF. */
static int add_pairs(const struct outputs *o, const struct output *out, const char *self,
		     struct subst *s, struct err *e)
{
	const struct strv *named = named_by(out);

	if (subst_add(s, out->base, self, e) < 0)
		return -1;
	for (size_t i = 0; i < named->n; i++) {
		const char *final = final_of(o, out, named->items[i]);

		if (final && subst_add(s, str_base(named->items[i]), str_base(final), e) < 0)
			return -1;
	}
	return 0;
}

static int to_hash(void *ctx, const void *data, size_t n, struct err *e)
{
	return hash_update(ctx, data, n, e);
}

/* Hash the positions of what S has replaced, as Nix before 2.17. */
static int hash_hits(const struct subst *s, struct hash_ctx *c, struct err *e)
{
	char text[32];

	for (size_t i = 0; i < s->n_hits; i++) {
		int n = snprintf(text, sizeof text, "|%llu", (unsigned long long)s->hits[i]);

		if (hash_update(c, text, (size_t)n, e) < 0)
			return -1;
	}
	return 0;
}

static int dump(const struct output *out, const struct nar_sink *sink, struct err *e)
{
	const struct nar_tree tree = output_tree(out);

	return (out->decl->method == CA_NAR ? nar_dump : nar_dump_flat)(&tree, sink, e);
}

static int hash_rewritten(const struct outputs *o, const struct output *out,
			  const struct outputs_job *job, struct hash *ret, struct err *e)
{
	static const char zeroes[STORE_HASH_LEN];
	scoped_hash_ctx struct hash_ctx c = {0};
	scoped_subst struct subst s = SUBST_INIT;
	const struct nar_sink hash = {to_hash, &c}, sink = {subst_write, &s};

	if (hash_start(&c, out->decl->algo, e) < 0 || subst_init(&s, &hash, e) < 0 ||
	    add_pairs(o, out, zeroes, &s, e) < 0 || dump(out, &sink, e) < 0 || subst_end(&s, e) < 0)
		return -1;
	if (!settings_get(job->settings, SETTING_OF_2_17) && hash_hits(&s, &c, e) < 0)
		return -1;
	return hash_finish(&c, ret, e);
}

/* Write the NAR of OUT, with final paths, to FD. */
static int write_rewritten(const struct outputs *o, const struct output *out,
			   const char *final_base, int fd, struct err *e)
{
	scoped_subst struct subst s = SUBST_INIT;
	const struct io_file to = {fd, "a rewritten output"};
	const struct nar_sink file = io_sink(&to), sink = {subst_write, &s};
	const struct nar_tree tree = output_tree(out);

	if (subst_init(&s, &file, e) < 0 || add_pairs(o, out, final_base, &s, e) < 0 ||
	    nar_dump(&tree, &sink, e) < 0 || subst_end(&s, e) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "rewinding a rewritten output");
	return 0;
}

/*
 * Write the NAR of OUT, with final paths, to a file without a name.
 * Returns its descriptor, at the start of the file; -1: *E.
 */
static int open_rewritten(struct outputs *o, const struct output *out,
			  const struct outputs_job *job, const char *final_base, struct err *e)
{
	if (outputs_open_copies(o, job, e) < 0)
		return -1;
	scoped_fd int fd = openat(o->copies_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "creating a temporary file in '%s'", o->copies_path);
	return write_rewritten(o, out, final_base, fd, e) < 0 ? -1 : TAKE(fd, -1);
}

/*
 * Compute the hash of a rewritten git tree. It is no hash of one stream in which the output's own
 * path could be replaced by zeroes, so Nix leaves that path as the build wrote it. The tree can
 * contain it only with unsafeDiscardReferences, because a git tree may have no references.
 */
static int hash_rewritten_git(struct outputs *o, const struct output *out,
			      const struct outputs_job *job, struct hash *ret, struct err *e)
{
	scoped_fd int fd = open_rewritten(o, out, job, out->base, e);
	const struct nar_limits lim = {.depth_max = out->depth_max};
	scoped_nar_reader struct nar_reader *r = fd < 0 ? NULL : nar_reader_new(fd, &lim, e);

	return r ? githash_nar(r, out->decl->algo, ret, e) : -1;
}

static int content_hash(struct outputs *o, const struct output *out, const struct outputs_job *job,
			bool rewritten, struct hash *ret, struct err *e)
{
	if (!rewritten)
		return output_content_hash(out, ret, e);
	return out->decl->method == CA_GIT ? hash_rewritten_git(o, out, job, ret, e)
					   : hash_rewritten(o, out, job, ret, e);
}

static int rewrite_files(struct outputs *o, struct output *out, const struct outputs_job *job,
			 const char *final_base, struct err *e)
{
	scoped_fd int fd = open_rewritten(o, out, job, final_base, e);
	const struct nar_limits lim = {.depth_max = out->depth_max};
	scoped_nar_reader struct nar_reader *r = fd < 0 ? NULL : nar_reader_new(fd, &lim, e);

	if (!r ||
	    nar_restore(r, o->copies_fd, final_base, final_base, NAR_RESTORE_CANONICAL, e) < 0)
		return err_wrap(e, "rewriting output '%s'", out->decl->name);
	out->dirfd = o->copies_fd;
	const struct nar_tree tree = {out->dirfd, final_base, final_base, out->depth_max};
	return nar_digest(&tree, NULL, &out->digest, e);
}

/* Give the files of OUT their final name, and their final contents if these differ. */
static int place(struct outputs *o, struct output *out, const struct outputs_job *job,
		 const char *final, bool rewritten, struct err *e)
{
	const char *base = str_base(final);

	if (rewritten)
		return rewrite_files(o, out, job, base, e);
	if (renameat(out->dirfd, out->base, out->dirfd, base) < 0)
		return err_sys(e, "renaming '%s' to '%s'", out->what, base);
	return 0;
}

static int finalise(struct outputs *o, struct output *out, const struct outputs_job *job,
		    struct err *e)
{
	scoped_strv struct strv refs = STRV_INIT;
	struct ca_contents c = {.method = out->decl->method, .refs = &refs};
	bool rewritten = needs_rewriting(o, out);

	if (final_refs(o, out, &refs, &c.self, e) < 0 ||
	    content_hash(o, out, job, rewritten, &c.hash, e) < 0)
		return -1;
	out->final = storepath_make_ca(&c, job->store->dir, storepath_name(out->base), e);
	if (!out->final || place(o, out, job, out->final, rewritten, e) < 0)
		return -1;
	if (c.self && strv_add(&refs, out->final, e) < 0)
		return -1;
	strv_sort(&refs);
	strv_done(&out->refs);
	out->refs = TAKE(refs, ((struct strv)STRV_INIT));
	out->path = out->final;
	out->base = str_base(out->final);
	out->ca = storepath_ca_text(c.method, &c.hash, e);
	return out->ca ? 0 : -1;
}

/* ---- all of them ---- */

/*
 * Lock the final paths, which Nix has not locked. They are locked in sorted order, so that two
 * builds never wait for each other. A process that holds one of these locks registers the same
 * path, which does not take long.
 */
static int lock_all(struct outputs *o, const struct outputs_job *job, struct err *e)
{
	scoped_strv struct strv paths = STRV_INIT;

	for (size_t i = 0; i < o->n; i++)
		if (strv_add(&paths, o->items[i].path, e) < 0)
			return -1;
	strv_sort(&paths);
	strv_uniq(&paths);
	o->locks = mem_new(paths.n + 1, sizeof *o->locks, e);
	if (!o->locks)
		return -1;
	for (size_t i = 0; i < paths.n; i++) {
		scoped_free char *real = store_real_path(job->store, paths.items[i], e);

		o->locks[i] = (struct pathlock)PATHLOCK_INIT;
		o->n_locks++;
		if (!real || pathlock_take(real, true, &o->locks[i], e) < 0)
			return -1;
	}
	return 0;
}

int float_finalise(struct outputs *o, const struct outputs_job *job, const size_t *order,
		   struct err *e)
{
	for (size_t i = 0; i < o->n; i++)
		if (finalise(o, &o->items[order[i]], job, e) < 0)
			return -1;
	return lock_all(o, job, e);
}

/* Read OUT, a derivation that the build has made, and check it as Nix does. */
static int read_made(struct output *out, const struct outputs_job *job, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(DRV_BYTES_MAX);

	if (buf_reserve(&text, 0, e) < 0 || io_read_file(out->dirfd, out->base, &text, e) < 0 ||
	    drv_parse(text.data, text.len, out->path, job->store->dir, &out->drv, e) < 0 ||
	    drv_check_invariants(&out->drv, job->store->dir, read_drv, job->store, e) < 0)
		return err_wrap(e, "output '%s' of '%s'", out->decl->name, job->drv->path);
	out->is_drv = true;
	return 0;
}

/*
 * Tell whether realisations are registered. With ca-derivations Nix records a realisation for every
 * output. For outputs that are not floating it registers them itself after a hook, but does not
 * sign them. It keeps existing signatures, so these are registered here if there is a key.
 * Returns 1: they are; 0: they are not; -1: *E.
 */
static int is_realised(const struct outputs_job *job, const struct secretkeys *keys, struct err *e)
{
	scoped_strv struct strv features = STRV_INIT;

	if (drv_is_floating(job->drv))
		return 1;
	if (!keys->n)
		return 0;
	if (settings_list(job->settings, "experimental-features", &features, e) < 0)
		return -1;
	return strv_has(&features, "ca-derivations") ? store_has_realisations(job->store, e) : 0;
}

int outputs_realise(struct outputs *o, const struct outputs_job *job, struct err *e)
{
	scoped_secretkeys struct secretkeys keys = SECRETKEYS_INIT;

	if (sign_keys_load(job->settings, &keys, e) < 0)
		return -1;
	int rc = is_realised(job, &keys, e);
	if (rc <= 0)
		return rc;
	const bool floating = drv_is_floating(job->drv);
	if (!floating && float_open(o, job, e) < 0)
		return -1;
	o->real_sigs = mem_new(o->n + 1, sizeof *o->real_sigs, e);
	o->reals = o->real_sigs ? mem_new(o->n + 1, sizeof *o->reals, e) : NULL;
	if (!o->reals)
		return -1;
	for (size_t i = 0; i < o->n; i++) {
		struct output *out = &o->items[i];
		struct store_realisation *r = &o->reals[o->n_reals];
		int valid = store_is_valid(job->store, out->path, e);

		if (valid < 0)
			return -1;
		out->skip = valid > 0;
		if (floating && !out->skip && str_ends(out->path, ".drv") &&
		    read_made(out, job, e) < 0)
			return -1;
		*r = (struct store_realisation){o->drv_hash, out->decl->name, out->path,
						&o->real_sigs[o->n_reals]};
		if (sign_realisation(&keys, r, &o->real_sigs[o->n_reals++], e) < 0)
			return -1;
	}
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store path of a derivation's own file follows from the file's bytes, so damage that still
 * parses is noticed. Nix writes a derivation as a text that refers to its inputs. It also builds a
 * file of that format that somebody added to the store (nix-store --add, --add-fixed sha256).
 */
#include "hook/drv/derivation.h"

#include <string.h>

#include "nar/base/scope.h"
#include "nar/writer.h"

#include "nar/base/banned.h"

/* Append the references of D's file, if Nix wrote it. */
static int list_references(const struct drv *d, struct strv *ret, struct err *e)
{
	if (strv_copy(ret, &d->srcs, e) < 0)
		return -1;
	for (size_t i = 0; i < d->n_inputs; i++)
		if (strv_add(ret, d->inputs[i].path, e) < 0)
			return -1;
	strv_sort(ret);
	strv_uniq(ret); /* a derivation may also be an input as a file: exportReferencesGraph */
	return 0;
}

/* Return the store path of a file that Nix wrote as derivation D, with the LEN bytes at TEXT. */
static char *text_path(const struct drv *d, const void *text, size_t len, const char *store_dir,
		       struct err *e)
{
	scoped_strv struct strv refs = STRV_INIT;
	scoped_free char *name = str_fmt(e, "%s.drv", d->name);
	struct ca_contents c = {.method = CA_TEXT, .refs = &refs};

	if (!name || hash_bytes(HASH_SHA256, text, len, &c.hash, e) < 0 ||
	    list_references(d, &refs, e) < 0)
		return NULL;
	return storepath_make_ca(&c, store_dir, name, e);
}

char *drv_text_path(const struct drv *d, const char *store_dir, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(2 * DRV_BYTES_MAX);

	if (drv_print(d, &b, e) < 0)
		return NULL;
	return text_path(d, b.data, b.len, store_dir, e);
}

static int update_hash(void *ctx, char **buf, size_t n, struct err *e)
{
	return hash_update(ctx, *buf, n, e);
}

/* Hash the NAR of a file that contains the LEN bytes at TEXT. */
static int hash_as_nar(const void *text, size_t len, struct hash *ret, struct err *e)
{
	scoped_hash_ctx struct hash_ctx ctx = {0};
	const struct nar_event file = {.type = NAR_FILE, .name = "", .size_bytes = len};
	const struct nar_event data = {.type = NAR_DATA, .data = text, .size_bytes = len};
	char buf[NAR_WRITER_MIN];
	struct nar_writer w;

	if (hash_start(&ctx, HASH_SHA256, e) < 0)
		return -1;
	nar_writer_init(&w, buf, sizeof buf, update_hash, &ctx);
	if (nar_writer_event(&w, &file, e) < 0 || nar_writer_event(&w, &data, e) < 0)
		return -1;
	nar_writer_finish(&w);
	return hash_update(&ctx, w.buf, w.len, e) < 0 ? -1 : hash_finish(&ctx, ret, e);
}

/* Returns 1: a file with the LEN bytes at TEXT that was added by METHOD has D's path; 0: not. */
static int is_added(const struct drv *d, enum ca_method method, const void *text, size_t len,
		    const char *store_dir, struct err *e)
{
	struct ca_contents c = {.method = method};
	int rc = method == CA_NAR ? hash_as_nar(text, len, &c.hash, e)
				  : hash_bytes(HASH_SHA256, text, len, &c.hash, e);
	scoped_free char *name = rc < 0 ? NULL : str_fmt(e, "%s.drv", d->name);
	scoped_free char *path = name ? storepath_make_ca(&c, store_dir, name, e) : NULL;

	if (!path)
		return -1;
	return str_eq(path, d->path);
}

int drv_check_own_path(const struct drv *d, const void *text, size_t len, const char *store_dir,
		       struct err *e)
{
	static const enum ca_method methods[] = {CA_NAR, CA_FLAT};
	scoped_free char *path = text_path(d, text, len, store_dir, e);

	if (!path)
		return -1;
	if (str_eq(path, d->path))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		int rc = is_added(d, methods[i], text, len, store_dir, e);

		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
	return err_set(e, ERR_INPUT, "derivation '%s' is damaged: its contents belong to '%s'",
		       d->path, path);
}

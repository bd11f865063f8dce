/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/nonix/upload.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "hook/base/log.h"
#include "hook/nonix/narinfos.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/cache/dest.h"
#include "nar/cache/url.h"
#include "nar/dump.h"
#include "nar/narinfo.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

/* An output that is being uploaded. */
struct leaving {
	const char *path, *base;
	struct store_path_info info;
	struct narinfo narinfo;
	bool there; /* the cache contains its NAR already */
	bool told;  /* the cache contains its narinfo */
};

struct batch {
	const struct upload *p;
	int store_fd;
	struct leaving *items;
	size_t n;
};

static void batch_done(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		store_path_info_done(&b->items[i].info);
		narinfo_done(&b->items[i].narinfo);
	}
	free(b->items);
	scope_close(&b->store_fd);
}
#define scoped_batch __attribute__((cleanup(batch_done)))

static char *narinfo_name(const char *base, struct err *e)
{
	return str_fmt(e, "%.*s.narinfo", STORE_HASH_LEN, base);
}

/* ---- what the cache contains already ---- */

/* Warn of a damaged file. Returns 0, as for a missing file, which is written as well. */
static int damaged(const struct cache_dest *dest, const char *name, const char *why)
{
	log_warn("'%s' in '%s' is damaged and is written anew: %s", name, cache_dest_url(dest),
		 why);
	return 0;
}

/*
 * Look for the NAR that N names in DEST, and compare it as far as DEST tells of it.
 * Returns 1: it is there; 0: it is missing or damaged, which was warned of; -1: *E.
 */
static int has_nar(struct cache_dest *dest, const struct narinfo *n, struct err *e)
{
	const bool plain = str_eq(n->compression, "none");
	const uint64_t size = n->file_size_bytes || !plain ? n->file_size_bytes : n->nar_size_bytes;
	const bool hashed = n->has_file_hash && n->file_hash.algo == HASH_SHA256;
	int is;

	/* The NAR is on another server, or the narinfo has no size to compare with. */
	if (cache_url_is_absolute(n->url) || !size)
		return 1;
	is = cache_dest_compare(dest, n->url, size, hashed ? &n->file_hash : NULL, e);
	if (is == CACHE_NONE)
		return damaged(dest, n->url, "a narinfo names it, but it is missing");
	if (is == CACHE_DAMAGED)
		return damaged(dest, n->url, "its size or its hash is not the one in its narinfo");
	return is < 0 ? -1 : 1;
}

int upload_find(struct cache_dest *dest, const char *store_dir, const char *path,
		struct narinfo *ret, struct err *e)
{
	scoped_free char *name = narinfo_name(str_base(path), e);
	scoped_buf struct buf text = BUF_INIT(NARINFO_MAX_BYTES);
	scoped_narinfo struct narinfo n = {0};
	struct err why = ERR_INIT;
	int rc = name ? cache_dest_get(dest, name, &text, e) : -1;

	if (rc <= 0)
		return rc;
	if (narinfo_parse(text.data ? text.data : "", text.len, store_dir, name, &n, &why) < 0) {
		if (why.kind == ERR_INPUT)
			return damaged(dest, name, why.msg);
		*e = why;
		return -1;
	}
	/* Every whole narinfo has a line References, even for none. Without it, the end is lost. */
	if (!strstr(text.data, "\nReferences:"))
		return damaged(dest, name, "it has no line 'References'");
	if (!str_eq(n.store_path, path))
		return err_set(e, ERR_INPUT, "narinfo '%s' in '%s' describes '%s' instead of '%s'",
			       name, cache_dest_url(dest), n.store_path, path);
	rc = has_nar(dest, &n, e);
	if (rc > 0)
		*ret = TAKE(n, (struct narinfo){0});
	return rc;
}

/* Tell whether L's narinfo in the cache, which has the same NAR hash, agrees with the store. */
static bool says_the_same(const struct leaving *l)
{
	const struct narinfo *n = &l->narinfo;
	const struct store_path_info *i = &l->info;

	if (n->nar_size_bytes != i->nar_size_bytes || n->refs.n != i->refs.n || !n->ca != !i->ca ||
	    (n->ca && !str_eq(n->ca, i->ca)))
		return false;
	for (size_t r = 0; r < i->refs.n; r++)
		if (!strv_has_sorted(&n->refs, str_base(i->refs.items[r])))
			return false;
	return true;
}

static int sign(const struct upload *p, struct narinfo *n, struct err *e)
{
	for (size_t k = 0; k < p->secret_keys->n; k++)
		if (narinfo_sign(n, p->secret_keys->items[k], e) < 0)
			return -1;
	return 0;
}

/* Find out what the cache contains of L. */
static int look(const struct upload *p, struct leaving *l, struct err *e)
{
	int rc = upload_find(p->dest, p->store->dir, l->path, &l->narinfo, e);

	if (rc <= 0)
		return rc;
	l->there = l->told = true;
	if (!hash_equal(&l->narinfo.nar_hash, &l->info.nar_sha256)) {
		log_warn("'%s' already has other contents for '%s', which stay: the build of the "
			 "path is not deterministic",
			 cache_dest_url(p->dest), l->path);
		return 0;
	}
	if (!says_the_same(l)) {
		scoped_free char *name = narinfo_name(l->base, e);

		narinfo_done(&l->narinfo);
		l->there = l->told = false;
		return name ? damaged(p->dest, name,
				      "its size, references or content address are not the "
				      "registered ones")
			    : -1;
	}
	/* The signatures are the last lines. Perhaps only they were cut off: sign again. */
	if (l->narinfo.sigs.n == 0 && p->secret_keys->n) {
		l->told = false;
		return sign(p, &l->narinfo, e);
	}
	return 0;
}

/* ---- the NAR ---- */

/* Hash the NAR before compression, to be sure that the registered contents are uploaded. */
struct tee {
	struct nar_sink to;
	struct hash_ctx hash;
	uint64_t size_bytes;
};

static int tee_write(void *ctx, const void *data, size_t n, struct err *e)
{
	struct tee *t = ctx;

	t->size_bytes += n;
	if (hash_update(&t->hash, data, n, e) < 0)
		return -1;
	return t->to.write(t->to.ctx, data, n, e);
}

static int dump(const struct batch *b, struct leaving *l, int fd, struct err *e)
{
	const struct nar_tree tree = {b->store_fd, l->base, l->path, NAR_DEPTH_MAX};
	const struct io_file out = {fd, "the output"};
	const struct nar_sink file = io_sink(&out);
	scoped_compress struct compress *c = compress_new(&b->p->compress, &file, e);
	struct tee tee = {.size_bytes = 0};
	const struct nar_sink sink = {tee_write, &tee};
	struct hash is;
	int rc;

	if (!c || hash_start(&tee.hash, HASH_SHA256, e) < 0)
		return -1;
	tee.to = compress_sink(c);
	rc = nar_dump(&tree, &sink, e);
	if (rc == 0)
		rc = compress_finish(c, &l->narinfo.file_hash, &l->narinfo.file_size_bytes, e);
	if (rc == 0)
		rc = hash_finish(&tee.hash, &is, e);
	hash_ctx_done(&tee.hash);
	if (rc < 0)
		return -1;
	if (!hash_equal(&is, &l->info.nar_sha256) || tee.size_bytes != l->info.nar_size_bytes)
		return err_set(e, ERR_SYSTEM, "'%s' has changed since it was built", l->path);
	l->narinfo.has_file_hash = true;
	return 0;
}

/*
 * Upload the NAR of L. The hash of the compressed file names it, so a file of that name has the
 * same contents, unless its upload was cut off. If the cache tells neither size nor hash, upload
 * the NAR again.
 */
static int put_nar(const struct batch *b, struct leaving *l, struct err *e)
{
	struct cache_dest *dest = b->p->dest;
	scoped_cache_upload struct cache_upload *u = cache_upload_new(dest, e);
	char hash[HASH_TEXT_MAX];
	int is;

	log_msg(LOG_INFO, "copying path '%s' to '%s'...", l->path, cache_dest_url(dest));
	if (!u || dump(b, l, cache_upload_fd(u), e) < 0)
		return -1;
	hash_print(&l->narinfo.file_hash, HASH_NIX32, false, hash);
	l->narinfo.url =
		str_fmt(e, "nar/%s.nar%s", hash, compression_suffix(b->p->compress.compression));
	if (!l->narinfo.url)
		return -1;
	is = cache_dest_compare(dest, l->narinfo.url, l->narinfo.file_size_bytes,
				&l->narinfo.file_hash, e);
	if (is < 0)
		return -1;
	if (is == CACHE_DAMAGED)
		damaged(dest, l->narinfo.url, "its contents are not those that its name tells");
	return is == CACHE_SAME ? 0 : cache_upload_commit(u, l->narinfo.url, e);
}

/* ---- the narinfo ---- */

static int fill_narinfo(const struct upload *p, struct leaving *l, struct err *e)
{
	struct narinfo *n = &l->narinfo;
	const struct store_path_info *i = &l->info;

	if (narinfo_from_registered(n, l->path, i, e) < 0)
		return -1;
	n->compression = str_dup(compression_name(p->compress.compression), e);
	if (!n->compression)
		return -1;
	if (p->deriver && i->deriver) {
		n->deriver = str_dup(str_base(i->deriver), e);
		if (!n->deriver)
			return -1;
	}
	return sign(p, n, e);
}

static int put_narinfo(const struct upload *p, struct leaving *l, struct err *e)
{
	scoped_free char *name = narinfo_name(l->base, e);
	scoped_buf struct buf text = BUF_INIT(NARINFO_MAX_BYTES);

	if (!name || narinfo_print(&l->narinfo, &text, e) < 0 ||
	    cache_dest_put(p->dest, name, text.data, text.len, e) < 0)
		return -1;
	l->told = true;
	return 0;
}

/* Tell whether L refers to another output of the batch whose narinfo the cache lacks. */
static bool waits(const struct batch *b, const struct leaving *l)
{
	for (size_t i = 0; i < b->n; i++)
		if (&b->items[i] != l && !b->items[i].told &&
		    strv_has_sorted(&l->info.refs, b->items[i].path))
			return true;
	return false;
}

/* Upload the narinfos in rounds. hook/outputs/sort.c refuses outputs that refer in a circle. */
static int put_narinfos(const struct batch *b, struct err *e)
{
	size_t before, left = b->n;

	do {
		before = left;
		left = 0;
		for (size_t i = 0; i < b->n; i++) {
			struct leaving *l = &b->items[i];

			if (!l->told && waits(b, l))
				left++;
			else if (!l->told && put_narinfo(b->p, l, e) < 0)
				return -1;
		}
	} while (left && left != before);
	return left ? err_set(e, ERR_INPUT, "outputs refer to each other in a circle") : 0;
}

/* ---- the whole ---- */

static int start(struct batch *b, const struct strv *paths, struct err *e)
{
	const struct store *st = b->p->store;

	b->store_fd = io_opendir(AT_FDCWD, st->real_dir, e);
	b->items = b->store_fd < 0 ? NULL : mem_new(paths->n ? paths->n : 1, sizeof *b->items, e);
	if (!b->items)
		return -1;
	for (size_t i = 0; i < paths->n; i++) {
		struct leaving *l = &b->items[b->n++];

		l->path = paths->items[i];
		if (storepath_check(l->path, st->dir, &l->base, e) < 0 ||
		    store_path_info(b->p->store, l->path, &l->info, e) < 0 || look(b->p, l, e) < 0)
			return -1;
	}
	return 0;
}

int upload_paths(const struct upload *p, const struct strv *paths, struct err *e)
{
	scoped_batch struct batch b = {.p = p, .store_fd = -1};

	if (start(&b, paths, e) < 0)
		return -1;
	for (size_t i = 0; i < b.n; i++) {
		struct leaving *l = &b.items[i];

		if (!l->there && (put_nar(&b, l, e) < 0 || fill_narinfo(p, l, e) < 0))
			return err_wrap(e, "publishing '%s'", l->path);
	}
	/* Also settle NARs that were there: another process may have uploaded them just now. */
	return cache_dest_settle(p->dest, e) < 0 ? -1 : put_narinfos(&b, e);
}

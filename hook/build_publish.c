/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/build_publish.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "hook/log.h"
#include "nar/dump.h"
#include "nar/io.h"
#include "nar/narinfo.h"
#include "nar/scope.h"
#include "nar/storepath.h"

#include "nar/banned.h"

/* An output on its way. */
struct leaving {
	const char *path, *base;
	struct store_path_info info;
	struct narinfo narinfo;
	bool there; /* the cache has it already */
	bool told;  /* its narinfo is in the cache */
};

struct batch {
	const struct publish *p;
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

/* ---- what is there already ---- */

static int look(const struct publish *p, struct leaving *l, struct err *e)
{
	scoped_free char *name = narinfo_name(l->base, e);
	scoped_buf struct buf text = BUF_INIT(NARINFO_MAX_BYTES);
	int rc = name ? cache_dest_get(p->dest, name, &text, e) : -1;

	if (rc <= 0)
		return rc;
	if (narinfo_parse(text.data ? text.data : "", text.len, p->store->dir, name, &l->narinfo,
			  e) < 0)
		return err_wrap(e, "in '%s'", cache_dest_url(p->dest));
	l->there = l->told = true;
	if (!str_eq(l->narinfo.store_path, l->path))
		return err_set(e, ERR_INPUT, "'%s' in '%s' is of '%s', not of '%s'", name,
			       cache_dest_url(p->dest), l->narinfo.store_path, l->path);
	if (!hash_equal(&l->narinfo.nar_hash, &l->info.nar_sha256))
		log_warn("'%s' has other contents of '%s' already, which stay: its build is not "
			 "deterministic",
			 cache_dest_url(p->dest), l->path);
	return 0;
}

/* ---- the NAR ---- */

/* Hash what is compressed: what is published is what was registered, and nothing else. */
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
	const struct nar_sink file = sink_of_fd(&fd);
	scoped_compress struct compress *c = compress_new(&b->p->compress, &file, e);
	struct tee tee = {.size_bytes = 0};
	const struct nar_sink sink = {tee_write, &tee};
	struct hash is;
	int rc;

	if (!c || hash_start(&tee.hash, HASH_SHA256, e) < 0)
		return -1;
	tee.to = compress_sink(c);
	rc = nar_dump(b->store_fd, l->base, l->path, &sink, e);
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

/* NARs are known by the hash of what is in the file: one that is there is the same. */
static int put_nar(const struct batch *b, struct leaving *l, struct err *e)
{
	struct cache_dest *dest = b->p->dest;
	scoped_cache_upload struct cache_upload *u = cache_upload_new(dest, e);
	char hash[HASH_TEXT_MAX];
	int has;

	log_msg(LOG_INFO, "copying path '%s' to '%s'...", l->path, cache_dest_url(dest));
	if (!u || dump(b, l, cache_upload_fd(u), e) < 0)
		return -1;
	hash_print(&l->narinfo.file_hash, HASH_NIX32, false, hash);
	l->narinfo.url =
		str_fmt(e, "nar/%s.nar%s", hash, compression_suffix(b->p->compress.compression));
	if (!l->narinfo.url)
		return -1;
	has = cache_dest_has(dest, l->narinfo.url, e);
	if (has < 0)
		return -1;
	return has ? 0 : cache_upload_commit(u, l->narinfo.url, e);
}

/* ---- the narinfo ---- */

static int fill_narinfo(const struct publish *p, struct leaving *l, struct err *e)
{
	struct narinfo *n = &l->narinfo;
	const struct store_path_info *i = &l->info;

	n->store_path = str_dup(l->path, e);
	n->compression =
		n->store_path ? str_dup(compression_name(p->compress.compression), e) : NULL;
	if (!n->compression)
		return -1;
	n->nar_hash = i->nar_sha256;
	n->nar_size_bytes = i->nar_size_bytes;
	for (size_t r = 0; r < i->refs.n; r++)
		if (strv_add(&n->refs, str_base(i->refs.items[r]), e) < 0)
			return -1;
	strv_sort(&n->refs);
	if (p->deriver && i->deriver) {
		n->deriver = str_dup(str_base(i->deriver), e);
		if (!n->deriver)
			return -1;
	}
	if (i->ca) {
		n->ca = str_dup(i->ca, e);
		if (!n->ca)
			return -1;
	}
	for (size_t k = 0; k < p->secret_keys->n; k++)
		if (narinfo_sign(n, p->secret_keys->items[k], e) < 0)
			return -1;
	return 0;
}

static int put_narinfo(const struct publish *p, struct leaving *l, struct err *e)
{
	scoped_free char *name = narinfo_name(l->base, e);
	scoped_buf struct buf text = BUF_INIT(NARINFO_MAX_BYTES);

	if (!name || narinfo_print(&l->narinfo, &text, e) < 0 ||
	    cache_dest_put(p->dest, name, text.data, text.len, e) < 0)
		return -1;
	l->told = true;
	return 0;
}

/* Whether L refers to another of the batch that the cache does not know yet. */
static bool waits(const struct batch *b, const struct leaving *l)
{
	for (size_t i = 0; i < b->n; i++)
		if (&b->items[i] != l && !b->items[i].told &&
		    strv_has_sorted(&l->info.refs, b->items[i].path))
			return true;
	return false;
}

/* Outputs never refer to each other in a circle: hook/outsort.c. */
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

int publish_paths(const struct publish *p, const struct strv *paths, struct err *e)
{
	scoped_batch struct batch b = {.p = p, .store_fd = -1};

	if (start(&b, paths, e) < 0)
		return -1;
	for (size_t i = 0; i < b.n; i++) {
		struct leaving *l = &b.items[i];

		if (!l->there && (put_nar(&b, l, e) < 0 || fill_narinfo(p, l, e) < 0))
			return err_wrap(e, "publishing '%s'", l->path);
	}
	/* Also of NARs that were there: another process may have just put them there. */
	return cache_dest_settle(p->dest, e) < 0 ? -1 : put_narinfos(&b, e);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/nonix/caches.h"

#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "hook/base/log.h"
#include "hook/drv/derivation.h"
#include "hook/nonix/narinfos.h"
#include "nar/base/scope.h"
#include "nar/reader.h"
#include "nar/restore.h"

#include "nar/base/banned.h"

/* A message names at most this many missing paths. */
#define NAMED_MAX 20

static const char *const *list_of(const struct strv *v)
{
	return (const char *const *)v->items;
}

/* ---- derivations ---- */

/* A derivation that is being fetched; a thread of nar/cache fills *RET. */
struct coming_drv {
	const char *path, *store_dir;
	struct drv *ret;
};

/* Read the contents of a NAR of one file. */
static int read_file_nar(const struct nar_source *nar, const char *path, struct buf *b,
			 struct err *e)
{
	scoped_nar_reader struct nar_reader *r = nar_reader_new_source(nar, NULL, e);
	struct nar_event ev;
	int rc;

	if (!r)
		return -1;
	while ((rc = nar_next(r, &ev, e)) > 0) {
		if (ev.type != NAR_FILE && ev.type != NAR_DATA)
			return err_set(e, ERR_INPUT, "'%s' is not a file", path);
		if (ev.type == NAR_DATA && buf_add(b, ev.data, ev.size_bytes, e) < 0)
			return -1;
	}
	return rc;
}

static int consume_drv(struct cache_item *item, const struct nar_source *nar, struct err *e)
{
	const struct coming_drv *c = item->ctx;
	scoped_buf struct buf text = BUF_INIT(DRV_BYTES_MAX);
	scoped_drv struct drv d = DRV_INIT;

	if (read_file_nar(nar, c->path, &text, e) < 0 ||
	    drv_parse(text.data ? text.data : "", text.len, c->path, c->store_dir, &d, e) < 0 ||
	    drv_check_own_path(&d, text.data, text.len, c->store_dir, e) < 0)
		return -1;
	drv_done(c->ret); /* an earlier attempt may have filled it */
	*c->ret = d;
	d = (struct drv)DRV_INIT;
	return 0;
}

static int add_drv_size(struct caches *c, const struct cache_info *info, struct err *e)
{
	if (info->info.nar_size_bytes > BUILD_DRV_BYTES_MAX - c->drv_bytes)
		return err_set(e, ERR_LIMIT,
			       "the derivations of one build are larger than %" PRIu64 " bytes",
			       BUILD_DRV_BYTES_MAX);
	c->drv_bytes += info->info.nar_size_bytes;
	return 0;
}

/* Fetch the derivations PATHS, which have been queried, into *RET[0], *RET[1], ... */
static int fetch_drvs(struct caches *c, const struct strv *paths, struct drv **ret, struct err *e)
{
	scoped_free struct cache_item *items = mem_new(paths->n, sizeof *items, e);
	scoped_free struct coming_drv *coming = items ? mem_new(paths->n, sizeof *coming, e) : NULL;

	if (!coming)
		return -1;
	for (size_t i = 0; i < paths->n; i++) {
		const struct cache_info *info = cache_find(c->set, paths->items[i]);

		if (!info)
			return err_set(e, ERR_INPUT,
				       "derivation '%s' is in none of the caches; derivations get "
				       "there by: nix copy --derivation --to URL DRV",
				       paths->items[i]);
		if (add_drv_size(c, info, e) < 0)
			return -1;
		coming[i] = (struct coming_drv){paths->items[i], c->store_dir, ret[i]};
		items[i] = (struct cache_item){
			.info = info, .consume = consume_drv, .ctx = &coming[i]};
	}
	return paths->n ? cache_fetch(c->set, items, paths->n, e) : 0;
}

/* ---- reading ahead ---- */

/* A derivation that was read ahead. */
struct ahead {
	char *path;
	struct drv drv; /* without a path: it could not be fetched, or was loaded already */
};

static int compare_ahead(const void *a, const void *b)
{
	return strcmp(((const struct ahead *)a)->path, ((const struct ahead *)b)->path);
}

static void ahead_free(void *p)
{
	struct ahead *a = p;

	drv_done(&a->drv);
	free(a->path);
	free(a);
}

void caches_done(struct caches *c)
{
	tdestroy(TAKE(c->ahead, NULL), ahead_free);
}

static struct ahead *find_ahead(const struct caches *c, const char *path)
{
	const struct ahead key = {.path = (char *)(uintptr_t)path};
	struct ahead *const *found = tfind(&key, &c->ahead, compare_ahead);

	return found ? *found : NULL;
}

static struct ahead *add_ahead(struct caches *c, const char *path, struct err *e)
{
	struct ahead *a = mem_new(1, sizeof *a, e);

	if (!a)
		return NULL;
	*a = (struct ahead){.path = str_dup(path, e), .drv = DRV_INIT};
	if (a->path && tsearch(a, &c->ahead, compare_ahead))
		return a;
	if (a->path)
		err_memory(e);
	ahead_free(a);
	return NULL;
}

/* Fetch the derivations among ALL that were not read ahead before. */
static int fetch_ahead(struct caches *c, const struct strv *all, struct err *e)
{
	scoped_free struct drv **to = mem_new(all->n ? all->n : 1, sizeof *to, e);
	scoped_strv struct strv paths = STRV_INIT;

	if (!to)
		return -1;
	for (size_t i = 0; i < all->n; i++) {
		const char *path = all->items[i];
		struct ahead *a;

		if (!str_ends(path, ".drv") || find_ahead(c, path))
			continue;
		a = add_ahead(c, path, e);
		if (!a || strv_add(&paths, path, e) < 0)
			return -1;
		to[paths.n - 1] = &a->drv;
	}
	return fetch_drvs(c, &paths, to, e);
}

/*
 * Fetch all derivations below PATHS. If that fails, read no more ahead: load() asks again for a
 * derivation that is needed, and reports the error.
 */
static int read_ahead(struct caches *c, const struct strv *paths, struct err *e)
{
	scoped_strv struct strv all = STRV_INIT;
	const uint64_t bytes_before = c->drv_bytes;

	if (cache_query(c->set, list_of(paths), paths->n, CACHE_DERIVATIONS, e) < 0 ||
	    cache_closure(c->set, list_of(paths), paths->n, &all, NULL, e) < 0)
		return -1;
	if (fetch_ahead(c, &all, e) == 0)
		return 0;
	if (e->kind == ERR_STOPPED || e->kind == ERR_MEMORY)
		return -1;
	err_clear(e);
	c->drv_bytes = bytes_before;
	c->read_ahead = false;
	return 0;
}

/*
 * Move the derivations of PATHS that were read ahead into RET. Append the other paths to RET_REST,
 * and store in RET_TO where their derivations go.
 */
static int take_ahead(struct caches *c, const struct strv *paths, struct drv *ret,
		      struct strv *ret_rest, struct drv **ret_to, struct err *e)
{
	for (size_t i = 0; i < paths->n; i++) {
		struct ahead *a = find_ahead(c, paths->items[i]);

		if (a && a->drv.path) {
			ret[i] = TAKE(a->drv, (struct drv)DRV_INIT);
			continue;
		}
		ret_to[ret_rest->n] = &ret[i];
		if (strv_add(ret_rest, paths->items[i], e) < 0)
			return -1;
	}
	return 0;
}

static bool is_ahead(const struct caches *c, const struct strv *paths)
{
	for (size_t i = 0; i < paths->n; i++)
		if (!find_ahead(c, paths->items[i]))
			return false;
	return true;
}

static int load(void *ctx, const struct strv *paths, struct drv *ret, struct err *e)
{
	struct caches *c = ctx;
	scoped_free struct drv **to = mem_new(paths->n, sizeof *to, e);
	scoped_strv struct strv rest = STRV_INIT;

	if (!to || (c->read_ahead && !is_ahead(c, paths) && read_ahead(c, paths, e) < 0) ||
	    take_ahead(c, paths, ret, &rest, to, e) < 0)
		return -1;
	if (rest.n && cache_query(c->set, list_of(&rest), rest.n, 0, e) < 0)
		return -1;
	return rest.n ? fetch_drvs(c, &rest, to, e) : 0;
}

/* ---- paths ---- */

static int query(void *ctx, const struct strv *paths, struct err *e)
{
	struct caches *c = ctx;
	scoped_strv struct strv found = STRV_INIT, all = STRV_INIT, missing = STRV_INIT;

	if (cache_query(c->set, list_of(paths), paths->n, CACHE_CLOSURE, e) < 0)
		return -1;
	for (size_t i = 0; i < paths->n; i++)
		if (cache_find(c->set, paths->items[i]) && strv_add(&found, paths->items[i], e) < 0)
			return -1;
	if (found.n && cache_closure(c->set, list_of(&found), found.n, &all, &missing, e) < 0)
		return -1;
	c->incomplete |= missing.n != 0;
	return 0;
}

static int has(void *ctx, const char *path, struct err *e)
{
	const struct caches *c = ctx;
	scoped_strv struct strv all = STRV_INIT, missing = STRV_INIT;

	if (!cache_find(c->set, path))
		return 0;
	if (!c->incomplete)
		return 1;
	if (cache_closure(c->set, &path, 1, &all, &missing, e) < 0)
		return -1;
	return missing.n == 0;
}

struct build_source caches_source(struct caches *c)
{
	return (struct build_source){load, query, has, c};
}

int caches_closure(const struct caches *c, const struct strv *paths, struct strv *ret,
		   struct err *e)
{
	scoped_strv struct strv all = STRV_INIT, missing = STRV_INIT;
	scoped_buf struct buf names = BUF_INIT(ERR_MSG_MAX * 4);

	if (paths->n && cache_closure(c->set, list_of(paths), paths->n, &all, &missing, e) < 0)
		return -1;
	for (size_t i = 0; i < missing.n && i < NAMED_MAX; i++)
		if (buf_addf(&names, e, "\n  '%s'", missing.items[i]) < 0)
			return -1;
	if (missing.n)
		return err_set(e, ERR_INPUT, "%zu path%s in none of the caches:%s", missing.n,
			       missing.n == 1 ? " is" : "s are", names.data);
	strv_sort(&all);
	return strv_copy(ret, &all, e);
}

/* ---- into the cache of inputs ---- */

/* Refuse a NAR hash that is not SHA-256: entries of the cache of inputs are named by it. */
static int check_hash(const struct cache_info *i, struct err *e)
{
	if (i->info.nar_hash.algo == HASH_SHA256)
		return 0;
	return err_set(e, ERR_INPUT, "the NAR hash of '%s' in '%s' is not a SHA-256",
		       i->info.store_path, i->from);
}

void build_fetch_done(struct build_fetch *f)
{
	strv_done(&f->paths);
	*f = (struct build_fetch){.download_bytes = 0};
}

int caches_missing(const struct caches *c, const struct strv *paths, struct input_cache *ic,
		   struct build_fetch *ret, struct err *e)
{
	scoped_build_fetch struct build_fetch f = {.download_bytes = 0};

	for (size_t i = 0; i < paths->n; i++) {
		const struct cache_info *info = cache_find(c->set, paths->items[i]);
		const uint64_t size = info->info.file_size_bytes ? info->info.file_size_bytes
								 : info->info.nar_size_bytes;
		int there;

		if (check_hash(info, e) < 0)
			return -1;
		there = ic ? input_cache_has(ic, &info->info.nar_hash, e) : 0;
		if (there < 0)
			return -1;
		if (there)
			continue;
		if (__builtin_add_overflow(f.download_bytes, size, &f.download_bytes) ||
		    __builtin_add_overflow(f.nar_bytes, info->info.nar_size_bytes, &f.nar_bytes))
			return err_set(e, ERR_LIMIT,
				       "the sizes of the inputs add up to more than 2^64 bytes");
		if (strv_add(&f.paths, paths->items[i], e) < 0)
			return -1;
	}
	*ret = f;
	f = (struct build_fetch){.download_bytes = 0};
	return 0;
}

static int learn(const struct caches *c, const char *path, struct store *st, struct err *e)
{
	const struct narinfo *n = &cache_find(c->set, path)->info;
	scoped_free char *deriver = NULL;

	if (n->deriver) {
		deriver = str_fmt(e, "%s/%s", c->store_dir, n->deriver);
		if (!deriver)
			return -1;
	}
	return narinfo_register(n, deriver, st, e);
}

int caches_learn(const struct caches *c, const struct strv *paths, struct store *st, struct err *e)
{
	for (size_t i = 0; i < paths->n; i++)
		if (learn(c, paths->items[i], st, e) < 0)
			return -1;
	return 0;
}

struct fetching {
	struct input_cache *ic;
	bool announce;
};

/* A path that is being unpacked. */
struct coming_path {
	struct input_cache *ic;
	const struct cache_info *info;
	const struct nar_source *nar;
	bool announce;
};

/*
 * Unpack an entry. The source ends without an error only if the NAR has the promised hash, so
 * return that as the digest.
 */
static int fill_entry(const struct input_cache_item *item, int dirfd, const char *name,
		      const char *to, struct nar_digest *ret, struct err *e)
{
	const struct coming_path *c = item->ctx;
	scoped_nar_reader struct nar_reader *r = nar_reader_new_source(c->nar, NULL, e);

	/* The log writes a line by one write(2), so lines of several threads do not mix. */
	if (c->announce)
		log_msg(LOG_INFO, "copying path '%s' from '%s'...", item->what, c->info->from);
	if (!r || nar_restore(r, dirfd, name, to, NAR_RESTORE_CANONICAL, e) < 0)
		return -1;
	*ret = (struct nar_digest){item->sha256, item->size_bytes};
	return 0;
}

/*
 * Put one path into the cache of inputs. If the entry exists by now (another process has made it,
 * or two paths have one NAR), the NAR is not downloaded.
 */
static int consume_path(struct cache_item *item, const struct nar_source *nar, struct err *e)
{
	const struct fetching *f = item->ctx;
	const struct coming_path c = {f->ic, item->info, nar, f->announce};
	const struct narinfo *n = &item->info->info;
	const struct input_cache_item entry = {
		.what = n->store_path,
		.sha256 = n->nar_hash,
		.size_bytes = n->nar_size_bytes,
		.fill = fill_entry,
		.ctx = &c,
	};

	return input_cache_get(f->ic, &entry, true, e) < 0 ? -1 : 0;
}

int caches_fetch(struct caches *c, const struct strv *paths, struct input_cache *ic, struct err *e)
{
	scoped_free struct cache_item *items = mem_new(paths->n ? paths->n : 1, sizeof *items, e);
	struct fetching f = {ic, c->announce};

	if (!items)
		return -1;
	for (size_t i = 0; i < paths->n; i++)
		items[i] = (struct cache_item){
			.info = cache_find(c->set, paths->items[i]),
			.consume = consume_path,
			.ctx = &f,
		};
	return paths->n ? cache_fetch(c->set, items, paths->n, e) : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/store/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hook/store/backends_internal.h"
#include "hook/store/uri.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

int store_open(struct store *st, const struct settings *s, enum conf_registration how,
	       struct err *e)
{
	scoped_store_where struct store_where w = {0};
	const char *uri = settings_get(s, "store");
	struct store_env env;
	struct store new = {.registration = how};

	store_env_get(&env);
	if (store_uri_resolve(uri ? uri : "auto", &env, &w, e) < 0)
		return err_wrap(e, "finding the Nix store '%s'", uri ? uri : "auto");
	if (settings_bool(s, "fsync-metadata", true, &new.fsync_metadata, e) < 0 ||
	    settings_bool(s, "fsync-store-paths", false, &new.fsync_store_paths, e) < 0 ||
	    settings_bool(s, "use-sqlite-wal", true, &new.use_sqlite_wal, e) < 0 ||
	    settings_bool(s, "sync-before-registering", false, &new.sync_before_registering, e) < 0)
		return -1;
	new.uri = TAKE(w.uri, NULL);
	new.dir = TAKE(w.dir, NULL);
	new.real_dir = TAKE(w.real_dir, NULL);
	new.state_dir = TAKE(w.state_dir, NULL);
	new.local = w.local;
	new.system_features = TAKE(w.system_features, NULL);
	store_choose_durable(&new, SYNC_AUTO);
	*st = new;
	return 0;
}

/*
 * Where Nix's fsync-metadata is false, a power cut may destroy the database. So SYNC_AUTO does not
 * write files to the disk there either.
 */
void store_choose_durable(struct store *st, enum conf_sync how)
{
	const bool asked = st->fsync_store_paths || st->sync_before_registering;

	st->durable = asked || how == SYNC_ON || (how == SYNC_AUTO && st->fsync_metadata);
}

int store_features(const struct store *st, const struct settings *s, struct strv *ret,
		   struct err *e)
{
	if (st->system_features)
		return strv_split(ret, st->system_features, SETTINGS_BLANKS, e);
	return settings_list(s, "system-features", ret, e);
}

int store_open_mem(struct store *st, const char *dir, const char *real_dir, const char *state_dir,
		   struct err *e)
{
	scoped_store struct store new = {.local = true};

	new.uri = str_dup("none", e);
	new.dir = new.uri ? str_dup(dir, e) : NULL;
	new.real_dir = new.dir ? str_dup(real_dir, e) : NULL;
	new.state_dir = new.real_dir ? str_dup(state_dir, e) : NULL;
	new.mem = new.state_dir ? store_mem_new(e) : NULL;
	if (!new.mem)
		return -1;
	*st = new;
	new = (struct store){0};
	return 0;
}

int store_mem_add(struct store *st, const struct store_registration *reg, struct err *e)
{
	assert(st->mem);
	return store_mem_learn(st->mem, reg, e);
}

void store_done(struct store *st)
{
	store_mem_free(st->mem);
	store_db_free(st->db);
	free(st->uri);
	free(st->dir);
	free(st->real_dir);
	free(st->state_dir);
	free(st->system_features);
	free(st->why_not_sqlite);
	*st = (struct store){0};
}

char *store_real_path(const struct store *st, const char *path, struct err *e)
{
	size_t n = strlen(st->dir);

	if (strncmp(path, st->dir, n) != 0 || path[n] != '/') {
		err_set(e, ERR_INPUT, "path '%s' is not in the Nix store", path);
		return NULL;
	}
	return str_fmt(e, "%s%s", st->real_dir, path + n);
}

/*
 * Open the database unless it is open already.
 * Returns 1: st->db is open; 0: use `nix-store`, st->why_not_sqlite says why; -1: *E.
 */
static int need_db(struct store *st, struct err *e)
{
	int rc;

	if (st->db)
		return 1;
	if (st->why_not_sqlite)
		return 0;
	if (!st->local) {
		st->why_not_sqlite =
			str_fmt(e, "the hook may not write to the store '%s' directly", st->uri);
		rc = st->why_not_sqlite ? 0 : -1;
	} else {
		const struct store_db_how how = {st->state_dir, st->use_sqlite_wal,
						 st->fsync_metadata};

		rc = store_db_open(&how, &st->db, &st->why_not_sqlite, e);
	}
	if (rc == 0 && st->registration == REG_SQLITE)
		return err_set(e, ERR_SYSTEM,
			       "the database of the Nix store cannot be used (%s); "
			       "set 'registration' to 'auto' or 'load-db'",
			       st->why_not_sqlite);
	return rc;
}

int store_ready(struct store *st, struct err *e)
{
	return !st->mem && need_db(st, e) < 0 ? -1 : 0;
}

int store_is_valid(struct store *st, const char *path, struct err *e)
{
	int rc;

	if (st->mem)
		return store_mem_is_valid(st->mem, path);
	rc = need_db(st, e);
	if (rc < 0)
		return -1;
	return rc ? store_db_is_valid(st->db, path, e) : store_nix_is_valid(st->uri, path, e);
}

int store_closure(struct store *st, const struct strv *paths, struct strv *ret, struct err *e)
{
	int rc;

	if (st->mem)
		return store_mem_closure(st->mem, paths, ret, e);
	rc = need_db(st, e);
	if (rc < 0)
		return -1;
	return rc ? store_db_closure(st->db, paths, ret, e)
		  : store_nix_closure(st->uri, paths, ret, e);
}

int store_path_info(struct store *st, const char *path, struct store_path_info *ret, struct err *e)
{
	int rc;

	if (st->mem)
		return store_mem_info(st->mem, path, ret, e);
	rc = need_db(st, e);
	if (rc < 0)
		return -1;
	return rc ? store_db_info(st->db, path, ret, e) : store_nix_info(st->uri, path, ret, e);
}

/* Returns 1: *RET is the NAR size of PATH; 0: not known; -1: *E. */
static int nar_size(struct store *st, const char *path, uint64_t *ret, struct err *e)
{
	scoped_store_path_info struct store_path_info info = {0};

	if (!st->mem)
		return store_db_nar_size(st->db, path, ret, e);
	if (!store_mem_is_valid(st->mem, path))
		return 0;
	if (store_mem_info(st->mem, path, &info, e) < 0)
		return -1;
	*ret = info.nar_size_bytes;
	return 1;
}

int store_nar_sizes(struct store *st, const struct strv *paths, uint64_t *ret_bytes, struct err *e)
{
	const int rc = st->mem ? 1 : need_db(st, e);
	uint64_t sum = 0;

	if (rc <= 0)
		return rc;
	for (size_t i = 0; i < paths->n; i++) {
		uint64_t size = 0;
		const int known = nar_size(st, paths->items[i], &size, e);

		if (known <= 0)
			return known;
		if (__builtin_add_overflow(sum, size, &sum))
			return 0;
	}
	*ret_bytes = sum;
	return 1;
}

/* ---- registration ---- */

struct store_txn {
	struct store *st;
	const struct store_registration *regs;
	size_t n;
	bool sqlite; /* a transaction is open in st->db */
};

/*
 * Tell whether a derivation in REGS was not read by the caller. Nix reads a path whose name ends in
 * ".drv" when it registers it, to fill DerivationOutputs and to check the output paths. Such a
 * path is left to Nix.
 */
static bool any_unread_drv(const struct store_registration *regs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!regs[i].drv && str_ends(regs[i].path, ".drv"))
			return true;
	return false;
}

static int begin(struct store_txn *t, struct err *e)
{
	struct store *st = t->st;
	int rc;

	if (st->mem)
		return store_mem_check(st->mem, t->regs, t->n, e);
	rc = need_db(st, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || st->registration == REG_LOAD_DB || any_unread_drv(t->regs, t->n))
		return store_nix_check(st->uri, t->regs, t->n, e);
	if (store_db_begin(st->db, t->regs, t->n, e) < 0)
		return -1;
	t->sqlite = true;
	return 0;
}

struct store_txn *store_begin(struct store *st, const struct store_registration *regs, size_t n,
			      struct err *e)
{
	struct store_txn *t = mem_new(1, sizeof *t, e);

	if (!t)
		return NULL;
	*t = (struct store_txn){.st = st, .regs = regs, .n = n};
	if (begin(t, e) < 0) {
		free(t);
		return NULL;
	}
	return t;
}

int store_has_realisations(struct store *st, struct err *e)
{
	int rc = st->mem || st->registration == REG_LOAD_DB ? 0 : need_db(st, e);

	return rc > 0 ? store_db_has_realisations(st->db, e) : rc;
}

int store_realisation(struct store *st, const char *drv_hash, const char *output, char **ret_path,
		      struct err *e)
{
	int rc = store_has_realisations(st, e);

	return rc > 0 ? store_db_realisation(st->db, drv_hash, output, ret_path, e) : rc;
}

int store_txn_realise(struct store_txn *t, const struct store_realisation *r, size_t n,
		      struct err *e)
{
	if (n && !t->sqlite)
		return err_set(e, ERR_SYSTEM, "the Nix store has no table for realisations");
	for (size_t i = 0; i < n; i++)
		if (store_db_realise(t->st->db, &r[i], e) < 0)
			return -1;
	return 0;
}

int store_commit(struct store_txn *t, struct err *e)
{
	if (t->st->mem)
		return store_mem_register(t->st->mem, t->regs, t->n, e);
	if (!t->sqlite)
		return store_nix_load(t->st->uri, t->regs, t->n, e);
	/* sync(2) of all file systems, as Nix does. */
	if (t->st->sync_before_registering)
		sync();
	if (store_db_commit(t->st->db, e) < 0)
		return -1;
	t->sqlite = false;
	return 0;
}

void store_txn_free(struct store_txn *t)
{
	if (!t)
		return;
	if (t->sqlite)
		store_db_rollback(t->st->db);
	free(t);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The back-end that uses Nix's database, as Nix uses it (src/libstore/local-store.cc). To register
 * outputs, Nix writes a row to ValidPaths for each output and a row to Refs for each reference. It
 * writes to DerivationOutputs when it registers a derivation, not its outputs. So this back-end
 * writes there only for a derivation that is itself the output of a build.
 */
#include "hook/store/sqlite_internal.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hook/drv/derivation.h"
#include "nar/base/pairset.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define REALISATION_COLUMNS_KNOWN "id,drvPath,outputName,outputPath,signatures"

static const char *const stmt_sql[] = {
	[STMT_INFO] = "select id, hash, registrationTime, deriver, narSize, ultimate, sigs, ca "
		      "from ValidPaths where path = ?",
	[STMT_REFS] = "select id, path from Refs join ValidPaths on reference = id "
		      "where referrer = ?",
	[STMT_ADD_PATH] = "insert into ValidPaths (path, hash, registrationTime, deriver, narSize, "
			  "ultimate, sigs, ca) values (?, ?, ?, ?, ?, ?, ?, ?)",
	[STMT_ADD_REF] = "insert or replace into Refs (referrer, reference) values (?, ?)",
	[STMT_ADD_OUTPUT] = "insert or replace into DerivationOutputs (drv, id, path) "
			    "values (?, ?, ?)",
	[STMT_REALISATION] = "select path from Realisations join ValidPaths on ValidPaths.id = "
			     "outputPath where drvPath = ? and outputName = ?",
	[STMT_ADD_REALISATION] =
		"insert into Realisations (drvPath, outputName, outputPath, signatures) values "
		"(?, ?, (select id from ValidPaths where path = ?), ?)",
};
_Static_assert(ARRAY_SIZE(stmt_sql) == STMT_COUNT, "one text a statement");

int store_db_err(const struct store_db *db, const char *doing, struct err *e)
{
	int code = sqlite3_errcode(db->sql), sys = sqlite3_system_errno(db->sql);

	if (code == SQLITE_NOMEM)
		return err_memory(e);
	err_set(e, ERR_SYSTEM, "%s in the database '%s': %s", doing, db->path,
		sqlite3_errmsg(db->sql));
	e->sys = code == SQLITE_FULL ? ENOSPC : sys;
	return -1;
}

int store_db_exec(struct store_db *db, const char *sql, struct err *e)
{
	if (sqlite3_exec(db->sql, sql, NULL, NULL, NULL) != SQLITE_OK)
		return store_db_err(db, sql, e);
	return 0;
}

/* ---- statements ---- */

static void stmt_reset(sqlite3_stmt *const *s)
{
	if (*s) {
		sqlite3_reset(*s);
		sqlite3_clear_bindings(*s);
	}
}
/* At the end of the scope the statement becomes ready for its next use. */
#define scoped_stmt __attribute__((cleanup(stmt_reset)))

static sqlite3_stmt *stmt(struct store_db *db, enum stmt which, struct err *e)
{
	if (!db->stmts[which] &&
	    sqlite3_prepare_v3(db->sql, stmt_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
			       &db->stmts[which], NULL) != SQLITE_OK) {
		store_db_err(db, "preparing a statement", e);
		return NULL;
	}
	return db->stmts[which];
}

/* Step the statement S. Returns 1: there is a row; 0: no more rows; -1: *E. */
static int stmt_step(struct store_db *db, sqlite3_stmt *s, const char *doing, struct err *e)
{
	switch (sqlite3_step(s)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		return store_db_err(db, doing, e);
	}
}

static void bind_text(sqlite3_stmt *s, int i, const char *text)
{
	/* If binding fails (memory, index), the value stays NULL, and the next step fails. */
	if (text)
		sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
}

static const char *column_text(sqlite3_stmt *s, int i)
{
	return (const char *)sqlite3_column_text(s, i);
}

/* Put into *RET whether SQL, a query for one text, answers KNOWN. -1: SQLite failed. */
static int columns_are(struct store_db *db, const char *sql, const char *known, bool *ret)
{
	sqlite3_stmt *s = NULL;
	int rc = -1;

	if (sqlite3_prepare_v2(db->sql, sql, -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW) {
		*ret = column_text(s, 0) && str_eq(column_text(s, 0), known);
		rc = 0;
	}
	sqlite3_finalize(s);
	return rc;
}

/* ---- queries ---- */

/* Look up the id of PATH. Returns 1: *RET_ID is set; 0: PATH is not valid; -1: *E. */
static int path_id(struct store_db *db, const char *path, int64_t *ret_id, struct err *e)
{
	scoped_stmt sqlite3_stmt *s = stmt(db, STMT_INFO, e);

	if (!s)
		return -1;
	bind_text(s, 1, path);
	int rc = stmt_step(db, s, "looking for a path", e);
	if (rc > 0)
		*ret_id = sqlite3_column_int64(s, 0);
	return rc;
}

int store_db_is_valid(struct store_db *db, const char *path, struct err *e)
{
	int64_t id;

	return path_id(db, path, &id, e);
}

int store_db_nar_size(struct store_db *db, const char *path, uint64_t *ret, struct err *e)
{
	scoped_stmt sqlite3_stmt *s = stmt(db, STMT_INFO, e);

	if (!s)
		return -1;
	bind_text(s, 1, path);
	const int rc = stmt_step(db, s, "looking for a path", e);
	if (rc > 0)
		*ret = (uint64_t)sqlite3_column_int64(s, 4); /* NULL is 0 */
	return rc;
}

static int info_row(sqlite3_stmt *s, const char *path, struct store_path_info *info, struct err *e)
{
	const char *hash = column_text(s, 1), *deriver = column_text(s, 3);
	const char *sigs = column_text(s, 6), *ca = column_text(s, 7);

	if (!hash)
		return err_memory(e);
	if (hash_parse_any(hash, strlen(hash), &info->nar_sha256, e) < 0)
		return err_wrap(e, "the entry of '%s' in Nix's database", path);
	if (info->nar_sha256.algo != HASH_SHA256)
		return err_set(e, ERR_INPUT,
			       "the entry of '%s' in Nix's database has no SHA-256 hash", path);
	info->registration_time = sqlite3_column_int64(s, 2);
	info->nar_size_bytes = (uint64_t)sqlite3_column_int64(s, 4); /* NULL is 0 */
	info->ultimate = sqlite3_column_int64(s, 5) == 1;
	if (deriver && *deriver && !(info->deriver = str_dup(deriver, e)))
		return -1;
	if (ca && *ca && !(info->ca = str_dup(ca, e)))
		return -1;
	return sigs ? strv_split(&info->sigs, sigs, " ", e) : 0;
}

int store_db_info(struct store_db *db, const char *path, struct store_path_info *ret, struct err *e)
{
	scoped_store_path_info struct store_path_info info = {0};
	int64_t id;
	int rc;

	{
		scoped_stmt sqlite3_stmt *s = stmt(db, STMT_INFO, e);
		if (!s)
			return -1;
		bind_text(s, 1, path);
		rc = stmt_step(db, s, "looking for a path", e);
		if (rc <= 0)
			return rc < 0 ? -1 : store_err_invalid(path, e);
		id = sqlite3_column_int64(s, 0);
		if (info_row(s, path, &info, e) < 0)
			return -1;
	}
	scoped_stmt sqlite3_stmt *s = stmt(db, STMT_REFS, e);
	if (!s)
		return -1;
	sqlite3_bind_int64(s, 1, id);
	while ((rc = stmt_step(db, s, "reading references", e)) > 0)
		if (!column_text(s, 1) || strv_add(&info.refs, column_text(s, 1), e) < 0)
			return err_is_set(e) ? -1 : err_memory(e);
	if (rc < 0)
		return -1;
	strv_sort(&info.refs);
	*ret = TAKE(info, ((struct store_path_info){0}));
	return 0;
}

struct id_list {
	int64_t *ids;
	size_t n, cap;
};

static int id_push(struct id_list *l, int64_t id, struct err *e)
{
	if (mem_grow(&l->ids, &l->cap, l->n + 1, sizeof *l->ids, e) < 0)
		return -1;
	l->ids[l->n++] = id;
	return 0;
}

/* Append to RET every path that the ids in TODO lead to by references and that is not in SEEN. */
static int closure_walk(struct store_db *db, struct pairset *seen, struct id_list *todo,
			struct strv *ret, struct err *e)
{
	while (todo->n) {
		scoped_stmt sqlite3_stmt *s = stmt(db, STMT_REFS, e);
		int rc;

		if (!s)
			return -1;
		sqlite3_bind_int64(s, 1, todo->ids[--todo->n]);
		while ((rc = stmt_step(db, s, "reading references", e)) > 0) {
			int64_t id = sqlite3_column_int64(s, 0);
			const char *path = column_text(s, 1);

			if (!path)
				return err_memory(e);
			rc = pairset_add(seen, 0, (uint64_t)id, e);
			if (rc < 0)
				return -1;
			if (rc > 0 && (id_push(todo, id, e) < 0 || strv_add(ret, path, e) < 0))
				return -1;
		}
		if (rc < 0)
			return -1;
	}
	return 0;
}

int store_db_closure(struct store_db *db, const struct strv *paths, struct strv *ret, struct err *e)
{
	scoped_pairset struct pairset seen = PAIRSET_INIT;
	scoped_strv struct strv found = STRV_INIT;
	struct id_list todo = {0};
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < paths->n; i++) {
		int64_t id = 0;

		rc = path_id(db, paths->items[i], &id, e);
		if (rc == 0)
			rc = store_err_invalid(paths->items[i], e);
		if (rc > 0)
			rc = pairset_add(&seen, 0, (uint64_t)id, e);
		if (rc > 0)
			rc = id_push(&todo, id, e) < 0 ? -1 : strv_add(&found, paths->items[i], e);
	}
	if (rc >= 0)
		rc = closure_walk(db, &seen, &todo, &found, e);
	free(todo.ids);
	if (rc < 0)
		return -1;
	strv_sort(&found);
	return strv_copy(ret, &found, e);
}

/* ---- registration ---- */

static int join_sigs(const struct strv *sigs, struct buf *b, struct err *e)
{
	for (size_t i = 0; sigs && i < sigs->n; i++)
		if (buf_addf(b, e, "%s%s", i ? " " : "", sigs->items[i]) < 0)
			return -1;
	return 0;
}

static int add_path(struct store_db *db, const struct store_registration *r, struct err *e)
{
	scoped_buf struct buf sigs = BUF_INIT(1u << 20);
	scoped_stmt sqlite3_stmt *s = stmt(db, STMT_ADD_PATH, e);
	char hash[HASH_TEXT_MAX];

	if (!s)
		return -1;
	if (join_sigs(r->sigs, &sigs, e) < 0)
		return -1;
	hash_print(&r->nar_sha256, HASH_BASE16, true, hash);
	bind_text(s, 1, r->path);
	bind_text(s, 2, hash);
	sqlite3_bind_int64(s, 3, (int64_t)time(NULL));
	bind_text(s, 4, r->deriver);
	sqlite3_bind_int64(s, 5, (int64_t)r->nar_size_bytes);
	sqlite3_bind_int64(s, 6, 1);
	bind_text(s, 7, sigs.len ? sigs.data : NULL);
	bind_text(s, 8, r->ca);
	return stmt_step(db, s, "registering a path", e);
}

static int add_refs(struct store_db *db, const struct store_registration *r, struct err *e)
{
	int64_t referrer = 0, reference = 0;

	if (path_id(db, r->path, &referrer, e) < 0)
		return -1;
	for (size_t i = 0; i < r->refs->n; i++) {
		int rc = path_id(db, r->refs->items[i], &reference, e);
		if (rc <= 0)
			return rc < 0 ? -1 : store_err_invalid(r->refs->items[i], e);
		scoped_stmt sqlite3_stmt *s = stmt(db, STMT_ADD_REF, e);
		if (!s)
			return -1;
		sqlite3_bind_int64(s, 1, referrer);
		sqlite3_bind_int64(s, 2, reference);
		if (stmt_step(db, s, "registering a reference", e) < 0)
			return -1;
	}
	return 0;
}

/* Add the outputs of the derivation R to DerivationOutputs, if their paths are known. */
static int add_outputs(struct store_db *db, const struct store_registration *r, struct err *e)
{
	int64_t id = 0;

	if (path_id(db, r->path, &id, e) < 0)
		return -1;
	for (size_t i = 0; i < r->drv->n_outputs; i++) {
		const struct drv_output *o = &r->drv->outputs[i];

		if (!o->path)
			continue;
		scoped_stmt sqlite3_stmt *s = stmt(db, STMT_ADD_OUTPUT, e);
		if (!s)
			return -1;
		sqlite3_bind_int64(s, 1, id);
		bind_text(s, 2, o->name);
		bind_text(s, 3, o->path);
		if (stmt_step(db, s, "registering an output", e) < 0)
			return -1;
	}
	return 0;
}

static int add_all(struct store_db *db, const struct store_registration *regs, size_t n,
		   struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int rc = store_db_is_valid(db, regs[i].path, e);
		if (rc < 0)
			return -1;
		if (rc > 0)
			return err_set(e, ERR_INPUT, "path '%s' is valid already", regs[i].path);
		if (add_path(db, &regs[i], e) < 0 ||
		    (regs[i].drv && add_outputs(db, &regs[i], e) < 0))
			return -1;
	}
	for (size_t i = 0; i < n; i++)
		if (add_refs(db, &regs[i], e) < 0)
			return -1;
	return 0;
}

int store_db_begin(struct store_db *db, const struct store_registration *regs, size_t n,
		   struct err *e)
{
	if (store_db_exec(db, "begin immediate", e) < 0)
		return -1;
	if (add_all(db, regs, n, e) < 0) {
		store_db_rollback(db);
		return -1;
	}
	return 0;
}

int store_db_has_realisations(struct store_db *db, struct err *e)
{
	bool known = false;

	if (columns_are(db, "select group_concat(name) from pragma_table_info('Realisations')",
			REALISATION_COLUMNS_KNOWN, &known) < 0)
		return store_db_err(db, "looking for realisations", e);
	return known;
}

int store_db_realisation(struct store_db *db, const char *drv_hash, const char *output,
			 char **ret_path, struct err *e)
{
	scoped_stmt sqlite3_stmt *s = stmt(db, STMT_REALISATION, e);

	if (!s)
		return -1;
	bind_text(s, 1, drv_hash);
	bind_text(s, 2, output);
	int rc = stmt_step(db, s, "looking for a realisation", e);
	if (rc <= 0)
		return rc;
	*ret_path = str_dup(column_text(s, 0) ? column_text(s, 0) : "", e);
	return *ret_path ? 1 : -1;
}

int store_db_realise(struct store_db *db, const struct store_realisation *r, struct err *e)
{
	scoped_buf struct buf sigs = BUF_INIT(1u << 20);
	scoped_free char *known = NULL;
	int rc = store_db_realisation(db, r->drv_hash, r->output, &known, e);

	if (rc < 0)
		return -1;
	if (rc > 0 && str_eq(known, r->path))
		return 0;
	if (rc > 0)
		return err_set(e, ERR_INPUT,
			       "Trying to register a realisation of '%s!%s', but we already have "
			       "another one locally.\nLocal:  %s\nRemote: %s",
			       r->drv_hash, r->output, known, r->path);
	scoped_stmt sqlite3_stmt *s = stmt(db, STMT_ADD_REALISATION, e);
	if (!s || join_sigs(r->sigs, &sigs, e) < 0)
		return -1;
	bind_text(s, 1, r->drv_hash);
	bind_text(s, 2, r->output);
	bind_text(s, 3, r->path);
	/* Nix writes the empty string if there are no signatures. */
	bind_text(s, 4, sigs.len ? sigs.data : "");
	return stmt_step(db, s, "registering a realisation", e);
}

int store_db_commit(struct store_db *db, struct err *e)
{
	return store_db_exec(db, "commit", e);
}

void store_db_rollback(struct store_db *db)
{
	/* SQLite may have rolled back itself, on a full disk for example. */
	if (!sqlite3_get_autocommit(db->sql))
		sqlite3_exec(db->sql, "rollback", NULL, NULL, NULL);
}

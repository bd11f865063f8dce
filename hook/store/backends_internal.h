/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store/backends_internal.h: the back-ends of hook/store/store.c, and what tests need of them.
 */
#ifndef HOOK_STORE_BACKENDS_INTERNAL_H
#define HOOK_STORE_BACKENDS_INTERNAL_H

#include "hook/store/store.h"

/* ---- hook/store/sqlite_open.c, hook/store/sqlite.c ---- */

/* Where a database is, and how Nix's settings have it used. */
struct store_db_how {
	const char *state_dir;
	bool use_sqlite_wal, fsync_metadata;
};
/*
 * Open a database. 1: *RET is it. 0: it must not be used so, *RET_WHY says why (heap).
 * -1: *E.
 */
int store_db_open(const struct store_db_how *how, struct store_db **ret, char **ret_why,
		  struct err *e) MUST_CHECK;
void store_db_free(struct store_db *db); /* NULL is fine */
int store_db_is_valid(struct store_db *db, const char *path, struct err *e) MUST_CHECK;
int store_db_info(struct store_db *db, const char *path, struct store_path_info *ret,
		  struct err *e) MUST_CHECK;
int store_db_closure(struct store_db *db, const struct strv *paths, struct strv *ret,
		     struct err *e) MUST_CHECK;
/* Open the transaction and put everything into it; on failure it is rolled back already. */
int store_db_begin(struct store_db *db, const struct store_registration *regs, size_t n,
		   struct err *e) MUST_CHECK;
int store_db_has_realisations(struct store_db *db, struct err *e) MUST_CHECK;
int store_db_realisation(struct store_db *db, const char *drv_hash, const char *output,
			 char **ret_path, struct err *e) MUST_CHECK;
int store_db_realise(struct store_db *db, const struct store_realisation *r,
		     struct err *e) MUST_CHECK;
int store_db_commit(struct store_db *db, struct err *e) MUST_CHECK;
void store_db_rollback(struct store_db *db);

/* ---- hook/store/load_db.c: the same by running `nix-store` ---- */

int store_nix_is_valid(const char *uri, const char *path, struct err *e) MUST_CHECK;
int store_nix_info(const char *uri, const char *path, struct store_path_info *ret,
		   struct err *e) MUST_CHECK;
int store_nix_closure(const char *uri, const struct strv *paths, struct strv *ret,
		      struct err *e) MUST_CHECK;
/* What store_begin() refuses. */
int store_nix_check(const char *uri, const struct store_registration *regs, size_t n,
		    struct err *e) MUST_CHECK;
int store_nix_load(const char *uri, const struct store_registration *regs, size_t n,
		   struct err *e) MUST_CHECK;

/* ---- hook/store/memory.c: the same without Nix ---- */

struct store_mem *store_mem_new(struct err *e) MUST_CHECK;
void store_mem_free(struct store_mem *m); /* NULL is fine */
int store_mem_learn(struct store_mem *m, const struct store_registration *reg,
		    struct err *e) MUST_CHECK;
bool store_mem_is_valid(const struct store_mem *m, const char *path);
int store_mem_info(const struct store_mem *m, const char *path, struct store_path_info *ret,
		   struct err *e) MUST_CHECK;
int store_mem_closure(struct store_mem *m, const struct strv *paths, struct strv *ret,
		      struct err *e) MUST_CHECK;
/* What store_begin() refuses. */
int store_mem_check(const struct store_mem *m, const struct store_registration *regs, size_t n,
		    struct err *e) MUST_CHECK;
int store_mem_register(struct store_mem *m, const struct store_registration *regs, size_t n,
		       struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store/backends_internal.h: the back-ends of hook/store/store.c, for it and for tests.
 *
 * A function that store.h has as well (is_valid, info, closure, ...) does here what store.h says.
 */
#ifndef HOOK_STORE_BACKENDS_INTERNAL_H
#define HOOK_STORE_BACKENDS_INTERNAL_H

#include "hook/store/store.h"

/* ---- hook/store/sqlite_open.c, hook/store/sqlite.c ---- */

/* Where a database is, and what Nix's settings say about its use. */
struct store_db_how {
	const char *state_dir;
	bool use_sqlite_wal, fsync_metadata;
};
/*
 * Open the database of a Nix store.
 * Returns 1: *RET is open; 0: the hook must not use it directly, *RET_WHY (heap) says why; -1: *E.
 */
int store_db_open(const struct store_db_how *how, struct store_db **ret, char **ret_why,
		  struct err *e) MUST_CHECK;
void store_db_free(struct store_db *db); /* NULL is fine */
int store_db_is_valid(struct store_db *db, const char *path, struct err *e) MUST_CHECK;
int store_db_info(struct store_db *db, const char *path, struct store_path_info *ret,
		  struct err *e) MUST_CHECK;
/* Returns 1: *RET is the NAR size of PATH; 0: PATH is not valid; -1: *E. */
int store_db_nar_size(struct store_db *db, const char *path, uint64_t *ret,
		      struct err *e) MUST_CHECK;
int store_db_closure(struct store_db *db, const struct strv *paths, struct strv *ret,
		     struct err *e) MUST_CHECK;
/* Begin a transaction and add all N paths in it. On failure it is rolled back. */
int store_db_begin(struct store_db *db, const struct store_registration *regs, size_t n,
		   struct err *e) MUST_CHECK;
int store_db_has_realisations(struct store_db *db, struct err *e) MUST_CHECK;
int store_db_realisation(struct store_db *db, const char *drv_hash, const char *output,
			 char **ret_path, struct err *e) MUST_CHECK;
int store_db_realise(struct store_db *db, const struct store_realisation *r,
		     struct err *e) MUST_CHECK;
int store_db_commit(struct store_db *db, struct err *e) MUST_CHECK;
void store_db_rollback(struct store_db *db);

/* ---- hook/store/load_db.c: the back-end that runs `nix-store` ---- */

int store_nix_is_valid(const char *uri, const char *path, struct err *e) MUST_CHECK;
int store_nix_info(const char *uri, const char *path, struct store_path_info *ret,
		   struct err *e) MUST_CHECK;
int store_nix_closure(const char *uri, const struct strv *paths, struct strv *ret,
		      struct err *e) MUST_CHECK;
/* Refuse what store_begin() refuses. Takes no lock. */
int store_nix_check(const char *uri, const struct store_registration *regs, size_t n,
		    struct err *e) MUST_CHECK;
/* Register all N paths, in one transaction of Nix's. */
int store_nix_load(const char *uri, const struct store_registration *regs, size_t n,
		   struct err *e) MUST_CHECK;

/* ---- hook/store/memory.c: the back-end for a machine without Nix ---- */

struct store_mem *store_mem_new(struct err *e) MUST_CHECK;
void store_mem_free(struct store_mem *m); /* NULL is fine */
int store_mem_learn(struct store_mem *m, const struct store_registration *reg,
		    struct err *e) MUST_CHECK;
bool store_mem_is_valid(const struct store_mem *m, const char *path);
int store_mem_info(const struct store_mem *m, const char *path, struct store_path_info *ret,
		   struct err *e) MUST_CHECK;
int store_mem_closure(struct store_mem *m, const struct strv *paths, struct strv *ret,
		      struct err *e) MUST_CHECK;
/* Refuse what store_begin() refuses. */
int store_mem_check(const struct store_mem *m, const struct store_registration *regs, size_t n,
		    struct err *e) MUST_CHECK;
/* Make all N paths valid; on failure none. */
int store_mem_register(struct store_mem *m, const struct store_registration *regs, size_t n,
		       struct err *e) MUST_CHECK;

#endif

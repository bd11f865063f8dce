/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store.h: the Nix store that the settings name: where it is, what is valid in it, and making
 * outputs valid.
 *
 * Two back-ends, one interface. SQLite: one transaction straight into Nix's database, only where
 * its schema is exactly the known one (10). `nix-store --load-db`: everywhere else; it starts a
 * process (about 20 ms) but knows every store and schema. Both register all or nothing.
 *
 * The rules for a store URI ("auto", "local", a directory, "local?root=..&state=..&real=..",
 * "local://...", "") are Nix's: src/libstore/store-api.cc, local-fs-store.hh.
 */
#ifndef HOOK_STORE_H
#define HOOK_STORE_H

#include <stdint.h>

#include "hook/config.h"
#include "hook/settings.h"
#include "nar/buf.h"
#include "nar/err.h"
#include "nar/hash.h"

struct store {
	char *uri;       /* as the settings have it; what `nix-store --store` gets */
	char *dir;       /* logical: "/nix/store"; what paths in it are called */
	char *real_dir;  /* physical: where their files are; equal to dir in an ordinary store */
	char *state_dir; /* "/nix/var/nix" or below a root */
	bool local;      /* files and database are on this machine, where the above says */
	enum conf_registration registration;
	void *db;        /* sqlite3, opened when first needed */
	int big_lock_fd; /* shared lock on db/big-lock while the database is open */
	char *why_not_sqlite; /* NULL, or the reason why load-db is used */
};

struct store_registration {
	const char *path;   /* full logical path */
	struct hash nar_sha256;
	uint64_t nar_size_bytes;
	const char *deriver; /* full path, or NULL */
	const struct strv *refs; /* full paths, sorted; may hold PATH itself */
	const char *ca;      /* "fixed:r:sha256:...", or NULL */
};

int store_open(struct store *st, const struct settings *s, enum conf_registration how,
	       struct err *e) MUST_CHECK;
void store_done(struct store *st);
#define scoped_store __attribute__((cleanup(store_done)))

/* The real path of logical PATH (or of a path below it). Heap. */
char *store_real_path(const struct store *st, const char *path, struct err *e) MUST_CHECK;
/* 1: valid, 0: not, -1: *E. */
int store_is_valid(struct store *st, const char *path, struct err *e) MUST_CHECK;
/*
 * The closure of PATHS by references, itself included, sorted, appended to RET. A path that is not
 * valid: ERR_INPUT, "path '%s' is not valid".
 */
int store_closure(struct store *st, const struct strv *paths, struct strv *ret,
		  struct err *e) MUST_CHECK;

/*
 * A registration in two steps, so that files can be moved into place between them while nobody can
 * see them as valid: begin takes the database's write lock and refuses paths that are valid already
 * and references that are not valid; commit makes all N valid at once. Ending without a commit
 * changes nothing.
 */
struct store_txn;
struct store_txn *store_begin(struct store *st, const struct store_registration *regs, size_t n,
			      struct err *e) MUST_CHECK;
int store_commit(struct store_txn *t, struct err *e) MUST_CHECK;
void store_txn_free(struct store_txn *t); /* rolls back what was not committed; NULL is fine */

#endif

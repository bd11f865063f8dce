/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store/store.h: the Nix store that the settings name: where it is, what is valid in it, and
 * making outputs valid.
 *
 * Two back-ends, one interface. SQLite: one transaction straight into Nix's database, only where
 * its schema is exactly the known one (10). `nix-store`: everywhere else (queries by --query and
 * --dump-db, registration by --load-db); it starts a process, about 20 ms, but knows every store
 * and schema. Both register all or nothing. What only the first can do: `ca`, `ultimate` and
 * signatures, for which --load-db has no place.
 *
 * Where the store is: hook/store/uri.h. The database is opened when it is first needed.
 *
 * On a machine without Nix there is a third: store_open_mem() makes a store that is a directory for
 * outputs and what this process knows of paths, in memory. What is valid in it need not have its
 * files in that directory: inputs are in the cache of unpacked ones (hook/inputs/inputs.h).
 */
#ifndef HOOK_STORE_STORE_H
#define HOOK_STORE_STORE_H

#include <stdint.h>

#include "hook/conf/conf.h"
#include "hook/nix/settings.h"
#include "hook/store/path_info.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/hash.h"

struct store_db;
struct store_mem;

struct store {
	char *uri;       /* what `nix-store --store` gets */
	char *dir;       /* logical: "/nix/store"; what paths in it are called */
	char *real_dir;  /* physical: where their files are; equal to dir in an ordinary store */
	char *state_dir; /* "/nix/var/nix" or below a root */
	bool local;      /* files and database are on this machine, where the above says */
	enum conf_registration registration;
	bool fsync_metadata; /* Nix's settings of these names */
	bool fsync_store_paths;
	bool use_sqlite_wal;
	bool sync_before_registering;
	/*
	 * What becomes valid is on the disk before the row that says so: for who moves files into
	 * the store, between store_begin() and store_commit().
	 */
	bool durable;
	/* What the store's URI says of the setting of that name, or NULL: the setting holds. */
	char *system_features;
	struct store_db *db;   /* NULL until it is needed, and where it is not used */
	char *why_not_sqlite;  /* NULL, or why `nix-store` has to do; set with the first query */
	struct store_mem *mem; /* store_open_mem()'s; then there is neither of the above */
	unsigned depth_max;    /* 0: store_depth_max() has not asked yet */
};

/*
 * Find the store of setting `store`. HOW is our configuration's `registration`: with REG_SQLITE a
 * database that cannot be used so is an error when it is needed, with the reason.
 */
int store_open(struct store *st, const struct settings *s, enum conf_registration how,
	       struct err *e) MUST_CHECK;
/* Set ST's `durable` by our key `sync` and Nix's settings; until then it is as by auto. */
void store_choose_durable(struct store *st, enum conf_sync how);
/* What builds in ST may ask for, of Nix's `system-features`: added to RET. */
int store_features(const struct store *st, const struct settings *s, struct strv *ret,
		   struct err *e) MUST_CHECK;
/*
 * A store without Nix: paths are called DIR/..., outputs are moved into REAL_DIR. STATE_DIR is
 * where the locks of build users are.
 */
int store_open_mem(struct store *st, const char *dir, const char *real_dir, const char *state_dir,
		   struct err *e) MUST_CHECK;
/*
 * Such a store learns of a valid path, whose references need not be known yet. Of one that it knows
 * it takes nothing new.
 */
int store_mem_add(struct store *st, const struct store_registration *reg, struct err *e) MUST_CHECK;
void store_done(struct store *st);
#define scoped_store __attribute__((cleanup(store_done)))

/* The real path of logical PATH (or of a path below it). Heap. */
char *store_real_path(const struct store *st, const char *path, struct err *e) MUST_CHECK;
/*
 * Open what the first query would open: what is wrong with it shows now, and not after a build.
 * Then why_not_sqlite is known, too.
 */
int store_ready(struct store *st, struct err *e) MUST_CHECK;
/* 1: valid, 0: not, -1: *E. */
int store_is_valid(struct store *st, const char *path, struct err *e) MUST_CHECK;
/*
 * The closure of PATHS by references, itself included, sorted, appended to RET. A path that is not
 * valid: ERR_INPUT, "path '%s' is not valid".
 */
int store_closure(struct store *st, const struct strv *paths, struct strv *ret,
		  struct err *e) MUST_CHECK;

/* RET is filled only on success. Not valid: ERR_INPUT as above. */
int store_path_info(struct store *st, const char *path, struct store_path_info *ret,
		    struct err *e) MUST_CHECK;

/*
 * How deep what is registered may be: NAR_DEPTH_MAX, or NAR_DEPTH_ANY where Nix is one that writes
 * and reads NARs of any depth (before 2.34.7; docs/parity.md). It is asked for its version, so call
 * this only for a tree that is deeper than NAR_DEPTH_MAX.
 */
int store_depth_max(struct store *st, unsigned *ret, struct err *e) MUST_CHECK;
/* What TEXT, of `nix-store --version`, means for that. Unknown ones have the limit. */
unsigned store_depth_of_version(const char *text);

/*
 * A registration in two steps, so that files can be moved into place between them while nobody can
 * see them as valid: begin takes the database's write lock and refuses paths that are valid already
 * and references that are not valid; commit makes all N valid at once. Ending without a commit
 * changes nothing. REGS and what they point to must live until then. Nothing else is asked of ST in
 * between.
 */
struct store_txn;
struct store_txn *store_begin(struct store *st, const struct store_registration *regs, size_t n,
			      struct err *e) MUST_CHECK;
/* 1: there is a place for them; 0: there is none; -1: *E. */
int store_has_realisations(struct store *st, struct err *e) MUST_CHECK;
/* 1: *RET_PATH (heap) is known; 0: nothing is; -1: *E. */
int store_realisation(struct store *st, const char *drv_hash, const char *output, char **ret_path,
		      struct err *e) MUST_CHECK;
/* Another path that is known already for one of them is ERR_INPUT, in Nix's words. */
int store_txn_realise(struct store_txn *t, const struct store_realisation *r, size_t n,
		      struct err *e) MUST_CHECK;
int store_commit(struct store_txn *t, struct err *e) MUST_CHECK;
void store_txn_free(struct store_txn *t); /* rolls back what was not committed; NULL is fine */

#endif

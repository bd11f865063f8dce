/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store/store.h: ask a Nix store what is valid in it, and make outputs valid.
 *
 * There are three back-ends, all of which register all paths of a transaction or none:
 *  - SQLite, if the schema of Nix's database is exactly the known one (10): one transaction on the
 *    database itself.
 *  - `nix-store`, everywhere else: it answers by --query and --dump-db, and registers by --load-db.
 *    It knows every store and schema. It takes about 20 ms to start, and --load-db has no place for
 *    `ca`, `ultimate` and signatures.
 *  - store_open_mem(), for a machine without Nix: a directory for outputs, and a table of the valid
 *    paths in memory. The files of a valid path need not be in the directory: inputs are in the
 *    input cache (hook/inputs/inputs.h).
 *
 * hook/store/uri.h finds where a store is. The database is opened when it is first needed.
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
	char *uri;       /* for `nix-store --store` */
	char *dir;       /* logical store directory, "/nix/store": the start of its paths' names */
	char *real_dir;  /* directory of the paths' files; equal to dir in an ordinary store */
	char *state_dir; /* "/nix/var/nix", or below the root of a chroot store */
	bool local;      /* the hook may use these directories and the database itself */
	enum conf_registration registration;
	bool fsync_metadata; /* Nix's settings of these names */
	bool fsync_store_paths;
	bool use_sqlite_wal;
	bool sync_before_registering;
	/*
	 * Files must be on the disk before the database says that they are valid. The caller sees
	 * to it, between store_begin() and store_commit().
	 */
	bool durable;
	char *system_features; /* set in the store's URI; NULL: Nix's setting of this name holds */
	struct store_db *db;   /* NULL: not needed yet, or not used */
	char *why_not_sqlite;  /* why `nix-store` is used; NULL: it is not, or no query was made */
	struct store_mem *mem; /* made by store_open_mem(), then `db` is NULL; else NULL */
	unsigned depth_max;    /* 0: store_depth_max() was not called yet */
};

/*
 * Find the store that Nix's setting `store` names. HOW is `registration` of the configuration: with
 * REG_SQLITE a database that the hook must not use is an error as soon as it is needed.
 */
int store_open(struct store *st, const struct settings *s, enum conf_registration how,
	       struct err *e) MUST_CHECK;
/*
 * Set ST's `durable` from HOW, the key `sync` of the configuration, and from Nix's settings.
 * store_open() has set it as for SYNC_AUTO.
 */
void store_choose_durable(struct store *st, enum conf_sync how);
/* Append to RET the system features that a build in ST may require. */
int store_features(const struct store *st, const struct settings *s, struct strv *ret,
		   struct err *e) MUST_CHECK;
/*
 * Make a store without Nix. Its paths are named DIR/..., outputs are moved into REAL_DIR, and the
 * locks of build users lie in STATE_DIR.
 */
int store_open_mem(struct store *st, const char *dir, const char *real_dir, const char *state_dir,
		   struct err *e) MUST_CHECK;
/*
 * Make REG's path valid in ST, which is a store without Nix. Its references need not be valid yet.
 * Does nothing if the path is valid already.
 */
int store_mem_add(struct store *st, const struct store_registration *reg, struct err *e) MUST_CHECK;
void store_done(struct store *st);
#define scoped_store __attribute__((cleanup(store_done)))

/* Return where the logical PATH, a store path or a path below one, lies. Heap. NULL: *E. */
char *store_real_path(const struct store *st, const char *path, struct err *e) MUST_CHECK;
/*
 * Open the database now, as the first query would, so that an error shows before a build and not
 * after it. Also sets why_not_sqlite.
 */
int store_ready(struct store *st, struct err *e) MUST_CHECK;
/* Returns 1: PATH is valid; 0: it is not; -1: *E. */
int store_is_valid(struct store *st, const char *path, struct err *e) MUST_CHECK;
/*
 * Append to RET the closure of PATHS by references, which contains PATHS, sorted. A path that is
 * not valid is ERR_INPUT, "path '%s' is not valid".
 */
int store_closure(struct store *st, const struct strv *paths, struct strv *ret,
		  struct err *e) MUST_CHECK;

/* Fill RET with what the store knows about PATH. A path that is not valid: ERR_INPUT, as above. */
int store_path_info(struct store *st, const char *path, struct store_path_info *ret,
		    struct err *e) MUST_CHECK;

/*
 * Add up the NAR sizes of PATHS. Returns 1: *RET_BYTES is the sum; 0: it cannot be known without
 * running `nix-store` for each, or some path is not valid; -1: *E.
 */
int store_nar_sizes(struct store *st, const struct strv *paths, uint64_t *ret_bytes,
		    struct err *e) MUST_CHECK;

/*
 * Tell how deep a registered tree may be: NAR_DEPTH_MAX, or NAR_DEPTH_ANY if this Nix writes and
 * reads NARs of any depth (before 2.34.7; docs/parity.md). Runs `nix-store --version`, so call it
 * only for a tree that is deeper than NAR_DEPTH_MAX.
 */
int store_depth_max(struct store *st, unsigned *ret, struct err *e) MUST_CHECK;
/*
 * Return the depth that a Nix allows, given TEXT, its `nix-store --version`. An unknown version has
 * the limit.
 */
unsigned store_depth_of_version(const char *text);

/*
 * A registration has two steps. Between them the caller moves the files into place, and no process
 * can see them as valid.
 *
 *	store_begin()    refuses paths that are valid already and references that are not valid;
 *			 with SQLite it takes the database's write lock
 *	store_commit()   makes all N paths valid at once
 *	store_txn_free() in any case; without a commit it changes nothing
 *
 * REGS and what they point to must live until the end. Do not use ST for anything else in between.
 */
struct store_txn;
struct store_txn *store_begin(struct store *st, const struct store_registration *regs, size_t n,
			      struct err *e) MUST_CHECK;
/* Returns 1: the store can hold realisations; 0: it cannot; -1: *E. */
int store_has_realisations(struct store *st, struct err *e) MUST_CHECK;
/*
 * Look up the realisation of OUTPUT of the derivation with the hash DRV_HASH.
 * Returns 1: *RET_PATH (heap) is its path; 0: there is none; -1: *E.
 */
int store_realisation(struct store *st, const char *drv_hash, const char *output, char **ret_path,
		      struct err *e) MUST_CHECK;
/*
 * Add the N realisations R to the transaction. If the store already has a realisation with another
 * path: ERR_INPUT, in Nix's words.
 */
int store_txn_realise(struct store_txn *t, const struct store_realisation *r, size_t n,
		      struct err *e) MUST_CHECK;
int store_commit(struct store_txn *t, struct err *e) MUST_CHECK;
/* Roll back what was not committed, and free T. NULL is fine. */
void store_txn_free(struct store_txn *t);

#endif

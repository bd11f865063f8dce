/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nix's database is opened as Nix opens it (src/libstore/local-store.cc, sqlite.cc):
 *  - a shared lock on db/big-lock keeps schema upgrades out as long as the database is open;
 *  - foreign keys are on;
 *  - synchronous is "normal", or "off" without fsync-metadata;
 *  - the WAL is checkpointed as rarely as by Nix.
 *
 * Nothing here creates, migrates or repairs a database. One that is not exactly as known is left to
 * `nix-store`, which knows its own schema.
 */
#include "hook/store/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define SCHEMA_KNOWN "10"
/* Nix's own. The slowest holder of the write lock is a garbage collector, which ends in time. */
#define BUSY_TIMEOUT_MS (60 * 60 * 1000)

void store_db_free(struct store_db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < STMT_COUNT; i++)
		sqlite3_finalize(db->stmts[i]);
	sqlite3_close(db->sql);
	if (db->big_lock_fd >= 0)
		close(db->big_lock_fd);
	free(db->path);
	free(db);
}

static void scope_db(struct store_db **db)
{
	store_db_free(*db);
}
#define scoped_db __attribute__((cleanup(scope_db)))

static int why(char **ret_why, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int why(char **ret_why, struct err *e, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	*ret_why = str_dup(text, e);
	return *ret_why ? 0 : -1;
}

/*
 * Check that db/schema contains the known number. Nix writes it without a line feed.
 * Returns 1: it does; 0: *RET_WHY says what else; -1: *E.
 */
static int schema_check(const char *state_dir, char **ret_why, struct err *e)
{
	scoped_free char *path = str_fmt(e, "%s/db/schema", state_dir);
	char text[32];

	if (!path)
		return -1;
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return why(ret_why, e, "'%s': %s", path, strerror(errno));
	ssize_t n = read(fd, text, sizeof text - 1);
	if (n < 0)
		return why(ret_why, e, "'%s': %s", path, strerror(errno));
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	if (!str_eq(text, SCHEMA_KNOWN))
		return why(ret_why, e,
			   "'%s' says schema '%s', and this program knows only " SCHEMA_KNOWN, path,
			   text);
	return 1;
}

/*
 * Lock db/big-lock, shared as Nix's own processes do, which keeps out only a schema upgrade.
 * Returns 1: *RET_FD holds the lock; 0: *RET_WHY says why not; -1: *E.
 */
static int big_lock(const char *state_dir, int *ret_fd, char **ret_why, struct err *e)
{
	scoped_free char *path = str_fmt(e, "%s/db/big-lock", state_dir);

	if (!path)
		return -1;
	scoped_fd int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return why(ret_why, e, "'%s': %s", path, strerror(errno));
	if (io_lock(fd, LOCK_SH | LOCK_NB) <= 0)
		return why(ret_why, e, "locking '%s': %s", path, strerror(errno));
	*ret_fd = TAKE(fd, -1);
	return 1;
}

static void stmt_finalize(sqlite3_stmt *const *s)
{
	sqlite3_finalize(*s);
}

/*
 * Check that the tables have exactly the known columns. A prepared statement names them; to ask
 * pragma_table_info() takes three times as long.
 * Returns 1: they have; 0: *RET_WHY says why not; -1: *E.
 */
static int columns_check(struct store_db *db, char **ret_why, struct err *e)
{
	static const char *const known[] = {
		"id",       "path", "hash", "registrationTime", "deriver",   "narSize",
		"ultimate", "sigs", "ca",   "referrer",         "reference",
	};
	__attribute__((cleanup(stmt_finalize))) sqlite3_stmt *s = NULL;
	size_t n;

	if (sqlite3_prepare_v2(db->sql, "select * from ValidPaths, Refs", -1, &s, NULL) !=
	    SQLITE_OK)
		return why(ret_why, e, "'%s': %s", db->path, sqlite3_errmsg(db->sql));
	n = (size_t)sqlite3_column_count(s);
	for (size_t i = 0; i < n || i < ARRAY_SIZE(known); i++)
		if (i >= n || i >= ARRAY_SIZE(known) ||
		    !str_eq(sqlite3_column_name(s, (int)i), known[i]))
			return why(ret_why, e,
				   "the tables in '%s' have other columns than this program knows",
				   db->path);
	return 1;
}

static int db_setup(const struct store_db_how *how, struct store_db *db, char **ret_why,
		    struct err *e)
{
	/*
	 * Without WAL Nix locks the database by dot files. All users of a database must lock it in
	 * the same way.
	 */
	int rc = sqlite3_open_v2(db->path, &db->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
				 how->use_sqlite_wal ? NULL : "unix-dotfile");

	if (!db->sql)
		return err_memory(e);
	if (rc != SQLITE_OK)
		return why(ret_why, e, "'%s': %s", db->path, sqlite3_errmsg(db->sql));
	if (sqlite3_db_readonly(db->sql, "main") != 0)
		return why(ret_why, e, "'%s' may not be written", db->path);
	sqlite3_busy_timeout(db->sql, BUSY_TIMEOUT_MS);
	rc = columns_check(db, ret_why, e);
	if (rc <= 0)
		return rc;
	if (store_db_exec(db, "pragma foreign_keys = 1", e) < 0 ||
	    store_db_exec(db,
			  how->fsync_metadata ? "pragma synchronous = normal"
					      : "pragma synchronous = off",
			  e) < 0 ||
	    store_db_exec(db, "pragma wal_autocheckpoint = 40000", e) < 0)
		return -1;
	/* Nix 2.26 keeps the files of the WAL, for readers that may not write. */
	int persist = 1;
	if (how->use_sqlite_wal)
		sqlite3_file_control(db->sql, NULL, SQLITE_FCNTL_PERSIST_WAL, &persist);
	return 1;
}

int store_db_open(const struct store_db_how *how, struct store_db **ret, char **ret_why,
		  struct err *e)
{
	scoped_db struct store_db *db = NULL;
	scoped_fd int lock = -1;
	int rc;

	rc = schema_check(how->state_dir, ret_why, e);
	if (rc <= 0)
		return rc;
	rc = big_lock(how->state_dir, &lock, ret_why, e);
	if (rc <= 0)
		return rc;
	db = mem_new(1, sizeof *db, e);
	if (!db)
		return -1;
	db->big_lock_fd = TAKE(lock, -1);
	db->path = str_fmt(e, "%s/db/db.sqlite", how->state_dir);
	if (!db->path)
		return -1;
	rc = db_setup(how, db, ret_why, e);
	if (rc <= 0)
		return rc;
	*ret = TAKE(db, NULL);
	return 1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store/sqlite_internal.h: an open database, for hook/store/sqlite_open.c, which opens it, and
 * hook/store/sqlite.c, which asks it.
 */
#ifndef HOOK_STORE_SQLITE_INTERNAL_H
#define HOOK_STORE_SQLITE_INTERNAL_H

#include <sqlite3.h>

#include "hook/store/backends_internal.h"

enum stmt {
	STMT_INFO,
	STMT_REFS,
	STMT_ADD_PATH,
	STMT_ADD_REF,
	STMT_ADD_OUTPUT,
	STMT_REALISATION,
	STMT_ADD_REALISATION,
	STMT_COUNT,
};

struct store_db {
	sqlite3 *sql;
	sqlite3_stmt *stmts[STMT_COUNT]; /* prepared when first used */
	int big_lock_fd;
	char *path;
};

/* Set *E from SQLite's last error. DOING ("reading references") starts the message. Always -1. */
int store_db_err(const struct store_db *db, const char *doing, struct err *e);
int store_db_exec(struct store_db *db, const char *sql, struct err *e) MUST_CHECK;

#endif

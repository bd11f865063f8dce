/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <sqlite3.h>
#include <sys/file.h>

#include "hook/store/backends_internal.h"
#include "nar/nar.h"
#include "tests/unit/nixstore.h"

/* The two back-ends; each case that takes one as its state runs with both. */
static enum backend { BY_SQLITE, BY_NIX_STORE } by_sqlite = BY_SQLITE, by_nix_store = BY_NIX_STORE;

static void open_by(struct store *st, void **state)
{
	struct err e = ERR_INIT;
	enum backend b = **(enum backend **)state;

	nixstore_open(st, b == BY_SQLITE ? REG_SQLITE : REG_LOAD_DB);
	if (b == BY_NIX_STORE) {
		st->why_not_sqlite = str_dup("this is a test", &e);
		assert_non_null(st->why_not_sqlite);
	}
}

/* A valid-looking path nobody has: 32 digits made of N. */
static char *fresh_path(const char *name)
{
	static unsigned n;
	struct err e = ERR_INIT;
	char *p = str_fmt(&e, "/nix/store/%032u-%s", ++n, name);

	assert_non_null(p);
	return p;
}

static struct store_registration reg(const char *path, const struct strv *refs)
{
	struct err e = ERR_INIT;
	struct store_registration r = {.path = path, .refs = refs, .nar_size_bytes = 120};

	assert_ok(&e, hash_bytes(HASH_SHA256, path, strlen(path), &r.nar_sha256, &e));
	return r;
}

static void knows_what_is_valid(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_free char *path = nixstore_add("valid", "x"), *other = fresh_path("other");

	open_by(&st, state);
	assert_int_equal(store_is_valid(&st, path, &e), 1);
	assert_int_equal(store_is_valid(&st, other, &e), 0);
}

static void finds_the_files_of_a_path(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_free char *path = nixstore_add("files", "contents");

	open_by(&st, state);
	scoped_free char *real = store_real_path(&st, path, &e);
	assert_non_null(real);
	assert_int_equal(access(real, R_OK), 0);
	assert_null(store_real_path(&st, "/nix/stored/x", &e));
	err_clear(&e);
	assert_null(store_real_path(&st, "/nix/store", &e));
}

static void tells_what_nix_knows_of_a_path(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_store_path_info struct store_path_info i = {0};
	scoped_free char *path = nixstore_add("info", "some contents");
	scoped_free char *hash = NIXSTORE("--query", "--hash", path);
	scoped_free char *size = NIXSTORE("--query", "--size", path);
	scoped_free char *other = fresh_path("other");
	char text[HASH_TEXT_MAX], number[32];

	open_by(&st, state);
	assert_ok(&e, store_path_info(&st, path, &i, &e));
	hash_print(&i.nar_sha256, HASH_NIX32, true, text);
	assert_string_equal(text, hash);
	snprintf(number, sizeof number, "%llu", (unsigned long long)i.nar_size_bytes);
	assert_string_equal(number, size);
	assert_null(i.deriver);
	assert_int_equal(i.refs.n, 0);
	if (!st.why_not_sqlite)
		assert_true(str_starts(i.ca, "fixed:r:sha256:"));
	struct store_path_info none = {0};
	assert_err(&e, store_path_info(&st, other, &none, &e), "is not valid");
}

/* a -> b -> input, a -> a; all in one registration. */
static void registers_several_outputs_at_once(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_free char *input = nixstore_add("input", "i"), *drv = fresh_path("d.drv");
	scoped_free char *a = fresh_path("a"), *b = fresh_path("b");
	scoped_strv struct strv a_refs = STRV_INIT, b_refs = STRV_INIT, one = STRV_INIT,
				all = STRV_INIT;
	scoped_store_path_info struct store_path_info info = {0};

	assert_ok(&e, strv_add(&a_refs, a, &e));
	assert_ok(&e, strv_add(&a_refs, b, &e));
	assert_ok(&e, strv_add(&b_refs, input, &e));
	struct store_registration regs[2] = {reg(a, &a_refs), reg(b, &b_refs)};
	regs[0].deriver = regs[1].deriver = drv;

	open_by(&st, state);
	struct store_txn *t = store_begin(&st, regs, 2, &e);
	assert_ok(&e, t ? 0 : -1);
	assert_ok(&e, store_commit(t, &e));
	store_txn_free(t);

	assert_ok(&e, store_path_info(&st, a, &info, &e));
	assert_true(hash_equal(&info.nar_sha256, &regs[0].nar_sha256));
	assert_int_equal(info.nar_size_bytes, 120);
	assert_string_equal(info.deriver, drv);
	assert_int_equal(info.refs.n, 2);
	assert_string_equal(info.refs.items[0], a);
	assert_string_equal(info.refs.items[1], b);

	assert_ok(&e, strv_add(&one, a, &e));
	assert_ok(&e, strv_add(&one, b, &e));
	assert_ok(&e, store_closure(&st, &one, &all, &e));
	assert_int_equal(all.n, 3);
	assert_true(strv_has_sorted(&all, a) && strv_has_sorted(&all, b) &&
		    strv_has_sorted(&all, input));

	scoped_free char *seen = NIXSTORE("--query", "--references", a);
	assert_non_null(strstr(seen, b));
}

static void refuses_what_is_valid_already(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_free char *path = nixstore_add("already", "y"), *fresh = fresh_path("fresh");
	scoped_strv struct strv none = STRV_INIT;
	struct store_registration regs[2] = {reg(fresh, &none), reg(path, &none)};

	open_by(&st, state);
	assert_err(&e, store_begin(&st, regs, 2, &e) ? 0 : -1, "is valid already");
	assert_int_equal(store_is_valid(&st, fresh, &e), 0);
}

static void refuses_references_that_are_not_valid(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_free char *path = fresh_path("path"), *fresh = fresh_path("fresh");
	scoped_strv struct strv refs = STRV_INIT;

	assert_ok(&e, strv_add(&refs, fresh, &e));
	struct store_registration r = reg(path, &refs);
	open_by(&st, state);
	assert_err(&e, store_begin(&st, &r, 1, &e) ? 0 : -1, fresh);
	assert_int_equal(store_is_valid(&st, path, &e), 0);
	assert_err(&e, store_closure(&st, &refs, &refs, &e), "is not valid");
}

static void nothing_is_valid_before_commit_or_without_it(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0}, reader = {0};
	scoped_free char *path = fresh_path("uncommitted");
	scoped_strv struct strv none = STRV_INIT;
	struct store_registration r = reg(path, &none);

	open_by(&st, state);
	open_by(&reader, state);
	struct store_txn *t = store_begin(&st, &r, 1, &e);
	assert_ok(&e, t ? 0 : -1);
	assert_int_equal(store_is_valid(&reader, path, &e), 0);
	store_txn_free(t);
	store_txn_free(NULL);
	assert_int_equal(store_is_valid(&reader, path, &e), 0);
	assert_int_equal(store_is_valid(&st, path, &e), 0);
	/* The lock is gone too: the same can be registered now. */
	t = store_begin(&reader, &r, 1, &e);
	assert_ok(&e, t ? 0 : -1);
	assert_ok(&e, store_commit(t, &e));
	store_txn_free(t);
	assert_int_equal(store_is_valid(&st, path, &e), 1);
}

static void takes_many_references(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_free char *top = fresh_path("top");
	scoped_strv struct strv none = STRV_INIT, refs = STRV_INIT, one = STRV_INIT,
				all = STRV_INIT;
	struct store_registration regs[301];

	for (size_t i = 0; i < 300; i++) {
		scoped_free char *p = fresh_path("leaf");
		assert_ok(&e, strv_add(&refs, p, &e));
	}
	for (size_t i = 0; i < 300; i++)
		regs[i] = reg(refs.items[i], &none);
	regs[300] = reg(top, &refs);
	open_by(&st, state);
	struct store_txn *t = store_begin(&st, regs, 301, &e);
	assert_ok(&e, t ? 0 : -1);
	assert_ok(&e, store_commit(t, &e));
	store_txn_free(t);
	assert_ok(&e, strv_add(&one, top, &e));
	assert_ok(&e, store_closure(&st, &one, &all, &e));
	assert_int_equal(all.n, 301);
}

/* ---- only with SQLite ---- */

static void keeps_ca_ultimate_and_signatures(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_store_path_info struct store_path_info info = {0};
	scoped_free char *path = fresh_path("fixed");
	scoped_strv struct strv none = STRV_INIT, sigs = STRV_INIT;
	struct store_registration r = reg(path, &none);

	assert_ok(&e, strv_add(&sigs, "k1:AAAA", &e));
	assert_ok(&e, strv_add(&sigs, "k2:BBBB", &e));
	r.ca = "fixed:r:sha256:0000000000000000000000000000000000000000000000000000";
	r.sigs = &sigs;
	nixstore_open(&st, REG_AUTO);
	struct store_txn *t = store_begin(&st, &r, 1, &e);
	assert_ok(&e, t ? 0 : -1);
	assert_ok(&e, store_commit(t, &e));
	store_txn_free(t);
	assert_null(st.why_not_sqlite);
	assert_ok(&e, store_path_info(&st, path, &info, &e));
	assert_string_equal(info.ca, r.ca);
	assert_true(info.ultimate);
	assert_int_equal(info.sigs.n, 2);
	assert_true(info.registration_time > 1700000000);
}

static char *db_file(const char *name)
{
	struct err e = ERR_INIT;
	char *p = str_fmt(&e, "%s/nix/var/nix/db/%s", nixstore_root, name);

	assert_non_null(p);
	return p;
}

/* With AUTO the store still answers, by `nix-store`; with SQLITE it is an error with the reason. */
static void expect_fallback(const char *why, bool nix_can_read)
{
	struct err e = ERR_INIT;
	scoped_store struct store automatic = {0}, sqlite = {0};
	scoped_free char *fresh = fresh_path("fresh");

	nixstore_open(&automatic, REG_AUTO);
	if (nix_can_read)
		assert_int_equal(store_is_valid(&automatic, fresh, &e), 0);
	else
		assert_err(&e, store_is_valid(&automatic, fresh, &e), "schema");
	assert_non_null(automatic.why_not_sqlite);
	assert_non_null(strstr(automatic.why_not_sqlite, why));
	nixstore_open(&sqlite, REG_SQLITE);
	assert_err(&e, store_is_valid(&sqlite, fresh, &e), why);
}

static void write_schema(const char *text)
{
	struct err e = ERR_INIT;
	scoped_free char *file = db_file("schema");

	unlink(file);
	assert_ok(&e, io_write_file(AT_FDCWD, file, 0644, text, strlen(text), &e));
}

static void leaves_an_unknown_schema_to_nix(void **state)
{
	write_schema("11");
	/* This Nix does not know it either, and says so in its own words. */
	expect_fallback("says schema '11'", false);
	write_schema("10");
}

static void run_sql(const char *sql)
{
	scoped_free char *file = db_file("db.sqlite");
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void leaves_unknown_columns_to_nix(void **state)
{
	run_sql("alter table ValidPaths add column extra text");
	expect_fallback("other columns", true);
	run_sql("alter table ValidPaths drop column extra");
}

static void leaves_a_store_that_is_being_upgraded_to_nix(void **state)
{
	scoped_free char *file = db_file("big-lock");
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_free char *fresh = fresh_path("fresh");
	scoped_fd int fd = open(file, O_RDWR | O_CLOEXEC);

	assert_int_equal(flock(fd, LOCK_EX), 0);
	/* Not AUTO: `nix-store` would wait for the lock. */
	nixstore_open(&st, REG_SQLITE);
	assert_err(&e, store_is_valid(&st, fresh, &e), "locking");
}

static void holds_the_big_lock_while_the_database_is_open(void **state)
{
	scoped_free char *file = db_file("big-lock");
	struct err e = ERR_INIT;
	struct store st = {0};
	scoped_free char *fresh = fresh_path("fresh");
	scoped_fd int fd = open(file, O_RDWR | O_CLOEXEC);

	nixstore_open(&st, REG_SQLITE);
	assert_int_equal(store_is_valid(&st, fresh, &e), 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	store_done(&st);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
}

static void a_derivation_as_output_is_left_to_nix(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_free char *path = fresh_path("x.drv");
	scoped_strv struct strv none = STRV_INIT;
	struct store_registration r = reg(path, &none);

	nixstore_open(&st, REG_AUTO);
	struct store_txn *t = store_begin(&st, &r, 1, &e);
	assert_ok(&e, t ? 0 : -1);
	/* It reads the file, which is not there. */
	assert_err(&e, store_commit(t, &e), "--load-db");
	store_txn_free(t);
	assert_int_equal(store_is_valid(&st, path, &e), 0);
}

#define WITH_BOTH(f)                                            \
	{#f " (SQLite)", f, NULL, NULL, &by_sqlite},            \
	{                                                       \
#f " (nix-store)", f, NULL, NULL, &by_nix_store \
	}

static void knows_which_nix_has_a_limit_of_depth(void **state)
{
	static const char *const any[] = {
		"nix-store (Nix) 2.3.16\n",         "nix-store (Nix) 2.8.0\n",
		"nix-store (Nix) 2.26.3\n",         "nix-store (Nix) 2.28.6\n",
		"nix-store (Nix) 2.33.5\n",         "nix-store (Nix) 2.34.6\n",
		"nix-store (Nix) 2.34\n",           "nix-store (Lix, like Nix) 2.92.3\n",
		"nix-store (Lix, like Nix) 2.94.1",
	};
	static const char *const limited[] = {
		"nix-store (Nix) 2.28.7\n",
		"nix-store (Nix) 2.31.5",
		"nix-store (Nix) 2.34.7\n",
		"nix-store (Nix) 2.35.0\n",
		"nix-store (Nix) 3.0.0\n",
		"nix-store (Nix) 2.36pre20261101_abcdef0\n",
		"nix-store (Determinate) 1.2.3",
		"nix-store (Lix, like Nix) 2.93.4",
		"nix-store (Nix) \n",
		"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(any); i++)
		assert_int_equal(store_depth_of_version(any[i]), NAR_DEPTH_ANY);
	for (size_t i = 0; i < ARRAY_SIZE(limited); i++)
		assert_int_equal(store_depth_of_version(limited[i]), NAR_DEPTH_MAX);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_BOTH(knows_what_is_valid),
		WITH_BOTH(finds_the_files_of_a_path),
		WITH_BOTH(tells_what_nix_knows_of_a_path),
		WITH_BOTH(registers_several_outputs_at_once),
		WITH_BOTH(refuses_what_is_valid_already),
		WITH_BOTH(refuses_references_that_are_not_valid),
		WITH_BOTH(nothing_is_valid_before_commit_or_without_it),
		WITH_BOTH(takes_many_references),
		cmocka_unit_test(keeps_ca_ultimate_and_signatures),
		cmocka_unit_test(leaves_an_unknown_schema_to_nix),
		cmocka_unit_test(leaves_unknown_columns_to_nix),
		cmocka_unit_test(leaves_a_store_that_is_being_upgraded_to_nix),
		cmocka_unit_test(holds_the_big_lock_while_the_database_is_open),
		cmocka_unit_test(a_derivation_as_output_is_left_to_nix),
		cmocka_unit_test(knows_which_nix_has_a_limit_of_depth),
	};
	int status = 0;

	if (nixstore_missing(&status))
		return status;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("store", tests, nixstore_setup, nixstore_teardown);
}

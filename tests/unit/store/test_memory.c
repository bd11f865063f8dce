/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "hook/store/backends_internal.h"
#include "nar/base/scope.h"

#define A "/nix/store/00000000000000000000000000000000-a"
#define B "/nix/store/11111111111111111111111111111111-b"
#define C "/nix/store/22222222222222222222222222222222-c"
#define DRV "/nix/store/33333333333333333333333333333333-c.drv"

static void open_store(struct store *st)
{
	struct err e = ERR_INIT;

	assert_ok(&e, store_open_mem(st, "/nix/store", "/away/store", "/away/state", &e));
}

static struct store_registration reg(const char *path, const struct strv *refs)
{
	struct err e = ERR_INIT;
	struct store_registration r = {.path = path, .refs = refs, .nar_size_bytes = 120};

	assert_ok(&e, hash_bytes(HASH_SHA256, path, strlen(path), &r.nar_sha256, &e));
	return r;
}

static void learns_of_paths_in_any_order(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_strv struct strv none = STRV_INIT, refs = STRV_INIT, all = STRV_INIT;

	open_store(&st);
	assert_int_equal(store_is_valid(&st, A, &e), 0);
	/* A -> A, B; B is not known yet. */
	assert_ok(&e, strv_add(&refs, A, &e));
	assert_ok(&e, strv_add(&refs, B, &e));
	const struct store_registration a = reg(A, &refs), b = reg(B, &none);
	assert_ok(&e, store_mem_add(&st, &a, &e));
	assert_int_equal(store_is_valid(&st, A, &e), 1);
	assert_err(&e, store_closure(&st, &refs, &all, &e), "path '" B "' is not valid");
	assert_ok(&e, store_mem_add(&st, &b, &e));
	assert_ok(&e, store_closure(&st, &refs, &all, &e));
	assert_int_equal(all.n, 2);
	assert_string_equal(all.items[0], A);
	assert_string_equal(all.items[1], B);
	/* What it knows stays. */
	const struct store_registration other = reg(A, &none);
	scoped_store_path_info struct store_path_info info = {0};
	assert_ok(&e, store_mem_add(&st, &other, &e));
	assert_ok(&e, store_path_info(&st, A, &info, &e));
	assert_int_equal(info.refs.n, 2);
	assert_false(info.ultimate);
}

static void registers_outputs_as_a_store_does(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_strv struct strv none = STRV_INIT, refs = STRV_INIT, sigs = STRV_INIT;
	scoped_store_path_info struct store_path_info info = {0};

	open_store(&st);
	assert_ok(&e, strv_add(&refs, A, &e));
	assert_ok(&e, strv_add(&refs, B, &e));
	assert_ok(&e, strv_add(&sigs, "key:c2ln", &e));
	struct store_registration regs[2] = {reg(C, &refs), reg(B, &none)};
	regs[0].deriver = DRV;
	regs[0].ca = "fixed:sha256:x";
	regs[0].sigs = &sigs;
	/* A is missing, B is one of them. */
	assert_err(&e, store_begin(&st, regs, 2, &e) ? 0 : -1, "path '" A "' is not valid");
	const struct store_registration a = reg(A, &none);
	assert_ok(&e, store_mem_add(&st, &a, &e));

	struct store_txn *t = store_begin(&st, regs, 2, &e);
	assert_ok(&e, t ? 0 : -1);
	assert_int_equal(store_is_valid(&st, C, &e), 0);
	assert_ok(&e, store_commit(t, &e));
	store_txn_free(t);
	assert_ok(&e, store_path_info(&st, C, &info, &e));
	assert_true(hash_equal(&info.nar_sha256, &regs[0].nar_sha256));
	assert_int_equal(info.nar_size_bytes, 120);
	assert_int_equal(info.refs.n, 2);
	assert_string_equal(info.deriver, DRV);
	assert_string_equal(info.ca, "fixed:sha256:x");
	assert_string_equal(info.sigs.items[0], "key:c2ln");
	assert_true(info.ultimate);
	assert_err(&e, store_begin(&st, regs, 2, &e) ? 0 : -1, "is valid already");
}

static void without_a_commit_nothing_is_valid(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_strv struct strv none = STRV_INIT;
	struct store_registration r = reg(A, &none);

	open_store(&st);
	struct store_txn *t = store_begin(&st, &r, 1, &e);
	assert_ok(&e, t ? 0 : -1);
	store_txn_free(t);
	assert_int_equal(store_is_valid(&st, A, &e), 0);
}

static void knows_where_files_are(void **state)
{
	struct err e = ERR_INIT;
	scoped_store struct store st = {0};
	scoped_free char *real = NULL;

	open_store(&st);
	real = store_real_path(&st, A "/bin/x", &e);
	assert_string_equal(real, "/away/store/00000000000000000000000000000000-a/bin/x");
	assert_true(st.local);
	assert_int_equal(store_has_realisations(&st, &e), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(learns_of_paths_in_any_order),
		cmocka_unit_test(registers_outputs_as_a_store_does),
		cmocka_unit_test(without_a_commit_nothing_is_valid),
		cmocka_unit_test(knows_where_files_are),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("store_mem", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/host/memory_budget.h"
#include "tests/unit/unit.h"

#include "nar/base/scope.h"

#define MIB (UINT64_C(1) << 20)

static const struct memory_info machine = {1000 * MIB, 600 * MIB};

static uint64_t budget(int kind, uint64_t n, uint64_t in_use)
{
	const struct conf_amount a = {kind, n};

	return memory_budget(&a, &machine, in_use);
}

static void reads_what_the_kernel_says(void **state)
{
	struct err e = ERR_INIT;
	struct memory_info info;

	assert_ok(&e, memory_info_parse("MemTotal:       24683620 kB\nMemFree:   22450448 kB\n"
					"MemAvailable:   24198180 kB\nBuffers: 1 kB\n",
					&info, &e));
	assert_int_equal(info.total, UINT64_C(24683620) << 10);
	assert_int_equal(info.available, UINT64_C(24198180) << 10);
	assert_ok(&e, memory_info_read(&info, &e));
	assert_true(info.total >= info.available && info.available > 0);
}

static void refuses_a_text_without_sizes(void **state)
{
	struct err e = ERR_INIT;
	struct memory_info info;

	assert_err(&e, memory_info_parse("", &info, &e), "/proc/meminfo does not tell");
	assert_err(&e, memory_info_parse("MemTotal: 1 kB\n", &info, &e), "'memory-budget' has to");
	assert_err(&e, memory_info_parse("MemTotal: x kB\nMemAvailable: 1 kB\n", &info, &e),
		   "/proc/meminfo");
}

static void an_amount_is_of_this_machine(void **state)
{
	assert_int_equal(budget(AMOUNT_BYTES, 7, 0), 7);
	assert_int_equal(budget(AMOUNT_PERCENT, 80, 0), 800 * MIB);
	/* 600 MiB are available and 100 are in use by builds, a tenth of all is kept back. */
	assert_int_equal(budget(AMOUNT_AUTO, 0, 100 * MIB), 600 * MIB);
	assert_int_equal(budget(AMOUNT_AUTO, 0, 0), 500 * MIB);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_the_kernel_says),
		cmocka_unit_test(refuses_a_text_without_sizes),
		cmocka_unit_test(an_amount_is_of_this_machine),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

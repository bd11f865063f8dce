/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/unit/unit.h: what every unit test includes, in the order cmocka wants.
 *
 * A case is a sentence; `test_x '*part of a name*'` runs the cases that match.
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nar/base/err.h"

/* RC is success; prints what went wrong otherwise. */
#define assert_ok(e, rc)                                                 \
	do {                                                             \
		if ((rc) < 0) {                                          \
			print_error("unexpected error: %s\n", (e)->msg); \
			fail();                                          \
		}                                                        \
	} while (0)

/* RC is a failure whose message contains TEXT; *E is cleared for the next one. */
#define assert_err(e, rc, text)                                                           \
	do {                                                                              \
		if ((rc) >= 0)                                                            \
			fail_msg("succeeded, expected: %s", text);                        \
		if (!strstr((e)->msg, text))                                              \
			fail_msg("message is '%s', expected '%s' in it", (e)->msg, text); \
		err_clear(e);                                                             \
	} while (0)

#endif

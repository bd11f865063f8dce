/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/fuzz/fuzz.h: what every fuzz target includes.
 *
 * A target is tests/fuzz/fuzz_<parser>.c with LLVMFuzzerTestOneInput(), its seeds lie in
 * tests/fuzz/corpus/<parser>/, and tests/fuzz/dict/<parser>.dict names words where there are any.
 * It checks properties, not only survival: what was accepted prints back, limits hold, a refusal
 * has a message. With --enable-fuzzing CC=clang it is a libFuzzer program; else it is linked with
 * standalone.c, which replays the seeds as a part of `make check`.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "nar/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that has to hold for this input. Aborts, so that the input is kept. */
#define FUZZ_CHECK(cond)                                                                          \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* RC is a refusal with a message and a kind, or a success without one. */
#define FUZZ_CHECK_ERR(rc, e) \
	FUZZ_CHECK((rc) < 0 ? err_is_set(e) && (e)->msg[0] != '\0' : !err_is_set(e))

#endif

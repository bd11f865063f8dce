/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * narinfo: what is accepted prints to a text that reads back to the same, and keeps its promises.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "nar/base/scope.h"
#include "nar/narinfo.h"

#include "nar/base/banned.h"

static void check_promises(const struct narinfo *n)
{
	FUZZ_CHECK(str_starts(n->store_path, "/nix/store/"));
	FUZZ_CHECK(n->url[0] && !strpbrk(n->url, " \r\n\t"));
	FUZZ_CHECK(n->nar_size_bytes > 0 && n->nar_size_bytes <= INT64_MAX);
	for (size_t i = 1; i < n->refs.n; i++)
		FUZZ_CHECK(strcmp(n->refs.items[i - 1], n->refs.items[i]) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf first = BUF_INIT(64 << 20), second = BUF_INIT(64 << 20);
	scoped_narinfo struct narinfo n = {0}, again = {0};
	scoped_ed25519_keys struct ed25519_keys keys = ED25519_KEYS_INIT;
	int rc = narinfo_parse((const char *)data, size, "/nix/store", "f", &n, &e);

	FUZZ_CHECK_ERR(rc, &e);
	if (rc < 0)
		return 0;
	check_promises(&n);
	FUZZ_CHECK(narinfo_print(&n, &first, &e) == 0);
	FUZZ_CHECK(narinfo_parse(first.data, first.len, "/nix/store", "f", &again, &e) == 0);
	FUZZ_CHECK(narinfo_print(&again, &second, &e) == 0);
	FUZZ_CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	FUZZ_CHECK(ed25519_keys_add(
			   &keys, "test-1:y0rmxPsbkmUFHttrSiBYLNRY+jelaFHeLrIBKJ7aU3o=", &e) == 0);
	FUZZ_CHECK(narinfo_check_signed(&n, &keys, &e) >= 0);
	FUZZ_CHECK(narinfo_check_ca(&n, &e) >= 0);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nix-cache-info: what is accepted prints to a text that reads back to the same. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "nar/base/scope.h"
#include "nar/cacheinfo.h"

#include "nar/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1 << 20);
	scoped_cacheinfo struct cacheinfo c = {0}, again = {0};
	int rc = cacheinfo_parse((const char *)data, size, &c, &e);

	FUZZ_CHECK_ERR(rc, &e);
	if (rc < 0)
		return 0;
	FUZZ_CHECK(!c.store_dir || c.store_dir[0] == '/');
	FUZZ_CHECK(cacheinfo_print(&c, &b, &e) == 0);
	FUZZ_CHECK(cacheinfo_parse(b.data, b.len, &again, &e) == 0);
	FUZZ_CHECK(c.priority == again.priority && c.want_mass_query == again.want_mass_query);
	FUZZ_CHECK(!c.store_dir == !again.store_dir &&
		   (!c.store_dir || str_eq(c.store_dir, again.store_dir)));
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration: what is accepted prints as a file that gives the same again. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "hook/conf/conf_internal.h"

#include "nar/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	scoped_conf struct conf c = CONF_INIT;
	scoped_conf struct conf again = CONF_INIT;
	scoped_buf struct buf b = BUF_INIT(64 << 20);
	scoped_buf struct buf b2 = BUF_INIT(64 << 20);
	int rc;

	FUZZ_CHECK(conf_set_defaults(&c, &e) == 0);
	rc = conf_parse(&c, "fuzz.conf", (const char *)data, size, &e);
	FUZZ_CHECK_ERR(rc, &e);
	if (rc < 0) {
		FUZZ_CHECK(str_starts(e.msg, "fuzz.conf:"));
		return 0;
	}
	FUZZ_CHECK(conf_print(&c, &b, &e) == 0);
	FUZZ_CHECK(conf_set_defaults(&again, &e) == 0);
	FUZZ_CHECK(conf_parse(&again, "again", b.data, b.len, &e) == 0);
	FUZZ_CHECK(conf_print(&again, &b2, &e) == 0);
	FUZZ_CHECK(b.len == b2.len && memcmp(b.data, b2.data, b.len) == 0);
	return 0;
}

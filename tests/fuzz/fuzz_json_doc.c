/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON documents: what is accepted prints to a text that reads and prints to itself. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "hook/drv/attrs.h"
#include "hook/json/jdoc.h"

#include "nar/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	scoped_jdoc struct jdoc doc = JDOC_INIT;
	scoped_jdoc struct jdoc again = JDOC_INIT;
	/* A control character takes six bytes, a short exponent at most nine times its own. */
	scoped_buf struct buf text = BUF_INIT(64 * size + 64);
	scoped_buf struct buf same = BUF_INIT(64 * size + 64);
	scoped_buf struct buf shell = BUF_INIT(64 * size + 64);
	int rc = jdoc_parse((const char *)data, size, &doc, &e);

	FUZZ_CHECK_ERR(rc, &e);
	if (rc < 0) {
		FUZZ_CHECK(doc.type == JDOC_NULL);
		return 0;
	}
	FUZZ_CHECK(jdoc_print(&doc, &text, &e) == 0);
	FUZZ_CHECK(jdoc_parse(text.data, text.len, &again, &e) == 0);
	FUZZ_CHECK(jdoc_print(&again, &same, &e) == 0);
	FUZZ_CHECK(same.len == text.len && memcmp(same.data, text.data, text.len) == 0);
	if (doc.type == JDOC_OBJECT)
		FUZZ_CHECK(attrs_shell(&doc, &shell, &e) == 0);
	return 0;
}

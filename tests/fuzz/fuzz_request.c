/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests: what is accepted prints, and what it prints to reads and prints the same. A
 * configuration is made of it that is JSON, or is refused with a reason.
 */
#include "tests/fuzz/fuzz.h"

#include <parson.h>
#include <string.h>

#include "nar/base/scope.h"
#include "specgen/request.h"
#include "specgen/spec.h"

#include "nar/base/banned.h"

static void configuration_is_json(const struct request *r, enum spec_profile p)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(REQ_JSON_MAX);
	struct spec_host h;
	int rc;

	spec_host_init(&h);
	h.arch = "x86_64";
	rc = spec_print(r, p, &h, &b, &e);
	FUZZ_CHECK_ERR(rc, &e);
	if (rc == 0) {
		JSON_Value *root = json_parse_string(b.data);
		FUZZ_CHECK(json_value_get_type(root) == JSONObject);
		json_value_free(root);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	scoped_request struct request r = {0}, again = {0};
	scoped_buf struct buf one = BUF_INIT(REQ_JSON_MAX), two = BUF_INIT(REQ_JSON_MAX);
	int rc = req_parse((const char *)data, size, &r, &e);

	FUZZ_CHECK_ERR(rc, &e);
	if (rc < 0) {
		FUZZ_CHECK(!r.name && !r.env && !r.args.items);
		return 0;
	}
	FUZZ_CHECK(req_check(&r, &e) == 0);
	FUZZ_CHECK(req_print(&r, &one, &e) == 0);
	FUZZ_CHECK(req_parse(one.data, one.len, &again, &e) == 0);
	FUZZ_CHECK(req_print(&again, &two, &e) == 0);
	FUZZ_CHECK(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
	configuration_is_json(&r, SPEC_NIX);
	configuration_is_json(&r, SPEC_TVIX);
	return 0;
}

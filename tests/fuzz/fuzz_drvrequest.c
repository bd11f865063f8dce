/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Derivation -> request: every derivation that is read becomes a request that keeps the rules and
 * prints, or is refused. It has no inputs, so that no store is asked.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "hook/request/make.h"

#include "nar/base/banned.h"

#define DRV_PATH "/nix/store/00000000000000000000000000000000-x.drv"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/nix/store", variable[] = "SET=outside";
	char *const environ_[] = {variable, NULL};
	struct err e = ERR_INIT;
	scoped_drv struct drv drv = DRV_INIT;
	scoped_settings struct settings settings = {0};
	scoped_request struct request r = {0};
	scoped_buf struct buf json = BUF_INIT(REQ_JSON_MAX);
	struct store store = {.dir = dir, .real_dir = dir};
	const struct strv inputs = STRV_INIT;
	const struct request_source in = {&drv, &settings, &store, &inputs, environ_};
	int rc;

	if (drv_parse((const char *)data, size, DRV_PATH, dir, &drv, &e) < 0)
		return 0;
	FUZZ_CHECK(settings_set(&settings, "allowed-impure-host-deps", "/usr/share", &e) == 0);
	FUZZ_CHECK(settings_set(&settings, "cores", "1", &e) == 0);
	rc = request_make(&in, &r, &e);
	FUZZ_CHECK_ERR(rc, &e);
	if (rc < 0) {
		FUZZ_CHECK(!r.name && !r.env);
		return 0;
	}
	FUZZ_CHECK(req_check(&r, &e) == 0);
	FUZZ_CHECK(r.n_outputs == drv.n_outputs);
	FUZZ_CHECK(req_print(&r, &json, &e) == 0);
	for (size_t i = 0; i < r.constraints.n_host_paths; i++)
		FUZZ_CHECK(str_starts(r.constraints.host_paths[i].source, "/usr/share"));
	return 0;
}

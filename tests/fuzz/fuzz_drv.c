/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Derivations: what is accepted prints back to as many bytes, perhaps in another order, these print
 * back to themselves, and the outputs fit together.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "hook/drv/derivation.h"

#include "nar/base/banned.h"

#define STORE "/nix/store"
#define PATH STORE "/00000000000000000000000000000000-x.drv"

static void outputs_fit_together(const struct drv *d)
{
	FUZZ_CHECK(d->n_outputs > 0);
	FUZZ_CHECK(!drv_is_fixed(d) || d->n_outputs == 1);
	for (size_t i = 0; i < d->n_outputs; i++) {
		const struct drv_output *o = &d->outputs[i];
		const char *base;
		struct err e = ERR_INIT;

		FUZZ_CHECK(o->kind == d->outputs[0].kind);
		FUZZ_CHECK(drv_output(d, o->name) == o);
		FUZZ_CHECK(!o->path || storepath_check(o->path, STORE, &base, &e) == 0);
		FUZZ_CHECK(!o->path == (o->kind != DRV_FIXED && o->kind != DRV_INPUT_ADDRESSED));
	}
}

/* TEXT, which was printed, is in order. */
static void prints_as_it_is(const struct buf *text, const char *path)
{
	struct err e = ERR_INIT;
	scoped_drv struct drv d = DRV_INIT;
	scoped_buf struct buf b = BUF_INIT(DRV_BYTES_MAX);

	FUZZ_CHECK(drv_parse(text->data, text->len, path, STORE, &d, &e) == 0);
	FUZZ_CHECK(drv_print(&d, &b, &e) == 0);
	FUZZ_CHECK(b.len == text->len && memcmp(b.data, text->data, b.len) == 0);
}

static void check(const char *text, size_t len, const char *path)
{
	struct err e = ERR_INIT;
	scoped_drv struct drv d = DRV_INIT;
	scoped_buf struct buf b = BUF_INIT(DRV_BYTES_MAX);
	int rc = drv_parse(text, len, path, STORE, &d, &e);

	FUZZ_CHECK_ERR(rc, &e);
	if (rc < 0) {
		FUZZ_CHECK(!d.name && !d.outputs);
		return;
	}
	FUZZ_CHECK(drv_print(&d, &b, &e) == 0);
	FUZZ_CHECK(b.len == len);
	prints_as_it_is(&b, path);
	outputs_fit_together(&d);
	for (size_t i = 0; i < d.n_env; i++)
		if (strlen(d.env[i].key) == d.env[i].key_len)
			FUZZ_CHECK(drv_env(&d, d.env[i].key, NULL) == d.env[i].value);
	(void)drv_env_bool(&d, "allowSubstitutes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check((const char *)data, size, PATH);
	check((const char *)data, size, NULL);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/store/sign.h"

#include <stdlib.h>

#include "nar/base/scope.h"
#include "nar/ed25519.h"
#include "nar/narinfo.h"

#include "nar/base/banned.h"

#define FINGERPRINT_MAX (64u << 20)

int sign_keys_load(const struct settings *s, struct secretkeys *ret, struct err *e)
{
	scoped_secretkeys struct secretkeys keys = SECRETKEYS_INIT;
	scoped_strv struct strv files = STRV_INIT;

	if (settings_list(s, "secret-key-files", &files, e) < 0)
		return -1;
	for (size_t i = 0; i < files.n; i++)
		if (secretkeys_read(&keys, files.items[i], e) < 0)
			return err_wrap(e, "reading the keys of Nix's setting 'secret-key-files'");
	*ret = TAKE(keys, ((struct secretkeys)SECRETKEYS_INIT));
	return 0;
}

/* Append the fingerprint of R to B. It is a narinfo's, whose references are base names. */
static int fingerprint(const struct store_registration *r, struct buf *b, struct err *e)
{
	scoped_free char **bases = mem_new(r->refs->n + 1, sizeof(char *), e);

	if (!bases)
		return -1;
	for (size_t i = 0; i < r->refs->n; i++)
		bases[i] = (char *)(uintptr_t)str_base(r->refs->items[i]);
	const struct narinfo n = {
		.store_path = (char *)(uintptr_t)r->path,
		.nar_hash = r->nar_sha256,
		.nar_size_bytes = r->nar_size_bytes,
		.refs = {.items = bases, .n = r->refs->n},
	};
	return narinfo_fingerprint(&n, b, e);
}

static int sign_all(const struct secretkeys *k, const struct buf *b, struct strv *ret,
		    struct err *e)
{
	for (size_t i = 0; i < k->n; i++)
		if (strv_take(ret, ed25519_sign(k->items[i], b->data, b->len, e), e) < 0)
			return -1;
	return 0;
}

int sign_registration(const struct secretkeys *k, const struct store_registration *r,
		      struct strv *ret, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(FINGERPRINT_MAX);

	if (!k->n)
		return 0;
	return fingerprint(r, &b, e) < 0 ? -1 : sign_all(k, &b, ret, e);
}

int sign_realisation(const struct secretkeys *k, const struct store_realisation *r,
		     struct strv *ret, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(FINGERPRINT_MAX);

	if (!k->n)
		return 0;
	/* JSON escapes nothing here: these are hashes and names that store paths may have. */
	if (buf_addf(&b, e, "{\"dependentRealisations\":{},\"id\":\"%s!%s\",\"outPath\":\"%s\"}",
		     r->drv_hash, r->output, str_base(r->path)) < 0)
		return -1;
	return sign_all(k, &b, ret, e);
}

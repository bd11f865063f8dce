/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/storepath.h"

#include <assert.h>
#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define STORE_HASH_BYTES 20
/* Limit of the text whose hash is in a store path. References make it long. */
#define FINGERPRINT_MAX (64 << 20)

static bool is_name_byte(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("+-._?=", c));
}

int storepath_check_name(const char *name, size_t len, struct err *e)
{
	if (len == 0)
		return err_set(e, ERR_INPUT, "name must not be empty");
	if (len > STORE_NAME_MAX)
		return err_set(e, ERR_INPUT, "name '%.*s...' must be no longer than %d characters",
			       STORE_NAME_MAX, name, STORE_NAME_MAX);
	if (name[0] == '.') {
		size_t dots = len > 1 && name[1] == '.' ? 2 : 1;

		if (len == dots)
			return err_set(e, ERR_INPUT, "name '%.*s' is not valid", (int)len, name);
		if (name[dots] == '-')
			return err_set(e, ERR_INPUT,
				       "name '%.*s' is not valid: first dash-separated component "
				       "must not be '%.*s'",
				       (int)len, name, (int)dots, name);
	}
	for (size_t i = 0; i < len; i++)
		if (!is_name_byte((unsigned char)name[i]))
			return err_set(e, ERR_INPUT, "name '%.*s' contains illegal character '%c'",
				       (int)len, name, name[i]);
	return 0;
}

int storepath_check_base(const char *base, size_t len, struct err *e)
{
	int show = (int)(len < STORE_BASE_MAX + 16 ? len : STORE_BASE_MAX + 16);

	if (len < STORE_HASH_LEN + 1)
		return err_set(e, ERR_INPUT, "'%.*s' is too short to be a valid store path", show,
			       base);
	for (size_t i = 0; i < STORE_HASH_LEN; i++)
		if (!nix32_is_digit((unsigned char)base[i]))
			return err_set(e, ERR_INPUT,
				       "store path '%.*s' contains illegal base-32 character '%c'",
				       show, base, base[i]);
	if (base[STORE_HASH_LEN] != '-')
		return err_set(e, ERR_INPUT,
			       "path '%.*s' is not a valid store path: no '-' after its hash", show,
			       base);
	if (storepath_check_name(base + STORE_HASH_LEN + 1, len - STORE_HASH_LEN - 1, e) < 0)
		return err_wrap(e, "path '%.*s' is not a valid store path", show, base);
	return 0;
}

/* Return the part of PATH after STORE_DIR and '/'; NULL: PATH is not below STORE_DIR. */
static const char *below_store(const char *path, const char *store_dir)
{
	size_t n = strlen(store_dir);

	if (strncmp(path, store_dir, n) != 0 || path[n] != '/')
		return NULL;
	return path + n + 1;
}

int storepath_check(const char *path, const char *store_dir, const char **ret_base, struct err *e)
{
	const char *base = below_store(path, store_dir);

	if (!base || strchr(base, '/'))
		return err_set(e, ERR_INPUT, "path '%s' is not in the Nix store", path);
	if (storepath_check_base(base, strlen(base), e) < 0)
		return -1;
	*ret_base = base;
	return 0;
}

size_t storepath_prefix(const char *path, const char *store_dir)
{
	const char *base = below_store(path, store_dir);
	struct err ignored = ERR_INIT;

	if (!base)
		return 0;
	size_t len = strcspn(base, "/");
	if (storepath_check_base(base, len, &ignored) < 0)
		return 0;
	return (size_t)(base - path) + len;
}

const char *storepath_name(const char *path_or_base)
{
	return str_base(path_or_base) + STORE_HASH_LEN + 1;
}

char *storepath_output_name(const char *drv_name, const char *output, struct err *e)
{
	if (str_eq(output, "out"))
		return str_dup(drv_name, e);
	return str_fmt(e, "%s-%s", drv_name, output);
}

/* Make the store path whose hash part is the folded SHA-256 of FINGERPRINT. */
static char *path_of(const struct buf *fingerprint, const char *store_dir, const char *name,
		     struct err *e)
{
	uint8_t folded[STORE_HASH_BYTES];
	char digits[STORE_HASH_LEN + 1];
	struct hash h;

	if (hash_bytes(HASH_SHA256, fingerprint->data, fingerprint->len, &h, e) < 0)
		return NULL;
	hash_compress(h.bytes, hash_size_bytes(h.algo), folded, sizeof folded);
	nix32_encode(folded, sizeof folded, digits);
	return str_fmt(e, "%s/%s-%s", store_dir, digits, name);
}

char *storepath_make(const char *type, const struct hash *inner, const char *store_dir,
		     const char *name, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(FINGERPRINT_MAX);
	char hex[HASH_TEXT_MAX];

	assert(inner->algo == HASH_SHA256);
	if (storepath_check_name(name, strlen(name), e) < 0)
		return NULL;
	hash_print(inner, HASH_BASE16, true, hex);
	/* TYPE by itself, because it contains all references and may be long. */
	if (buf_adds(&b, type, e) < 0 || buf_addf(&b, e, ":%s:%s:%s", hex, store_dir, name) < 0)
		return NULL;
	return path_of(&b, store_dir, name, e);
}

/* Make the store path of C, whose type is "source" or "text" followed by the references. */
static char *make_with_refs(const struct ca_contents *c, const char *store_dir, const char *name,
			    struct err *e)
{
	scoped_buf struct buf type = BUF_INIT(FINGERPRINT_MAX);

	if (buf_adds(&type, c->method == CA_TEXT ? "text" : "source", e) < 0)
		return NULL;
	for (size_t i = 0; c->refs && i < c->refs->n; i++)
		if (buf_addc(&type, ':', e) < 0 || buf_adds(&type, c->refs->items[i], e) < 0)
			return NULL;
	if (c->self && buf_adds(&type, ":self", e) < 0)
		return NULL;
	return storepath_make(type.data, &c->hash, store_dir, name, e);
}

static const char *method_prefix(enum ca_method m)
{
	return m == CA_NAR ? "r:" : m == CA_GIT ? "git:" : "";
}

char *storepath_make_ca(const struct ca_contents *c, const char *store_dir, const char *name,
			struct err *e)
{
	const enum ca_method m = c->method;
	const struct hash *h = &c->hash;
	char hex[HASH_TEXT_MAX];
	struct hash inner;

	if (m == CA_TEXT && h->algo != HASH_SHA256) {
		err_set(e, ERR_INPUT, "text must be hashed with sha256, not %s",
			hash_algo_name(h->algo));
		return NULL;
	}
	if (m == CA_TEXT && c->self) {
		err_set(e, ERR_INPUT, "self-reference not allowed with text hashing");
		return NULL;
	}
	if (m == CA_TEXT)
		return make_with_refs(c, store_dir, name, e);
	if (m == CA_GIT && h->algo != HASH_SHA1 && h->algo != HASH_SHA256) {
		err_set(e, ERR_INPUT,
			"Git file ingestion must use SHA-1 or SHA-256 hash, but instead using: %s",
			hash_algo_name(h->algo));
		return NULL;
	}
	if (m == CA_NAR && h->algo == HASH_SHA256)
		return make_with_refs(c, store_dir, name, e);
	if (c->self || (c->refs && c->refs->n)) {
		err_set(e, ERR_INPUT,
			"fixed output derivation '%s' is not allowed to refer to other store "
			"paths.\nYou may need to use the 'unsafeDiscardReferences' derivation "
			"attribute, see the manual for more details.",
			name);
		return NULL;
	}
	hash_print(h, HASH_BASE16, true, hex);
	scoped_free char *text = str_fmt(e, "fixed:out:%s%s:", method_prefix(m), hex);
	if (!text || hash_bytes(HASH_SHA256, text, strlen(text), &inner, e) < 0)
		return NULL;
	return storepath_make("output:out", &inner, store_dir, name, e);
}

char *storepath_ca_text(enum ca_method m, const struct hash *h, struct err *e)
{
	char text[HASH_TEXT_MAX];

	hash_print(h, HASH_NIX32, true, text);
	if (m == CA_TEXT)
		return str_fmt(e, "text:%s", text);
	return str_fmt(e, "fixed:%s%s", method_prefix(m), text);
}

int storepath_ca_parse(const char *text, enum ca_method *ret_m, struct hash *ret_h, struct err *e)
{
	enum ca_method m = CA_FLAT;
	const char *hash = strchr(text, ':');
	struct hash h;

	if (!hash)
		return err_set(e, ERR_INPUT,
			       "not a content address because it is not in the form "
			       "'<prefix>:<rest>': %s",
			       text);
	hash++;
	if (str_starts(text, "text:")) {
		m = CA_TEXT;
	} else if (!str_starts(text, "fixed:")) {
		return err_set(e, ERR_INPUT,
			       "content address prefix '%.*s' is unrecognized. Recogonized "
			       "prefixes are 'text' or 'fixed'",
			       (int)(hash - 1 - text), text);
	} else if (str_starts(hash, "r:")) {
		m = CA_NAR;
		hash += 2;
	} else if (str_starts(hash, "git:")) {
		m = CA_GIT;
		hash += 4;
	}
	/* The algorithm's name must come first; SRI is not allowed here. */
	size_t n = strcspn(hash, ":-");
	if (hash[n] != ':')
		return err_set(
			e, ERR_INPUT,
			"content address hash must be in form '<algo>:<hash>', but found: %s",
			hash);
	if (hash_parse_any(hash, strlen(hash), &h, e) < 0)
		return -1;
	*ret_m = m;
	*ret_h = h;
	return 0;
}

char *storepath_placeholder(const char *output, struct err *e)
{
	scoped_free char *text = str_fmt(e, "nix-output:%s", output);
	char digits[HASH_TEXT_MAX];
	struct hash h;

	if (!text || hash_bytes(HASH_SHA256, text, strlen(text), &h, e) < 0)
		return NULL;
	hash_print(&h, HASH_NIX32, false, digits);
	return str_fmt(e, "/%s", digits);
}

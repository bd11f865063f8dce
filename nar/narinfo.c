/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/narinfo.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "nar/base/scope.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

/* The state of narinfo_parse(). */
struct parse {
	const char *what, *store_dir;
	size_t line;
	unsigned fields; /* bit I: keys[I] was read */
	struct narinfo *n;
};

static int corrupt(const struct parse *p, const char *why, struct err *e)
{
	return err_set(e, ERR_INPUT, "NAR info file '%s' is corrupt: %s at line %zu", p->what, why,
		       p->line);
}

/* Put "corrupt" before the message of a value's parser. */
static int wrap(const struct parse *p, struct err *e)
{
	return err_wrap(e, "NAR info file '%s' is corrupt at line %zu", p->what, p->line);
}

/* ---- values ---- */

typedef int set_fn(struct parse *p, const char *value, size_t len, struct err *e);

static int set_text(char **ret, const char *value, size_t len, struct err *e)
{
	*ret = str_ndup(value, len, e);
	return *ret ? 0 : -1;
}

static int set_store_path(struct parse *p, const char *value, size_t len, struct err *e)
{
	const char *base;

	if (set_text(&p->n->store_path, value, len, e) < 0)
		return -1;
	if (storepath_check(p->n->store_path, p->store_dir, &base, e) < 0)
		return wrap(p, e);
	return 0;
}

static int set_url(struct parse *p, const char *value, size_t len, struct err *e)
{
	for (size_t i = 0; i < len; i++)
		if (value[i] <= ' ' || value[i] > '~')
			return corrupt(p, "the URL is not printable ASCII", e);
	return set_text(&p->n->url, value, len, e);
}

static int set_compression(struct parse *p, const char *value, size_t len, struct err *e)
{
	return len ? set_text(&p->n->compression, value, len, e) : 0;
}

static int set_file_hash(struct parse *p, const char *value, size_t len, struct err *e)
{
	if (hash_parse_any(value, len, &p->n->file_hash, e) < 0)
		return wrap(p, e);
	p->n->has_file_hash = true;
	return 0;
}

static int set_file_size(struct parse *p, const char *value, size_t len, struct err *e)
{
	if (!num_parse_u64(value, len, INT64_MAX, &p->n->file_size_bytes))
		return corrupt(p, "invalid FileSize", e);
	return 0;
}

static int set_nar_hash(struct parse *p, const char *value, size_t len, struct err *e)
{
	return hash_parse_any(value, len, &p->n->nar_hash, e) < 0 ? wrap(p, e) : 0;
}

static int set_nar_size(struct parse *p, const char *value, size_t len, struct err *e)
{
	if (!num_parse_u64(value, len, INT64_MAX, &p->n->nar_size_bytes))
		return corrupt(p, "invalid NarSize", e);
	return 0;
}

static int set_refs(struct parse *p, const char *value, size_t len, struct err *e)
{
	scoped_free char *text = str_ndup(value, len, e);
	struct strv *refs = &p->n->refs;

	if (!text || strv_split(refs, text, " ", e) < 0)
		return -1;
	for (size_t i = 0; i < refs->n; i++)
		if (storepath_check_base(refs->items[i], strlen(refs->items[i]), e) < 0)
			return wrap(p, e);
	strv_sort(refs);
	strv_uniq(refs);
	return 0;
}

static int set_deriver(struct parse *p, const char *value, size_t len, struct err *e)
{
	if (len == strlen("unknown-deriver") && memcmp(value, "unknown-deriver", len) == 0)
		return 0;
	if (storepath_check_base(value, len, e) < 0)
		return wrap(p, e);
	return set_text(&p->n->deriver, value, len, e);
}

static int add_sig(struct parse *p, const char *value, size_t len, struct err *e)
{
	return strv_addn(&p->n->sigs, value, len, e);
}

static int set_ca(struct parse *p, const char *value, size_t len, struct err *e)
{
	enum ca_method m;
	struct hash h;

	if (len == 0)
		return 0;
	if (set_text(&p->n->ca, value, len, e) < 0)
		return -1;
	return storepath_ca_parse(p->n->ca, &m, &h, e) < 0 ? wrap(p, e) : 0;
}

/* ---- lines ---- */

static const struct key {
	const char *name;
	set_fn *set;
	bool many;           /* it may be repeated */
	const char *missing; /* the message if the key is missing; NULL: it may be */
} keys[] = {
	{"StorePath", set_store_path, false, "StorePath missing"},
	{"URL", set_url, false, "URL missing"},
	{"Compression", set_compression, false, NULL},
	{"FileHash", set_file_hash, false, NULL},
	{"FileSize", set_file_size, false, NULL},
	{"NarHash", set_nar_hash, false, "NarHash missing"},
	{"NarSize", set_nar_size, false, "NarSize missing or zero"},
	{"References", set_refs, false, NULL},
	{"Deriver", set_deriver, false, NULL},
	{"Sig", add_sig, true, NULL},
	{"CA", set_ca, false, NULL},
};
static_assert(ARRAY_SIZE(keys) <= 32, "parse.fields has a bit for each");

static int parse_line(struct parse *p, const char *line, size_t len, struct err *e)
{
	const char *colon = memchr(line, ':', len);
	char why[64];

	if (memchr(line, '\0', len))
		return corrupt(p, "a NUL byte", e);
	if (!colon)
		return corrupt(p, "expecting ':'", e);
	if (colon + 1 == line + len || colon[1] != ' ')
		return corrupt(p, "expecting ' ' after ':'", e);
	size_t key_len = (size_t)(colon - line);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strlen(keys[i].name) != key_len || memcmp(keys[i].name, line, key_len) != 0)
			continue;
		if (p->fields >> i & 1 && !keys[i].many) {
			snprintf(why, sizeof why, "extra %s", keys[i].name);
			return corrupt(p, why, e);
		}
		p->fields |= 1u << i;
		return keys[i].set(p, colon + 2, len - key_len - 2, e);
	}
	return 0;
}

static int check_complete(const struct parse *p, struct err *e)
{
	const struct narinfo *n = p->n;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		bool there = p->fields >> i & 1;

		if (keys[i].set == set_url)
			there = n->url && *n->url;
		if (keys[i].set == set_nar_size)
			there = n->nar_size_bytes > 0;
		if (keys[i].missing && !there)
			return err_set(e, ERR_INPUT, "NAR info file '%s' is corrupt: %s", p->what,
				       keys[i].missing);
	}
	return 0;
}

static int parse(struct parse *p, const char *text, size_t len, struct err *e)
{
	for (const char *end = text + len; text < end;) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));

		p->line++;
		if (!eol)
			return corrupt(p, "expecting '\\n'", e);
		if (parse_line(p, text, (size_t)(eol - text), e) < 0)
			return -1;
		text = eol + 1;
	}
	return check_complete(p, e);
}

int narinfo_parse(const char *text, size_t len, const char *store_dir, const char *what,
		  struct narinfo *ret, struct err *e)
{
	scoped_narinfo struct narinfo n = {0};
	struct parse p = {.what = what, .store_dir = store_dir, .n = &n};

	if (len > NARINFO_MAX_BYTES)
		return err_set(e, ERR_LIMIT,
			       "NAR info file '%s' is larger than the limit of %d bytes", what,
			       NARINFO_MAX_BYTES);
	if (parse(&p, text, len, e) < 0)
		return -1;
	if (!n.compression && set_text(&n.compression, "bzip2", 5, e) < 0)
		return -1;
	*ret = n;
	n = (struct narinfo){0};
	return 0;
}

void narinfo_done(struct narinfo *n)
{
	free(n->store_path);
	free(n->url);
	free(n->compression);
	strv_done(&n->refs);
	free(n->deriver);
	strv_done(&n->sigs);
	free(n->ca);
	*n = (struct narinfo){0};
}

/* ---- printing ---- */

static int print_hash(const char *key, const struct hash *h, struct buf *b, struct err *e)
{
	char text[HASH_TEXT_MAX];

	hash_print(h, HASH_NIX32, true, text);
	return buf_addf(b, e, "%s: %s\n", key, text);
}

int narinfo_print(const struct narinfo *n, struct buf *b, struct err *e)
{
	if (buf_addf(b, e, "StorePath: %s\nURL: %s\nCompression: %s\n", n->store_path, n->url,
		     n->compression) < 0)
		return -1;
	if (n->has_file_hash && print_hash("FileHash", &n->file_hash, b, e) < 0)
		return -1;
	if (n->file_size_bytes && buf_addf(b, e, "FileSize: %" PRIu64 "\n", n->file_size_bytes) < 0)
		return -1;
	if (print_hash("NarHash", &n->nar_hash, b, e) < 0 ||
	    buf_addf(b, e, "NarSize: %" PRIu64 "\nReferences: ", n->nar_size_bytes) < 0)
		return -1;
	for (size_t i = 0; i < n->refs.n; i++)
		if (buf_addf(b, e, "%s%s", i ? " " : "", n->refs.items[i]) < 0)
			return -1;
	if (buf_addc(b, '\n', e) < 0 ||
	    (n->deriver && buf_addf(b, e, "Deriver: %s\n", n->deriver) < 0))
		return -1;
	for (size_t i = 0; i < n->sigs.n; i++)
		if (buf_addf(b, e, "Sig: %s\n", n->sigs.items[i]) < 0)
			return -1;
	return n->ca ? buf_addf(b, e, "CA: %s\n", n->ca) : 0;
}

/* ---- trust ---- */

/* Return the length of the store directory and the '/' after it. */
static int dir_len(const struct narinfo *n)
{
	return (int)(str_base(n->store_path) - n->store_path);
}

int narinfo_fingerprint(const struct narinfo *n, struct buf *b, struct err *e)
{
	char hash[HASH_TEXT_MAX];

	if (n->nar_hash.algo != HASH_SHA256)
		return err_set(e, ERR_INPUT,
			       "the NAR hash of '%s' is a %s hash; only SHA-256 is signed",
			       n->store_path, hash_algo_name(n->nar_hash.algo));
	hash_print(&n->nar_hash, HASH_NIX32, true, hash);
	if (buf_addf(b, e, "1;%s;%s;%" PRIu64 ";", n->store_path, hash, n->nar_size_bytes) < 0)
		return -1;
	for (size_t i = 0; i < n->refs.n; i++)
		if (buf_addf(b, e, "%s%.*s%s", i ? "," : "", dir_len(n), n->store_path,
			     n->refs.items[i]) < 0)
			return -1;
	return 0;
}

int narinfo_check_signed(const struct narinfo *n, const struct ed25519_keys *trusted, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(NARINFO_MAX_BYTES * 2);

	if (n->nar_hash.algo != HASH_SHA256)
		return 0;
	if (narinfo_fingerprint(n, &b, e) < 0)
		return -1;
	for (size_t i = 0; i < n->sigs.n; i++) {
		int rc = ed25519_check(trusted, n->sigs.items[i], b.data, b.len, e);

		if (rc != 0)
			return rc;
	}
	return 0;
}

int narinfo_sign(struct narinfo *n, const char *secret_key, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(NARINFO_MAX_BYTES * 2);

	if (narinfo_fingerprint(n, &b, e) < 0)
		return -1;
	scoped_free char *sig = ed25519_sign(secret_key, b.data, b.len, e);
	if (!sig)
		return -1;
	return strv_has(&n->sigs, sig) ? 0 : strv_add(&n->sigs, sig, e);
}

int narinfo_check_ca(const struct narinfo *n, struct err *e)
{
	scoped_strv struct strv others = STRV_INIT;
	const char *base = str_base(n->store_path);
	struct err why = ERR_INIT;
	struct ca_contents c = {.refs = &others};

	if (!n->ca || storepath_ca_parse(n->ca, &c.method, &c.hash, &why) < 0)
		return 0;
	for (size_t i = 0; i < n->refs.n; i++) {
		if (str_eq(n->refs.items[i], base))
			c.self = true;
		else if (strv_addf(&others, e, "%.*s%s", dir_len(n), n->store_path,
				   n->refs.items[i]) < 0)
			return -1;
	}
	scoped_free char *dir = str_ndup(n->store_path, (size_t)dir_len(n) - 1, e);
	if (!dir)
		return -1;
	scoped_free char *path = storepath_make_ca(&c, dir, storepath_name(base), &why);
	/*
	 * ERR_INPUT: the method does not allow these references, so that the CA field is wrong.
	 * Other errors are no verdict.
	 */
	if (!path && why.kind != ERR_INPUT)
		return err_set(e, why.kind, "%s", why.msg);
	return path && str_eq(path, n->store_path);
}

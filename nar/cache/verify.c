/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/cache/verify.h"

#include <inttypes.h>
#include <string.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"
#include "nar/cache/decompress.h"
#include "nar/hash.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

/*
 * Offsets in the NAR of a single file: TAG_AT, of the tag after magic, "(", "type" and "regular";
 * FLAT_AT, of the contents if this tag is "contents"; FLAT_EXECUTABLE_AT, of the contents if it is
 * "executable".
 */
#define TAG_AT 72
#define FLAT_AT 96
#define FLAT_EXECUTABLE_AT 128

/* Computes the hash that a CA field declares, of the NAR or of the single file in it. */
struct ca_hash {
	bool wanted;
	bool flat; /* of a file's contents; the members from `head` on are for this */
	struct hash want;
	struct hash_ctx ctx;
	unsigned char head[FLAT_EXECUTABLE_AT]; /* the NAR's bytes before the contents */
	size_t head_n, head_need;
	uint64_t left_bytes; /* of the contents */
	bool is_file;        /* the head is that of a NAR of a single file */
};

struct nar_verify {
	const struct narinfo *n;
	struct nar_source file;
	struct decompress *d;
	struct hash_ctx nar_hash, file_hash;
	bool hash_file; /* compute file_hash: there is a FileHash that is not nar_hash anyway */
	uint64_t nar_bytes, file_bytes;
	struct ca_hash ca;
	const char *block; /* block_n bytes that are hashed, and not yet read */
	size_t block_n;
	bool begun, ended;
	struct err err;
};

/* ---- the CA field ---- */

static bool refers_to_itself(const struct narinfo *n)
{
	return strv_has(&n->refs, str_base(n->store_path));
}

bool nar_verify_knows_ca(const struct narinfo *n)
{
	enum ca_method m;
	struct hash h;
	struct err ignored = ERR_INIT;

	return n->ca && !refers_to_itself(n) && storepath_ca_parse(n->ca, &m, &h, &ignored) >= 0 &&
	       m != CA_GIT;
}

static int ca_start(struct ca_hash *c, const struct narinfo *n, struct err *e)
{
	enum ca_method m;

	if (!nar_verify_knows_ca(n))
		return err_set(e, ERR_INPUT, "'%s' is not content-addressed", n->store_path);
	if (storepath_ca_parse(n->ca, &m, &c->want, e) < 0)
		return -1;
	c->wanted = true;
	c->flat = m != CA_NAR;
	c->head_need = FLAT_AT;
	return hash_start(&c->ctx, c->want.algo, e);
}

static uint64_t u64_at(const unsigned char *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

/*
 * Parse the head, or ask for the longer one of an executable file. The reader of the NAR checks the
 * rest of its format.
 */
static void ca_head(struct ca_hash *c)
{
	if (c->head_need == FLAT_AT && memcmp(c->head + TAG_AT + 8, "executab", 8) == 0) {
		c->head_need = FLAT_EXECUTABLE_AT;
		return;
	}
	c->is_file = memcmp(c->head + c->head_need - 16, "contents", 8) == 0;
	c->left_bytes = u64_at(c->head + c->head_need - 8);
}

static int ca_update(struct ca_hash *c, const char *p, size_t n, struct err *e)
{
	if (!c->flat)
		return hash_update(&c->ctx, p, n, e);
	while (c->head_n < c->head_need && n) {
		size_t take = c->head_need - c->head_n;

		if (take > n)
			take = n;
		memcpy(c->head + c->head_n, p, take);
		c->head_n += take;
		p += take;
		n -= take;
		if (c->head_n == c->head_need)
			ca_head(c);
	}
	if (!c->is_file)
		return 0;
	if (n > c->left_bytes)
		n = (size_t)c->left_bytes;
	c->left_bytes -= n;
	return n ? hash_update(&c->ctx, p, n, e) : 0;
}

/* ---- what is wrong ---- */

static int wrong_hash(const struct narinfo *n, const char *which, const struct hash *want,
		      const struct hash *got, struct err *e)
{
	char w[HASH_TEXT_MAX], g[HASH_TEXT_MAX];

	hash_print(want, HASH_NIX32, true, w);
	hash_print(got, HASH_NIX32, true, g);
	return err_set(e, ERR_INPUT,
		       "%s mismatch importing path '%s';\n  specified: %s\n  got:       %s", which,
		       n->store_path, w, g);
}

static int wrong_size(const struct narinfo *n, const char *which, uint64_t want, uint64_t got,
		      struct err *e)
{
	return err_set(e, ERR_INPUT,
		       "%s mismatch importing path '%s';\n  specified: %" PRIu64
		       "\n  got:       %" PRIu64,
		       which, n->store_path, want, got);
}

static int check_hash(const struct narinfo *n, const char *which, struct hash_ctx *ctx,
		      const struct hash *want, struct err *e)
{
	struct hash got;

	if (hash_finish(ctx, &got, e) < 0)
		return -1;
	return hash_equal(&got, want) ? 0 : wrong_hash(n, which, want, &got, e);
}

static int check_end(struct nar_verify *v, struct err *e)
{
	const struct narinfo *n = v->n;

	if (n->file_size_bytes && v->file_bytes != n->file_size_bytes)
		return wrong_size(n, "file size", n->file_size_bytes, v->file_bytes, e);
	if (v->hash_file && check_hash(n, "file hash", &v->file_hash, &n->file_hash, e) < 0)
		return -1;
	if (v->nar_bytes != n->nar_size_bytes)
		return wrong_size(n, "size", n->nar_size_bytes, v->nar_bytes, e);
	if (check_hash(n, "hash", &v->nar_hash, &n->nar_hash, e) < 0)
		return -1;
	if (!v->ca.wanted)
		return 0;
	if (v->ca.flat && (!v->ca.is_file || v->ca.left_bytes))
		return err_set(e, ERR_INPUT, "path '%s' is not a single file, as its CA field says",
			       n->store_path);
	return check_hash(n, "ca hash", &v->ca.ctx, &v->ca.want, e);
}

/* ---- the stream ---- */

uint64_t nar_verify_file_max(const struct narinfo *n)
{
	/* No compression makes a file larger by more than a hundredth and its headers. */
	return n->file_size_bytes ? n->file_size_bytes
				  : n->nar_size_bytes + n->nar_size_bytes / 16 + 65536;
}

static ssize_t on_file_read(void *ctx, void *data, size_t n, struct err *e)
{
	struct nar_verify *v = ctx;
	ssize_t got = v->file.read(v->file.ctx, data, n, e);

	if (got <= 0)
		return got;
	if ((uint64_t)got > nar_verify_file_max(v->n) - v->file_bytes)
		return err_set(e, ERR_LIMIT, "the file of '%s' is longer than %" PRIu64 " bytes",
			       v->n->store_path, nar_verify_file_max(v->n));
	v->file_bytes += (uint64_t)got;
	if (v->hash_file && hash_update(&v->file_hash, data, (size_t)got, e) < 0)
		return -1;
	return got;
}

static int start(struct nar_verify *v, bool by_ca, struct err *e)
{
	const struct narinfo *n = v->n;
	const struct nar_source file = {on_file_read, v};
	enum compression c;

	if (compression_parse(n->compression, &c, e) < 0)
		return err_wrap(e, "the NAR of '%s'", n->store_path);
	v->hash_file = n->has_file_hash;
	if (c == COMPRESSION_NONE && n->has_file_hash && n->file_hash.algo == n->nar_hash.algo) {
		if (!hash_equal(&n->file_hash, &n->nar_hash))
			return wrong_hash(n, "file hash", &n->file_hash, &n->nar_hash, e);
		v->hash_file = false;
	}
	if (hash_start(&v->nar_hash, n->nar_hash.algo, e) < 0 ||
	    (v->hash_file && hash_start(&v->file_hash, n->file_hash.algo, e) < 0) ||
	    (by_ca && ca_start(&v->ca, n, e) < 0))
		return -1;
	v->d = decompress_new(c, &file, n->nar_size_bytes, e);
	return v->d ? 0 : -1;
}

struct nar_verify *nar_verify_new(const struct narinfo *n, bool by_ca,
				  const struct nar_source *file, struct err *e)
{
	scoped_nar_verify struct nar_verify *v = mem_new(1, sizeof *v, e);

	if (!v)
		return NULL;
	v->n = n;
	v->file = *file;
	return start(v, by_ca, e) < 0 ? NULL : TAKE(v, NULL);
}

void nar_verify_free(struct nar_verify *v)
{
	if (!v)
		return;
	decompress_free(v->d);
	hash_ctx_done(&v->nar_hash);
	hash_ctx_done(&v->file_hash);
	hash_ctx_done(&v->ca.ctx);
	free(v);
}

/*
 * Unpack and hash the next block.
 * Returns 1; 0: the end, and all was right; -1: *E.
 */
static int next(struct nar_verify *v, struct err *e)
{
	const void *data;
	int rc = decompress_block(v->d, &data, &v->block_n, e);

	if (rc < 0)
		return -1;
	if (rc == 0) {
		v->block_n = 0;
		return check_end(v, e);
	}
	v->block = data;
	v->nar_bytes += v->block_n;
	if (hash_update(&v->nar_hash, v->block, v->block_n, e) < 0)
		return -1;
	return v->ca.wanted && ca_update(&v->ca, v->block, v->block_n, e) < 0 ? -1 : 1;
}

static ssize_t on_read(void *ctx, void *data, size_t n, struct err *e)
{
	struct nar_verify *v = ctx;

	v->begun = true;
	if (err_is_set(&v->err)) {
		*e = v->err;
		return -1;
	}
	if (v->ended)
		return 0;
	if (!v->block_n) {
		int rc = next(v, &v->err);

		if (rc < 0) {
			*e = v->err;
			return -1;
		}
		if (rc == 0) {
			v->ended = true;
			return 0;
		}
	}
	if (n > v->block_n)
		n = v->block_n;
	memcpy(data, v->block, n);
	v->block += n;
	v->block_n -= n;
	return (ssize_t)n;
}

struct nar_source nar_verify_source(struct nar_verify *v)
{
	return (struct nar_source){on_read, v};
}

const struct err *nar_verify_error(const struct nar_verify *v)
{
	return err_is_set(&v->err) ? &v->err : NULL;
}

bool nar_verify_ended(const struct nar_verify *v)
{
	return v->ended;
}

bool nar_verify_begun(const struct nar_verify *v)
{
	return v->begun;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/compress.h: a sink that compresses its bytes, hashes and counts the result, and sends
 * it to another sink.
 *
 *	c = compress_new(&o, &to, e);
 *	struct nar_sink sink = compress_sink(c);
 *	nar_dump(&tree, &sink, e);
 *	compress_finish(c, &file_hash, &file_size, e);
 *
 * libarchive's filters compress, in its raw format. Equal input, options and versions of the
 * libraries give equal output.
 */
#ifndef NAR_CACHE_COMPRESS_H
#define NAR_CACHE_COMPRESS_H

#include <stdint.h>

#include "nar/base/err.h"
#include "nar/base/sink.h"
#include "nar/cache/compression.h"
#include "nar/hash.h"

struct compress_options {
	enum compression compression;
	int level;        /* -1: the compression's default */
	unsigned threads; /* for xz and zstd only; 0 and 1: only the caller's thread */
};

struct compress;

/* Make a compressor that sends to TO. TO is copied; its ctx must live as long. NULL: *E. */
struct compress *compress_new(const struct compress_options *o, const struct nar_sink *to,
			      struct err *e) MUST_CHECK;
struct nar_sink compress_sink(struct compress *c);
/*
 * Send the rest of the output. *RET_HASH and *RET_SIZE_BYTES are the SHA-256 and the size of all
 * output: FileHash and FileSize of a narinfo.
 */
int compress_finish(struct compress *c, struct hash *ret_hash, uint64_t *ret_size_bytes,
		    struct err *e) MUST_CHECK;
void compress_free(struct compress *c); /* NULL is fine; sends nothing more */

static inline void scope_compress(struct compress **c)
{
	compress_free(*c);
}
#define scoped_compress __attribute__((cleanup(scope_compress), unused))

#endif

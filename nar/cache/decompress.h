/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/decompress.h: a source that decompresses the bytes of another source.
 *
 *	d = decompress_new(COMPRESSION_XZ, &from, max_bytes, e);
 *	struct nar_source nar = decompress_source(d);
 *	r = nar_reader_new_source(&nar, NULL, e);
 *
 * libarchive's filters decompress the stream, in its raw format: no archive is parsed, no file is
 * written. Memory is the compression's window (xz: as the file says, up to 1 GiB; zstd: up to 128
 * MiB). Input is hostile: it must be one or more complete streams of the given compression with
 * nothing after them, and must not decompress to more than MAX_BYTES.
 */
#ifndef NAR_CACHE_DECOMPRESS_H
#define NAR_CACHE_DECOMPRESS_H

#include <stdint.h>

#include "nar/base/err.h"
#include "nar/base/sink.h"
#include "nar/cache/compression.h"

struct decompress;

/*
 * Make a decompressor of FROM, which is read in pieces of up to 64 KiB. FROM is copied; its ctx
 * must live as long. NULL: *E.
 */
struct decompress *decompress_new(enum compression c, const struct nar_source *from,
				  uint64_t max_bytes, struct err *e) MUST_CHECK;
/*
 * Return the source of the decompressed bytes, which ends (read gives 0) only if FROM has ended as
 * well. An error of FROM is passed on unchanged. Only tests use it.
 */
struct nar_source decompress_source(struct decompress *d);
/*
 * Decompress the next block, without copying it.
 * Returns 1: *RET_DATA, of *RET_N bytes, at least 1, is valid until the next call; 0: the end; -1:
 * *E.
 */
int decompress_block(struct decompress *d, const void **ret_data, size_t *ret_n,
		     struct err *e) MUST_CHECK;
void decompress_free(struct decompress *d); /* NULL is fine */

static inline void scope_decompress(struct decompress **d)
{
	decompress_free(*d);
}
#define scoped_decompress __attribute__((cleanup(scope_decompress), unused))

#endif

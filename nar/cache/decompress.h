/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/decompress.h: a source of bytes that are compressed in another source.
 *
 *	d = decompress_new(COMPRESSION_XZ, &from, max_bytes, e);
 *	struct nar_source nar = decompress_source(d);
 *	r = nar_reader_new_source(&nar, NULL, e);
 *
 * Streamed, by libarchive's filters in its raw format: it never parses an archive nor writes a
 * file, and its memory is that of the compression's window (xz: as the file says, up to 1 GiB;
 *zstd: up to 128 MiB). Input is hostile: it has to be of the compression that was said, one or more
 * complete streams of it with nothing after them, and may not become more than MAX_BYTES.
 */
#ifndef NAR_CACHE_DECOMPRESS_H
#define NAR_CACHE_DECOMPRESS_H

#include <stdint.h>

#include "nar/base/err.h"
#include "nar/base/sink.h"
#include "nar/cache/compression.h"

struct decompress;

/* FROM is read in pieces of up to 64 KiB, and copied; its ctx stays the caller's. NULL: *E. */
struct decompress *decompress_new(enum compression c, const struct nar_source *from,
				  uint64_t max_bytes, struct err *e) MUST_CHECK;
/* It ends (read gives 0) only where FROM has ended too. An error of FROM is passed on as it is. */
struct nar_source decompress_source(struct decompress *d);
/*
 * The same without a copy: 1: *RET_DATA and *RET_N, which is not 0, valid until the next call;
 * 0: the end; -1: *E.
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

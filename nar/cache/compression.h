/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/compression.h: the compressions of NARs in binary caches, and their names.
 *
 * libarchive compresses and decompresses inside the process. Nix knows more compressions, which are
 * refused by name:
 * - `br`: libarchive does not have it
 * - `grzip`, `lrzip` and `lzop`: libarchive starts programs for them
 * - `lzip`: libarchive does not always see the end
 * - `lzma` and `compress`: no cache is known to use them
 */
#ifndef NAR_CACHE_COMPRESSION_H
#define NAR_CACHE_COMPRESSION_H

#include <stdbool.h>

#include "nar/base/err.h"

enum compression {
	COMPRESSION_NONE,
	COMPRESSION_XZ,
	COMPRESSION_ZSTD,
	COMPRESSION_GZIP,
	COMPRESSION_BZIP2,
	COMPRESSION_LZ4,
	COMPRESSION_COUNT
};

/*
 * Find a compression by Nix's name, as in a narinfo or in `?compression=`; "" means none. The
 * message for another name lists the known ones.
 */
int compression_parse(const char *name, enum compression *ret, struct err *e) MUST_CHECK;
const char *compression_name(enum compression c);
/* Return what Nix puts after ".nar" in a file's name: ".xz", ".zst", ".bz2", ...; for some "". */
const char *compression_suffix(enum compression c);
/* Return libarchive's number for the compression. */
int compression_filter(enum compression c);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/cache/compression.h: the compressions that NARs in binary caches come in, by their names.
 *
 * All is done by libarchive inside the process. Nix offers more, which are refused by name: `br`,
 * which libarchive has not; `grzip`, `lrzip` and `lzop`, for which it starts programs; `lzip`, of
 * which it does not always see the end, `lzma` and `compress`, which no cache is known to use.
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

/* By Nix's name, as a narinfo or `?compression=` has it; "" is none. Unknown: *E says what is. */
int compression_parse(const char *name, enum compression *ret, struct err *e) MUST_CHECK;
const char *compression_name(enum compression c);
/* What Nix puts behind ".nar": ".xz", ".zst", ".bz2", ...; for some it is "". */
const char *compression_suffix(enum compression c);
/* The number libarchive has for it. */
int compression_filter(enum compression c);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/cache/compression.h"

#include <archive.h>
#include <assert.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/*
 * The suffixes are Nix's. No reader needs them, but in a cache that Nix writes to as well, equal
 * files get equal names.
 */
static const struct {
	const char *name, *suffix;
	int filter;
} compressions[] = {
	[COMPRESSION_NONE] = {"none", "", ARCHIVE_FILTER_NONE},
	[COMPRESSION_XZ] = {"xz", ".xz", ARCHIVE_FILTER_XZ},
	[COMPRESSION_ZSTD] = {"zstd", ".zst", ARCHIVE_FILTER_ZSTD},
	[COMPRESSION_GZIP] = {"gzip", "", ARCHIVE_FILTER_GZIP},
	[COMPRESSION_BZIP2] = {"bzip2", ".bz2", ARCHIVE_FILTER_BZIP2},
	[COMPRESSION_LZ4] = {"lz4", ".lz4", ARCHIVE_FILTER_LZ4},
};
static_assert(ARRAY_SIZE(compressions) == COMPRESSION_COUNT, "one entry for each compression");

int compression_parse(const char *name, enum compression *ret, struct err *e)
{
	if (*name == '\0')
		name = "none";
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		if (str_eq(name, compressions[i].name)) {
			*ret = (enum compression)i;
			return 0;
		}
	}
	return err_set(e, ERR_INPUT,
		       "compression '%s' is not supported; these are: none, xz, zstd, gzip, bzip2, "
		       "lz4",
		       name);
}

const char *compression_name(enum compression c)
{
	return compressions[c].name;
}

const char *compression_suffix(enum compression c)
{
	return compressions[c].suffix;
}

int compression_filter(enum compression c)
{
	return compressions[c].filter;
}

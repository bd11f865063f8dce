/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/cache/decompress.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <string.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define IN_BYTES (64 << 10)

struct decompress {
	enum compression compression;
	struct nar_source from;
	struct archive *archive; /* NULL: COMPRESSION_NONE */
	uint64_t max_bytes;
	uint64_t in_bytes, out_bytes;
	const char *block; /* block_n decompressed bytes that were not yet read */
	size_t block_n;
	bool started, from_ended;
	bool ended;          /* at the end, or failed: no more bytes come */
	struct err from_err; /* error of `from`, kept while libarchive returns */
	char in[IN_BYTES];
};

/*
 * Read more of `from` into `in`.
 * Returns the number of bytes; 0: the end; -1: *E.
 */
static ssize_t read_in(struct decompress *d, struct err *e)
{
	ssize_t n = d->from_ended ? 0 : d->from.read(d->from.ctx, d->in, sizeof d->in, e);

	if (n > 0)
		d->in_bytes += (uint64_t)n;
	else if (n == 0)
		d->from_ended = true;
	return n;
}

static la_ssize_t on_read(struct archive *a, void *ctx, const void **ret)
{
	struct decompress *d = ctx;

	/* After an error libarchive may ask once more. */
	if (err_is_set(&d->from_err))
		return -1;
	*ret = d->in;
	ssize_t n = read_in(d, &d->from_err);
	if (n < 0)
		archive_set_error(a, EIO, "the source failed");
	return n;
}

/* Set *E to the error of `from`, or else to libarchive's. */
static int failed(struct decompress *d, struct err *e)
{
	const char *text = archive_error_string(d->archive);

	d->ended = true;
	if (err_is_set(&d->from_err)) {
		*e = d->from_err;
		return -1;
	}
	/* For a file that was cut, libarchive's message depends on the filter. */
	return err_set(e, ERR_INPUT, "bad %s data: %s", compression_name(d->compression),
		       text ? text : "decompression failed");
}

/*
 * With these, libarchive chooses the filter by the first bytes. archive_read_append_filter() would
 * set it, but crashes with some filters in libarchive 3.6.
 */
static int (*const supports[COMPRESSION_COUNT])(struct archive *) = {
	[COMPRESSION_XZ] = archive_read_support_filter_xz,
	[COMPRESSION_ZSTD] = archive_read_support_filter_zstd,
	[COMPRESSION_GZIP] = archive_read_support_filter_gzip,
	[COMPRESSION_BZIP2] = archive_read_support_filter_bzip2,
	[COMPRESSION_LZ4] = archive_read_support_filter_lz4,
};

static int open_archive(struct decompress *d, struct err *e)
{
	d->archive = archive_read_new();
	if (!d->archive)
		return err_memory(e);
	/* ARCHIVE_WARN means that libarchive would start a program to decompress. */
	if (supports[d->compression](d->archive) != ARCHIVE_OK)
		return err_set(e, ERR_INPUT, "this libarchive does not support %s",
			       compression_name(d->compression));
	if (archive_read_support_format_raw(d->archive) != ARCHIVE_OK ||
	    archive_read_support_format_empty(d->archive) != ARCHIVE_OK)
		return failed(d, e);
	return 0;
}

struct decompress *decompress_new(enum compression c, const struct nar_source *from,
				  uint64_t max_bytes, struct err *e)
{
	scoped_decompress struct decompress *d = mem_new(1, sizeof *d, e);

	if (!d)
		return NULL;
	d->compression = c;
	d->from = *from;
	d->max_bytes = max_bytes;
	if (c != COMPRESSION_NONE && open_archive(d, e) < 0)
		return NULL;
	return TAKE(d, NULL);
}

void decompress_free(struct decompress *d)
{
	if (!d)
		return;
	int saved = errno;
	archive_read_free(d->archive);
	free(d);
	errno = saved;
}

/*
 * Open the stream. This reads the first bytes of `from`, so it is called at the first read only.
 * Returns 1; 0: the stream contains no bytes; -1: *E.
 */
static int start(struct decompress *d, struct err *e)
{
	struct archive_entry *entry;

	d->started = true;
	if (archive_read_open(d->archive, d, NULL, on_read, NULL) != ARCHIVE_OK)
		return failed(d, e);
	int rc = archive_read_next_header(d->archive, &entry);
	if (rc == ARCHIVE_EOF)
		return 0;
	/*
	 * There must be two filters: the wanted one, and the one that reads from on_read(). One:
	 * the first bytes are not of this compression, and libarchive would pass them on as they
	 * are. Three: they are compressed twice, and libarchive would decompress both.
	 */
	if (rc == ARCHIVE_OK && archive_filter_count(d->archive) != 2)
		return err_set(e, ERR_INPUT, "bad %s data: it is %s",
			       compression_name(d->compression),
			       archive_filter_count(d->archive) < 2 ? "something else"
								    : "packed more than once");
	return rc == ARCHIVE_OK ? 1 : failed(d, e);
}

/*
 * Check, at the end of the filter's stream, that `from` ends as well.
 * Returns 0; -1: *E.
 */
static int end(struct decompress *d, struct err *e)
{
	int64_t used = archive_filter_bytes(d->archive, -1);

	/* If a stream may end here, some filters take an error of the source for its end. */
	if (err_is_set(&d->from_err))
		return failed(d, e);
	d->ended = true;
	if (d->in_bytes == 0)
		return err_set(e, ERR_INPUT, "bad %s data: it is empty",
			       compression_name(d->compression));
	if ((uint64_t)used == d->in_bytes && read_in(d, e) < 0)
		return -1;
	if ((uint64_t)used != d->in_bytes)
		return err_set(e, ERR_INPUT, "bad %s data: something follows its end",
			       compression_name(d->compression));
	return 0;
}

static int next_block(struct decompress *d, const void **ret_data, size_t *ret_n, struct err *e)
{
	la_int64_t offset;
	int rc = ARCHIVE_OK;

	if (!d->archive) {
		ssize_t n = read_in(d, e);

		*ret_data = d->in;
		*ret_n = (size_t)n;
		return n < 0 ? -1 : n > 0;
	}
	if (!d->started) {
		int started = start(d, e);

		if (started < 0)
			return -1;
		if (started == 0)
			return end(d, e);
	}
	do
		rc = archive_read_data_block(d->archive, ret_data, ret_n, &offset);
	while (rc == ARCHIVE_OK && *ret_n == 0);
	if (rc == ARCHIVE_EOF)
		return end(d, e);
	return rc == ARCHIVE_OK ? 1 : failed(d, e);
}

int decompress_block(struct decompress *d, const void **ret_data, size_t *ret_n, struct err *e)
{
	if (d->block_n) {
		*ret_data = d->block;
		*ret_n = TAKE(d->block_n, 0);
		return 1;
	}
	if (d->ended)
		return 0;
	int rc = next_block(d, ret_data, ret_n, e);
	if (rc <= 0) {
		d->ended = true;
		return rc;
	}
	if (*ret_n > d->max_bytes - d->out_bytes) {
		d->ended = true;
		return err_set(e, ERR_LIMIT, "the file unpacks to more than %" PRIu64 " bytes",
			       d->max_bytes);
	}
	d->out_bytes += *ret_n;
	return 1;
}

static ssize_t on_source_read(void *ctx, void *data, size_t n, struct err *e)
{
	struct decompress *d = ctx;
	size_t done = 0;

	while (done < n) {
		const void *block;
		size_t len;
		int rc = decompress_block(d, &block, &len, e);

		if (rc < 0)
			return -1;
		if (rc == 0)
			break;
		size_t take = len < n - done ? len : n - done;
		memcpy((char *)data + done, block, take);
		done += take;
		d->block = (const char *)block + take;
		d->block_n = len - take;
	}
	return (ssize_t)done;
}

struct nar_source decompress_source(struct decompress *d)
{
	return (struct nar_source){on_source_read, d};
}

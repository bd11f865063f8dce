/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/cache/compress.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <sys/stat.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

struct compress {
	enum compression compression;
	struct nar_sink to;
	struct archive *archive; /* NULL: COMPRESSION_NONE */
	struct hash_ctx hash;
	uint64_t out_bytes;
	struct err to_err; /* error of `to`, kept while libarchive returns */
};

static int send_out(struct compress *c, const void *data, size_t n, struct err *e)
{
	if (hash_update(&c->hash, data, n, e) < 0 || c->to.write(c->to.ctx, data, n, e) < 0)
		return -1;
	c->out_bytes += n;
	return 0;
}

static la_ssize_t on_write(struct archive *a, void *ctx, const void *data, size_t n)
{
	struct compress *c = ctx;

	if (err_is_set(&c->to_err) || send_out(c, data, n, &c->to_err) < 0) {
		archive_set_error(a, EIO, "the sink failed");
		return -1;
	}
	return (la_ssize_t)n;
}

/* Set *E to the error of `to`, or else to libarchive's. */
static int failed(struct compress *c, struct err *e)
{
	const char *text = archive_error_string(c->archive);

	if (err_is_set(&c->to_err)) {
		*e = c->to_err;
		return -1;
	}
	return err_set(e, ERR_SYSTEM, "compressing with %s: %s", compression_name(c->compression),
		       text ? text : "failed without a message");
}

static int set_number(struct compress *c, const char *option, unsigned value, struct err *e)
{
	char text[16];

	snprintf(text, sizeof text, "%u", value);
	if (archive_write_set_filter_option(c->archive, NULL, option, text) != ARCHIVE_OK)
		return err_set(e, ERR_INPUT, "compression '%s' does not accept the %s %u",
			       compression_name(c->compression),
			       str_eq(option, "threads") ? "number of threads" : "level", value);
	return 0;
}

static int open_archive(struct compress *c, const struct compress_options *o, struct err *e)
{
	bool threads = c->compression == COMPRESSION_XZ || c->compression == COMPRESSION_ZSTD;
	struct archive_entry *entry;

	c->archive = archive_write_new();
	if (!c->archive)
		return err_memory(e);
	if (archive_write_add_filter(c->archive, compression_filter(c->compression)) != ARCHIVE_OK)
		return err_set(e, ERR_INPUT, "this libarchive does not support %s",
			       compression_name(c->compression));
	/* Do not pad the output to whole blocks. */
	if (archive_write_set_format_raw(c->archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(c->archive, 1) != ARCHIVE_OK)
		return failed(c, e);
	if (o->level >= 0 && set_number(c, "compression-level", (unsigned)o->level, e) < 0)
		return -1;
	if (threads && o->threads > 1 && set_number(c, "threads", o->threads, e) < 0)
		return -1;
	/* A time in the header would make each output different. */
	if (c->compression == COMPRESSION_GZIP &&
	    archive_write_set_filter_option(c->archive, NULL, "timestamp", NULL) != ARCHIVE_OK)
		return failed(c, e);
	if (archive_write_open(c->archive, c, NULL, on_write, NULL) != ARCHIVE_OK)
		return failed(c, e);
	entry = archive_entry_new();
	if (!entry)
		return err_memory(e);
	archive_entry_set_filetype(entry, AE_IFREG);
	int rc = archive_write_header(c->archive, entry);
	archive_entry_free(entry);
	return rc == ARCHIVE_OK ? 0 : failed(c, e);
}

struct compress *compress_new(const struct compress_options *o, const struct nar_sink *to,
			      struct err *e)
{
	scoped_compress struct compress *c = mem_new(1, sizeof *c, e);

	if (!c)
		return NULL;
	c->compression = o->compression;
	c->to = *to;
	if (hash_start(&c->hash, HASH_SHA256, e) < 0)
		return NULL;
	if (o->compression != COMPRESSION_NONE && open_archive(c, o, e) < 0)
		return NULL;
	return TAKE(c, NULL);
}

void compress_free(struct compress *c)
{
	if (!c)
		return;
	int saved = errno;
	/* Without an error, archive_write_free() would send what it still holds. */
	if (c->archive && !err_is_set(&c->to_err))
		err_set(&c->to_err, ERR_STOPPED, "given up");
	archive_write_free(c->archive);
	hash_ctx_done(&c->hash);
	free(c);
	errno = saved;
}

static int on_sink_write(void *ctx, const void *data, size_t n, struct err *e)
{
	struct compress *c = ctx;

	if (!c->archive)
		return send_out(c, data, n, e);
	while (n) {
		la_ssize_t done = archive_write_data(c->archive, data, n);

		if (done <= 0)
			return failed(c, e);
		data = (const char *)data + done;
		n -= (size_t)done;
	}
	return 0;
}

struct nar_sink compress_sink(struct compress *c)
{
	return (struct nar_sink){on_sink_write, c};
}

int compress_finish(struct compress *c, struct hash *ret_hash, uint64_t *ret_size_bytes,
		    struct err *e)
{
	struct hash hash;

	if (c->archive && archive_write_close(c->archive) != ARCHIVE_OK)
		return failed(c, e);
	if (hash_finish(&c->hash, &hash, e) < 0)
		return -1;
	*ret_hash = hash;
	*ret_size_bytes = c->out_bytes;
	return 0;
}

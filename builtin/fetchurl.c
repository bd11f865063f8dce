/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin:fetchurl. It downloads straight into the output. With `unpack` it first downloads the NAR
 * into a file without a name, so that a broken transfer can be resumed.
 *
 * Nix leaves its copy of the user's netrc in the build directory, where a URL file:///build/netrc
 * copies it into an output that anybody can read. Here the file exists only while a URL of another
 * scheme is fetched.
 */
#include "builtin/builtin.h"

#include <config.h>

#include <archive.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builtin/transfer.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/reader.h"
#include "nar/restore.h"

#include "nar/base/banned.h"

#define NETRC_MAX (16u << 20)
#define DOWNLOAD_NAME ".download"

struct fetch {
	const struct params *p;
	struct transfer_conf conf;
	struct buf netrc;
	char *user_agent;
	const char *url, *out;
	int fd;
};

static void fetch_done(struct fetch *f)
{
	buf_done(&f->netrc);
	free(f->user_agent);
	scope_close(&f->fd);
}
#define scoped_fetch __attribute__((cleanup(fetch_done)))

/* Read the netrc into memory and remove its file. */
static int hide_netrc(struct fetch *f, const char *path, struct err *e)
{
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_sys(e, "opening '%s'", path);
	if (buf_reserve(&f->netrc, 0, e) < 0 || buf_read_fd(&f->netrc, fd, path, e) < 0)
		return -1;
	if (unlink(path) < 0)
		return err_sys(e, "removing '%s'", path);
	return 0;
}

static int configure(struct fetch *f, struct err *e)
{
	const char *suffix = params_get(f->p, "user-agent-suffix");
	const char *netrc = params_get(f->p, "netrc");
	struct transfer_conf *c = &f->conf;

	f->user_agent = str_fmt(e, "curl/%s nix-oci-hook/%s%s%s",
				curl_version_info(CURLVERSION_NOW)->version, PACKAGE_VERSION,
				suffix && *suffix ? " " : "", suffix ? suffix : "");
	if (!f->user_agent)
		return -1;
	c->user_agent = f->user_agent;
	c->ca = params_get(f->p, "ca");
	c->http2 = params_get(f->p, "http2") == NULL || params_true(f->p, "http2");
	if (params_u64(f->p, "connect-timeout", 0, &c->connect_timeout_s, e) < 0 ||
	    params_u64(f->p, "stalled-download-timeout", 300, &c->stalled_timeout_s, e) < 0 ||
	    params_u64(f->p, "download-attempts", 5, &c->attempts, e) < 0 ||
	    params_u64(f->p, "download-speed", 0, &c->speed_kib_s, e) < 0)
		return -1;
	return netrc ? hide_netrc(f, netrc, e) : 0;
}

static int fetch_one(struct fetch *f, const char *url, struct err *e)
{
	const char *netrc = params_get(f->p, "netrc");
	struct transfer_conf conf = f->conf;
	int rc;

	if (!netrc || transfer_is_file(url))
		return transfer(&conf, url, f->fd, f->out, e);
	if (io_write_file(AT_FDCWD, netrc, 0600, f->netrc.data, f->netrc.len, e) < 0)
		return -1;
	conf.netrc = netrc;
	rc = transfer(&conf, url, f->fd, f->out, e);
	if (unlink(netrc) < 0 && rc == 0)
		return err_sys(e, "removing '%s'", netrc);
	return rc;
}

/* Fetch from the first mirror that works, else from the URL itself. */
static int fetch_any(struct fetch *f, struct err *e)
{
	const char *mirror;
	size_t pos = 0;

	while ((mirror = params_next(f->p, "mirror", &pos))) {
		if (fetch_one(f, mirror, e) == 0)
			return 0;
		err_clear(e);
	}
	return fetch_one(f, f->url, e);
}

/* ---- unpacking ---- */

static ssize_t read_file(void *ctx, void *data, size_t n, struct err *e)
{
	const struct fetch *f = ctx;

	return io_read(f->fd, data, n, f->url, e);
}

struct xz {
	struct archive *a;
	const char *url;
};

static void xz_done(struct xz *x)
{
	archive_read_free(x->a);
}
#define scoped_xz __attribute__((cleanup(xz_done)))

static int xz_error(const struct xz *x, struct err *e)
{
	const char *text = archive_error_string(x->a);

	return err_set(e, ERR_INPUT, "failed to decompress '%s': %s", x->url,
		       text ? text : "it is not compressed by xz");
}

static ssize_t read_xz(void *ctx, void *data, size_t n, struct err *e)
{
	const struct xz *x = ctx;
	ssize_t got = archive_read_data(x->a, data, n);

	return got < 0 ? xz_error(x, e) : got;
}

static int open_xz(struct xz *x, int fd, struct err *e)
{
	struct archive_entry *entry;

	if (!x->a)
		return err_memory(e);
	if (archive_read_support_filter_xz(x->a) != ARCHIVE_OK ||
	    archive_read_support_format_raw(x->a) != ARCHIVE_OK ||
	    archive_read_open_fd(x->a, fd, 65536) != ARCHIVE_OK ||
	    archive_read_next_header(x->a, &entry) != ARCHIVE_OK ||
	    archive_filter_code(x->a, 0) != ARCHIVE_FILTER_XZ)
		return xz_error(x, e);
	return 0;
}

static int unpack(struct fetch *f, struct err *e)
{
	scoped_xz struct xz x = {NULL, f->url};
	struct nar_source source = {read_file, f};

	if (lseek(f->fd, 0, SEEK_SET) < 0)
		return err_sys(e, "going back to the beginning of '%s'", f->url);
	if (str_ends(f->url, ".xz")) {
		x.a = archive_read_new();
		if (open_xz(&x, f->fd, e) < 0)
			return -1;
		source = (struct nar_source){read_xz, &x};
	}
	scoped_nar_reader struct nar_reader *r = nar_reader_new_source(&source, NULL, e);
	if (!r || nar_restore(r, AT_FDCWD, f->out, f->out, 0, e) < 0)
		return err_wrap(e, "unpacking '%s'", f->url);
	return 0;
}

/* ---- */

static int open_target(struct fetch *f, bool nameless, struct err *e)
{
	const char *path = nameless ? DOWNLOAD_NAME : f->out;

	f->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (f->fd < 0 || (nameless && unlink(path) < 0))
		return err_sys(e, "creating '%s'", path);
	return 0;
}

int builtin_fetchurl(const struct params *p, struct err *e)
{
	scoped_fetch struct fetch f = {
		.p = p,
		.netrc = BUF_INIT(NETRC_MAX),
		.url = params_get(p, "url"),
		.out = params_get(p, "out"),
		.fd = -1,
	};
	bool unpacked = params_true(p, "unpack");

	if (!f.out)
		return err_set(e, ERR_INPUT, "'builtin:fetchurl' requires an 'out' output");
	if (params_true(p, "pure"))
		return err_set(e, ERR_INPUT,
			       "'builtin:fetchurl' must be a fixed-output or impure derivation");
	if (!f.url)
		return err_set(e, ERR_INPUT, "attribute 'url' missing");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return err_set(e, ERR_SYSTEM, "libcurl cannot be used");
	if (configure(&f, e) < 0 || open_target(&f, unpacked, e) < 0 || fetch_any(&f, e) < 0)
		return -1;
	if (unpacked && unpack(&f, e) < 0)
		return -1;
	if (params_true(p, "executable") && chmod(f.out, 0755) < 0)
		return err_sys(e, "making '%s' executable", f.out);
	return io_close(&f.fd, f.out, e);
}

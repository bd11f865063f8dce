/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/http/http_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/clock.h"
#include "nar/base/scope.h"
#include "nar/hash.h"
#include "nar/http/curl.h"

#include "nar/base/banned.h"

#define NAR_BUFFER 131072L

/*
 * Tell whether a callback of T has failed. libcurl may call another one afterwards:
 * curl_easy_pause() delivers the bytes that waited in one call, and those that arrived meanwhile in
 * the next. So no callback does anything once an error is set, and the first error is reported.
 */
static bool has_failed(const struct http_transfer *t)
{
	return err_is_set(&t->err);
}

uint64_t http_range_start(const char *line, size_t len)
{
	static const char name[] = "content-range:";
	uint64_t start;

	if (len < sizeof name || strncasecmp(line, name, sizeof name - 1) != 0)
		return UINT64_MAX;
	line += sizeof name - 1;
	len -= sizeof name - 1;
	while (len && *line == ' ')
		line++, len--;
	if (len < 6 || strncasecmp(line, "bytes ", 6) != 0)
		return UINT64_MAX;
	line += 6;
	len -= 6;
	const char *dash = memchr(line, '-', len);
	if (!dash || !num_parse_u64(line, (size_t)(dash - line), INT64_MAX, &start))
		return UINT64_MAX;
	return start;
}

/* Tell whether the LEN bytes at LINE are a header NAME, and set *RET to its value. */
static bool header_value(const char *line, size_t len, const char *name, struct bytes *ret)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return false;
	for (line += n + 1, len -= n + 1; len && (*line == ' ' || *line == '\t'); line++)
		len--;
	while (len && strchr(" \t\r\n", line[len - 1]))
		len--;
	*ret = (struct bytes){line, len};
	return true;
}

/* Find the value of member "sha-256" in LIST, which looks like "a=x, sha-256=y". */
static bool find_sha256(struct bytes list, struct bytes *ret)
{
	static const char name[] = "sha-256=";

	while (list.len) {
		const char *comma = memchr(list.data, ',', list.len);
		size_t n = comma ? (size_t)(comma - list.data) : list.len;

		if (n >= sizeof name && strncasecmp(list.data, name, sizeof name - 1) == 0) {
			*ret = (struct bytes){list.data + sizeof name - 1, n - (sizeof name - 1)};
			return true;
		}
		n += comma != NULL;
		while (n < list.len && list.data[n] == ' ')
			n++;
		list = (struct bytes){list.data + n, list.len - n};
	}
	return false;
}

bool http_digest(const char *line, size_t len, unsigned char ret[32])
{
	unsigned char sum[32];
	struct bytes v;
	bool is;

	if (header_value(line, len, "Repr-Digest", &v))
		/* In this header, bytes stand between colons (RFC 8941, byte sequence). */
		is = find_sha256(v, &v) && v.len > 2 && v.data[0] == ':' &&
		     v.data[v.len - 1] == ':' &&
		     base64_decode(v.data + 1, v.len - 2, sum, sizeof sum);
	else if (header_value(line, len, "Digest", &v))
		is = find_sha256(v, &v) && base64_decode(v.data, v.len, sum, sizeof sum);
	else if (header_value(line, len, "X-Amz-Checksum-Sha256", &v))
		is = base64_decode(v.data, v.len, sum, sizeof sum);
	else if (header_value(line, len, "X-Checksum-Sha256", &v))
		is = v.len == 64 && base16_decode(v.data, v.len, sum, sizeof sum);
	else
		is = false;
	if (is)
		memcpy(ret, sum, sizeof sum);
	return is;
}

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
	struct http_transfer *t = ctx;

	if (has_failed(t))
		return 0;
	t->alive_at_ms = (uint64_t)clock_now_ms();
	if (n >= 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		/* A new answer begins: forget the headers of one that was a redirect. */
		t->range_start = UINT64_MAX;
		t->has_sha256 = false;
	}
	t->has_sha256 |= http_digest(line, n, t->sha256);
	uint64_t start = http_range_start(line, n);
	if (start != UINT64_MAX)
		t->range_start = start;
	return n;
}

/* Find out, at the first bytes of a good answer, where in the file they belong. */
static int check_start(struct http_transfer *t, struct err *e)
{
	t->checked = true;
	t->skip_bytes = 0;
	if (t->status != 206) {
		t->skip_bytes = t->taken_bytes;
		return 0;
	}
	if (t->offset == 0 || t->range_start != t->offset) {
		t->no_range = t->wrong_part = true;
		return err_set(
			e, ERR_SYSTEM,
			"unable to download '%s': the server sent another part than asked for",
			t->what);
	}
	return 0;
}

/*
 * Pass N bytes to data(), except those that it took before.
 * Returns like data().
 */
static int take(struct http_transfer *t, const char *data, size_t n, struct err *e)
{
	size_t skip = n < t->skip_bytes ? n : (size_t)t->skip_bytes;

	if (skip < n) {
		if (n - skip > t->max_bytes - t->taken_bytes)
			return err_set(e, ERR_LIMIT, "'%s' is longer than %" PRIu64 " bytes",
				       t->what, t->max_bytes);
		int rc = t->data(t, data + skip, n - skip, e);
		if (rc <= 0)
			return rc;
		t->taken_bytes += n - skip;
	}
	t->skip_bytes -= skip;
	return 1;
}

static size_t on_data(char *data, size_t size, size_t n, void *ctx)
{
	struct http_transfer *t = ctx;

	if (has_failed(t))
		return 0;
	t->alive_at_ms = (uint64_t)clock_now_ms();
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->status);
	if (t->method != HTTP_GET || (t->status != 200 && t->status != 206)) {
		t->dropped_bytes += n;
		return t->dropped_bytes > HTTP_DROPPED_MAX ? 0 : n;
	}
	if (n == 0)
		return 0;
	if (!t->checked && check_start(t, &t->err) < 0)
		return 0;
	switch (take(t, data, n, &t->err)) {
	case 1:
		return n;
	case 0:
		t->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	default:
		return 0;
	}
}

static size_t on_read(char *data, size_t size, size_t n, void *ctx)
{
	struct http_transfer *t = ctx;
	uint64_t left = t->put_bytes - t->put_pos;

	if (has_failed(t))
		return CURL_READFUNC_ABORT;
	t->alive_at_ms = (uint64_t)clock_now_ms();
	n *= size;
	if (n > left)
		n = (size_t)left;
	if (t->put_data) {
		memcpy(data, (const char *)t->put_data + t->put_pos, n);
	} else if (n) {
		ssize_t got = pread(t->put_fd, data, n, (off_t)t->put_pos);

		if (got <= 0) {
			if (got == 0)
				err_set(&t->err, ERR_SYSTEM,
					"unable to upload '%s': its file became shorter", t->what);
			else
				err_sys(&t->err, "reading the file to upload to '%s'", t->what);
			return CURL_READFUNC_ABORT;
		}
		n = (size_t)got;
	}
	t->put_pos += n;
	return n;
}

/* Go back in the body: libcurl sends it again after an authentication or a redirect. */
static int on_seek(void *ctx, curl_off_t offset, int whence)
{
	struct http_transfer *t = ctx;

	if (whence != SEEK_SET || offset < 0 || (uint64_t)offset > t->put_bytes)
		return CURL_SEEKFUNC_FAIL;
	t->put_pos = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

#define SET CURLCOMMON_SET

static CURLcode set_schemes(CURL *curl, const char *url)
{
	static const char *const any[] = {"http", "https", NULL}, *const secure[] = {"https", NULL};
	bool https = strncasecmp(url, "https:", 6) == 0;
	CURLcode rc = curlcommon_set_schemes(curl, any, https ? secure : any);

	/* Wait for the first connection: with HTTP/2, further ones may not be needed. */
	SET(CURLOPT_PIPEWAIT, https ? 1L : 0L);
	return rc;
}

static CURLcode set_limits(const struct http *h, const struct http_transfer *t, CURL *curl)
{
	CURLcode rc = CURLE_OK;
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)h->o.connect_timeout_ms);
	SET(CURLOPT_MAXREDIRS, CURLCOMMON_REDIRECTS_MAX);
	/* Without this, a server that sends a byte now and then holds the transfer for ever. */
	if (t->is_short)
		SET(CURLOPT_TIMEOUT_MS, (long)h->o.connect_timeout_ms + 2L * h->o.stall_timeout_ms);
	else
		SET(CURLOPT_BUFFERSIZE, NAR_BUFFER);
	return rc;
}

static CURLcode set_get(struct http_transfer *t, CURL *curl)
{
	CURLcode rc = CURLE_OK;
	char range[32];

	if (t->method == HTTP_HEAD)
		SET(CURLOPT_NOBODY, 1L);
	/* Not for HEAD: the length of an encoded answer is not the length of the file. */
	if (t->is_short && t->method == HTTP_GET)
		SET(CURLOPT_ACCEPT_ENCODING, "");
	/* With CURLOPT_RESUME_FROM, an answer from the beginning would be an error. */
	if (t->offset) {
		snprintf(range, sizeof range, "%" PRIu64 "-", t->offset);
		SET(CURLOPT_RANGE, range);
	}
	return rc;
}

static CURLcode set_put(struct http_transfer *t, CURL *curl, struct err *e)
{
	/* No "Expect: 100-continue": a server that does not know it costs a second. */
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:"), *more;
	scoped_free char *type = str_fmt(e, "Content-Type: %s", t->content_type);
	CURLcode rc = CURLE_OK;

	more = headers && type ? curl_slist_append(headers, type) : NULL;
	if (!more) {
		curl_slist_free_all(headers);
		return CURLE_OUT_OF_MEMORY;
	}
	t->headers = headers;
	t->put_pos = 0;
	SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_HTTPHEADER, headers);
	SET(CURLOPT_READFUNCTION, on_read);
	SET(CURLOPT_READDATA, t);
	SET(CURLOPT_SEEKFUNCTION, on_seek);
	SET(CURLOPT_SEEKDATA, t);
	SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->put_bytes);
	return rc;
}

static CURLcode set_common(struct http *h, struct http_transfer *t, CURL *curl)
{
	const struct http_options *o = &h->o;
	CURLcode rc = CURLE_OK;

	SET(CURLOPT_URL, t->url);
	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_ERRORBUFFER, t->text);
	SET(CURLOPT_FOLLOWLOCATION, 1L);
	SET(CURLOPT_USERAGENT, o->user_agent);
	SET(CURLOPT_WRITEFUNCTION, on_data);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_HTTP_VERSION,
	    (long)(o->no_http2 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
	if (o->netrc_file) {
		SET(CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
		SET(CURLOPT_NETRC_FILE, o->netrc_file);
	}
	if (o->ca_file)
		SET(CURLOPT_CAINFO, o->ca_file);
	return rc == CURLE_OK ? set_limits(h, t, curl) : rc;
}

int http_easy_setup(struct http *h, struct http_transfer *t, CURL *curl, struct err *e)
{
	CURLcode rc;

	static_assert(sizeof t->text >= CURL_ERROR_SIZE, "libcurl's message does not fit");
	t->text[0] = '\0';
	t->status = 0;
	t->dropped_bytes = 0;
	t->paused = t->checked = t->wrong_part = false;
	t->range_start = t->length_bytes = UINT64_MAX;
	t->has_sha256 = false;
	/* A short answer may be encoded, and an encoded part cannot be joined to the one before. */
	t->offset = t->no_range || t->is_short ? 0 : t->taken_bytes;
	curl_easy_reset(curl);
	rc = set_common(h, t, curl);
	if (rc == CURLE_OK)
		rc = set_schemes(curl, t->url);
	if (rc == CURLE_OK)
		rc = t->method == HTTP_PUT ? set_put(t, curl, e) : set_get(t, curl);
	if (rc == CURLE_OK || err_is_set(e))
		return err_is_set(e) ? -1 : 0;
	return err_set(e, rc == CURLE_OUT_OF_MEMORY ? ERR_MEMORY : ERR_SYSTEM,
		       "libcurl does not accept '%s': %s (%d)", t->what, curl_easy_strerror(rc),
		       (int)rc);
}

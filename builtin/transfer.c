/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builtin/transfer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "builtin/say.h"
#include "builtin/transfer_internal.h"
#include "nar/base/buf.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/http/curl.h"

#include "nar/base/banned.h"

#define RETRY_MS 250
#define BODY_MAX 65536
#define BODY_SHOWN_MAX 1024
#define PROGRESS_EVERY_MS 500

struct attempt {
	CURL *curl;
	const struct transfer_conf *conf;
	const char *url;
	int fd;
	const char *what;
	uint64_t offset;              /* the offset in the file at which this attempt began */
	uint64_t written;             /* bytes in the file */
	bool accepts_ranges, encoded; /* what the last response's headers say */
	struct buf body;              /* the body of an error response */
	struct err write_error;
	char text[CURL_ERROR_SIZE];
	uint64_t last_progress_ms;
};

static void attempt_done(struct attempt *a)
{
	curl_easy_cleanup(a->curl);
	buf_done(&a->body);
}
#define scoped_attempt __attribute__((cleanup(attempt_done)))

/* Returns the status of the last response; 0: it was not HTTP. */
static long http_status(CURL *curl)
{
	long status = 0;
	char *scheme = NULL;

	if (curl_easy_getinfo(curl, CURLINFO_SCHEME, &scheme) != CURLE_OK || !scheme ||
	    strncasecmp(scheme, "http", 4) != 0 ||
	    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
		return 0;
	return status;
}

static bool is_success(long status)
{
	return status == 0 || status == 200 || status == 201 || status == 204 || status == 206 ||
	       status == 304;
}

bool transfer_succeeded(CURLcode code, long status)
{
	return code == CURLE_OK && is_success(status);
}

static size_t on_data(char *data, size_t size, size_t n, void *ctx)
{
	struct attempt *a = ctx;
	struct err ignored = ERR_INIT;

	/* libcurl may call again after a failure: keep the first error. */
	if (err_is_set(&a->write_error))
		return 0;
	if (!is_success(http_status(a->curl))) {
		if (n <= BODY_MAX - a->body.len && buf_add(&a->body, data, n, &ignored) < 0)
			err_clear(&ignored);
		return n;
	}
	if (io_write(a->fd, data, n, a->what, &a->write_error) < 0)
		return 0;
	a->written += n;
	return n;
}

/* Tell whether LINE is the header NAME with this VALUE. LINE has LEN bytes and no NUL. */
static bool header_is(const char *line, size_t len, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value);

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return false;
	for (line += n + 1, len -= n + 1; len && (*line == ' ' || *line == '\t'); line++)
		len--;
	while (len && strchr(" \t\r\n", line[len - 1]))
		len--;
	return len == v && strncasecmp(line, value, v) == 0;
}

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
	static const char encoding[] = "content-encoding:";
	struct attempt *a = ctx;

	if (n >= 5 && strncasecmp(line, "HTTP/", 5) == 0)
		a->accepts_ranges = a->encoded = false;
	if (header_is(line, n, "accept-ranges", "bytes"))
		a->accepts_ranges = true;
	if (n >= sizeof encoding && strncasecmp(line, encoding, sizeof encoding - 1) == 0)
		a->encoded = !header_is(line, n, "content-encoding", "identity");
	return n;
}

static int on_progress(void *ctx, curl_off_t total, curl_off_t done, curl_off_t up_total,
		       curl_off_t up_done)
{
	struct attempt *a = ctx;
	uint64_t now = (uint64_t)clock_now_ms();

	if (done > 0 && now - a->last_progress_ms >= PROGRESS_EVERY_MS) {
		a->last_progress_ms = now;
		say_progress(a->offset + (uint64_t)done, total ? a->offset + (uint64_t)total : 0);
	}
	return 0;
}

#define SET CURLCOMMON_SET

static CURLcode set_schemes(CURL *curl, bool is_file)
{
	static const char *const net[] = {"http", "https", "ftp", "ftps", NULL};
	static const char *const file[] = {"file", NULL};

	return curlcommon_set_schemes(curl, is_file ? file : net, net);
}

static CURLcode set_limits(CURL *curl, const struct transfer_conf *c)
{
	CURLcode rc = CURLE_OK;
	const uint64_t seconds_max = 1000000;
	uint64_t stalled = c->stalled_timeout_s < seconds_max ? c->stalled_timeout_s : seconds_max;
	uint64_t connect = c->connect_timeout_s < seconds_max ? c->connect_timeout_s : seconds_max;

	SET(CURLOPT_CONNECTTIMEOUT, (long)connect);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, (long)stalled);
	if (c->speed_kib_s && c->speed_kib_s < UINT64_C(1) << 40)
		SET(CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)(c->speed_kib_s * 1024));
	return rc;
}

static CURLcode set_options(struct attempt *a)
{
	CURL *curl = a->curl;
	const struct transfer_conf *c = a->conf;
	CURLcode rc = set_schemes(curl, transfer_is_file(a->url));

	SET(CURLOPT_URL, a->url);
	SET(CURLOPT_ERRORBUFFER, a->text);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 1L);
	SET(CURLOPT_MAXREDIRS, CURLCOMMON_REDIRECTS_MAX);
	SET(CURLOPT_USERAGENT, c->user_agent);
	SET(CURLOPT_WRITEFUNCTION, on_data);
	SET(CURLOPT_WRITEDATA, a);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, a);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, a);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_HTTP_VERSION,
	    (long)(c->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	if (c->netrc) {
		SET(CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
		SET(CURLOPT_NETRC_FILE, c->netrc);
	}
	if (c->ca)
		SET(CURLOPT_CAINFO, c->ca);
	return rc == CURLE_OK ? set_limits(curl, c) : rc;
}

/* Make one attempt, which continues after the bytes in the file. */
static int perform(struct attempt *a, CURLcode *ret, struct err *e)
{
	CURL *curl = a->curl;
	CURLcode rc = CURLE_OK;

	if (ftruncate(a->fd, (off_t)a->written) < 0 ||
	    lseek(a->fd, (off_t)a->written, SEEK_SET) < 0)
		return err_sys(e, "going back in '%s'", a->what);
	a->offset = a->written;
	a->text[0] = '\0';
	buf_reset(&a->body);
	SET(CURLOPT_RESUME_FROM_LARGE, (curl_off_t)a->offset);
	/* The rest of an encoded body could not be decoded without its beginning. */
	SET(CURLOPT_ACCEPT_ENCODING, a->offset ? NULL : "");
	if (rc == CURLE_OK)
		rc = curl_easy_perform(curl);
	if (err_is_set(&a->write_error)) {
		*e = a->write_error;
		return -1;
	}
	*ret = rc;
	return 0;
}

/* Describe a failed attempt in Nix's words. */
static void describe(const struct attempt *a, CURLcode code, long status, struct err *ret)
{
	const char *text = a->text, *body = a->body.data;
	bool shown = a->body.len && (a->body.len < BODY_SHOWN_MAX || strstr(body, "<html>"));
	const char *head = shown ? "\n\nresponse body:\n\n" : "";

	if (!shown)
		body = "";
	if (status && code == CURLE_OK)
		err_set(ret, ERR_SYSTEM, "unable to download '%s': HTTP error %ld%s%s", a->url,
			status, head, body);
	else if (status)
		err_set(ret, ERR_SYSTEM,
			"unable to download '%s': HTTP error %ld (curl error: %s)%s%s", a->url,
			status, curl_easy_strerror(code), head, body);
	else
		err_set(ret, ERR_SYSTEM, "unable to download '%s': %s (%d)%s%s%s%s", a->url,
			curl_easy_strerror(code), (int)code, *text ? " " : "", text, head, body);
}

static void wait_before_next(const struct attempt *a, uint64_t attempt, long status,
			     const struct err *why)
{
	curl_off_t retry_after_s = 0;
	struct timespec t;
	unsigned ms;

	curl_easy_getinfo(a->curl, CURLINFO_RETRY_AFTER, &retry_after_s);
	ms = curlcommon_wait_ms(RETRY_MS, attempt, status, retry_after_s);
	if (a->written)
		say_warning("%s; retrying from offset %" PRIu64 " in %u ms (attempt %" PRIu64
			    "/%" PRIu64 ")",
			    why->msg, a->written, ms, attempt, a->conf->attempts);
	else
		say_warning("%s; retrying in %u ms (attempt %" PRIu64 "/%" PRIu64 ")", why->msg, ms,
			    attempt, a->conf->attempts);
	t = (struct timespec){(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static int attempts(struct attempt *a, struct err *e)
{
	for (uint64_t n = 1;; n++) {
		CURLcode code = CURLE_FAILED_INIT;
		long status;
		bool resumed, transient;

		if (perform(a, &code, e) < 0)
			return -1;
		status = http_status(a->curl);
		if (transfer_succeeded(code, status))
			return 0;
		describe(a, code, status, e);
		resumed = a->offset && (code == CURLE_RANGE_ERROR || status == 416);
		transient = resumed || curlcommon_is_transient(code, status);
		if (!transient || n >= a->conf->attempts)
			return -1;
		/* If the server cannot resume, start over: nobody has read the file yet. */
		if (resumed || !a->accepts_ranges || a->encoded)
			a->written = 0;
		wait_before_next(a, n, status, e);
		err_clear(e);
	}
}

bool transfer_is_file(const char *url)
{
	CURLU *u = curl_url();
	char *scheme = NULL;
	bool is_file;

	is_file = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
		  curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		  strcasecmp(scheme, "file") == 0;
	curl_free(scheme);
	curl_url_cleanup(u);
	return is_file;
}

int transfer(const struct transfer_conf *c, const char *url, int fd, const char *what,
	     struct err *e)
{
	scoped_attempt struct attempt a = {
		.curl = curl_easy_init(),
		.conf = c,
		.url = url,
		.fd = fd,
		.what = what,
		.body = BUF_INIT(BODY_MAX),
		.write_error = ERR_INIT,
		.last_progress_ms = (uint64_t)clock_now_ms(),
	};
	CURLcode rc;
	int result;

	if (!a.curl)
		return err_memory(e);
	rc = set_options(&a);
	if (rc != CURLE_OK)
		return err_set(e, ERR_SYSTEM, "unable to download '%s': %s (%d)", url,
			       curl_easy_strerror(rc), (int)rc);
	say_download(url);
	result = attempts(&a, e);
	say_download_end();
	return result;
}

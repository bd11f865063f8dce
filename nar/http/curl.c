/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/http/curl.h"

#include <sys/random.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define DELAY_MAX_MS 60000
/* How much longer to wait after 429 (too many requests). */
#define TOO_MANY_FACTOR 20
/* Limit of a list of schemes, as text. */
#define SCHEMES_MAX 256

/* ---- schemes ---- */

#if LIBCURL_VERSION_NUM >= 0x075500

static int add_scheme(struct buf *b, const char *scheme, struct err *e)
{
	const char *const *have = curl_version_info(CURLVERSION_NOW)->protocols;

	for (size_t i = 0; have[i]; i++)
		if (str_eq(have[i], scheme))
			return buf_addf(b, e, "%s%s", b->len ? "," : "", scheme);
	return 0;
}

static CURLcode set_schemes(CURL *curl, CURLoption option, const char *const *schemes)
{
	scoped_buf struct buf b = BUF_INIT(SCHEMES_MAX);
	struct err ignored = ERR_INIT;

	for (; *schemes; schemes++)
		if (add_scheme(&b, *schemes, &ignored) < 0)
			return CURLE_OUT_OF_MEMORY;
	return b.len ? curl_easy_setopt(curl, option, b.data) : CURLE_OK;
}

CURLcode curlcommon_set_schemes(CURL *curl, const char *const *first, const char *const *redirected)
{
	CURLcode rc = set_schemes(curl, CURLOPT_PROTOCOLS_STR, first);

	return rc == CURLE_OK ? set_schemes(curl, CURLOPT_REDIR_PROTOCOLS_STR, redirected) : rc;
}

#else

static long bits_of(const char *const *schemes)
{
	static const struct {
		const char *name;
		long bit;
	} known[] = {
		{"http", CURLPROTO_HTTP}, {"https", CURLPROTO_HTTPS}, {"ftp", CURLPROTO_FTP},
		{"ftps", CURLPROTO_FTPS}, {"file", CURLPROTO_FILE},
	};
	long bits = 0;

	for (; *schemes; schemes++)
		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			if (str_eq(known[i].name, *schemes))
				bits |= known[i].bit;
	return bits;
}

CURLcode curlcommon_set_schemes(CURL *curl, const char *const *first, const char *const *redirected)
{
	CURLcode rc = CURLE_OK;

	CURLCOMMON_SET(CURLOPT_PROTOCOLS, bits_of(first));
	CURLCOMMON_SET(CURLOPT_REDIR_PROTOCOLS, bits_of(redirected));
	return rc;
}

#endif

/* ---- attempts ---- */

/* The list is Nix's (filetransfer.cc), and the failures that our own callbacks cause. */
bool curlcommon_is_transient(CURLcode code, long status)
{
	if (status == 408 || status == 429)
		return true;
	if ((status >= 400 && status < 500) || status == 501 || status == 505 || status == 511)
		return false;
	switch (code) {
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_FAILED_INIT:
	case CURLE_URL_MALFORMAT:
	case CURLE_NOT_BUILT_IN:
	case CURLE_REMOTE_ACCESS_DENIED:
	case CURLE_WRITE_ERROR:
	case CURLE_READ_ERROR:
	case CURLE_FILE_COULDNT_READ_FILE:
	case CURLE_FUNCTION_NOT_FOUND:
	case CURLE_ABORTED_BY_CALLBACK:
	case CURLE_BAD_FUNCTION_ARGUMENT:
	case CURLE_INTERFACE_FAILED:
	case CURLE_TOO_MANY_REDIRECTS:
	case CURLE_UNKNOWN_OPTION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_FILESIZE_EXCEEDED:
	case CURLE_OUT_OF_MEMORY:
		return false;
	default:
		return true;
	}
}

unsigned curlcommon_delay_ms(unsigned retry_ms, uint64_t attempt, long status,
			     curl_off_t retry_after_s, unsigned random)
{
	unsigned shift = attempt > 16 ? 15 : (unsigned)attempt - 1;
	uint64_t ms = (uint64_t)retry_ms << shift;

	if (status == 429)
		ms *= TOO_MANY_FACTOR;
	/* Up to half more, so that not all transfers try again at the same time. */
	ms += ms * random / 512;
	if (retry_after_s >= DELAY_MAX_MS / 1000)
		return DELAY_MAX_MS;
	if (retry_after_s > 0 && ms < (uint64_t)retry_after_s * 1000)
		ms = (uint64_t)retry_after_s * 1000;
	return ms < DELAY_MAX_MS ? (unsigned)ms : DELAY_MAX_MS;
}

unsigned curlcommon_wait_ms(unsigned retry_ms, uint64_t attempt, long status,
			    curl_off_t retry_after_s)
{
	unsigned char random = 0;

	if (getrandom(&random, 1, GRND_NONBLOCK) != 1)
		random = 0;
	return curlcommon_delay_ms(retry_ms, attempt, status, retry_after_s, random);
}

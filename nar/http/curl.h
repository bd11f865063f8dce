/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/http/curl.h: what all transfers by libcurl have in common, those of binary caches (nar/http)
 * and those of the builtin fetcher: which schemes they may use, which failures may pass, and how
 * long to wait before the next attempt.
 */
#ifndef NAR_HTTP_CURL_H
#define NAR_HTTP_CURL_H

#include <curl/curl.h>
#include <stdint.h>

#include "nar/base/err.h"

#define CURLCOMMON_REDIRECTS_MAX 10L

/* For functions that set many options of `curl` and keep the first failure in `rc`. */
#define CURLCOMMON_SET(option, value)                                 \
	do {                                                          \
		if (rc == CURLE_OK)                                   \
			rc = curl_easy_setopt(curl, option, (value)); \
	} while (0)

/*
 * Allow only these schemes, and only REDIRECTED ones after a redirect; both end with NULL. Those
 * that this libcurl does not have are left out, as it refuses a list with another: where none is
 * left it says itself that it does not know the URL's.
 */
CURLcode curlcommon_set_schemes(CURL *curl, const char *const *first,
				const char *const *redirected) MUST_CHECK;
/* May another try be worth it? STATUS is HTTP's, 0 where there was none. */
bool curlcommon_is_transient(CURLcode code, long status);
/*
 * How long to wait after attempt number ATTEMPT (from 1) failed: RETRY_MS, doubled each time;
 * longer where there were too many requests, or the server says so (CURLINFO_RETRY_AFTER, 0 where
 * not); a minute at most. RANDOM is from 0 to 255.
 */
unsigned curlcommon_delay_ms(unsigned retry_ms, uint64_t attempt, long status,
			     curl_off_t retry_after_s, unsigned random);
/* The same with a random number. */
unsigned curlcommon_wait_ms(unsigned retry_ms, uint64_t attempt, long status,
			    curl_off_t retry_after_s);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/http/curl.h: rules for all transfers by libcurl, of binary caches (pool.c) and of the builtin
 * fetcher: which schemes they may use, after which failures to try again, and how long to wait
 * before.
 */
#ifndef NAR_HTTP_CURL_H
#define NAR_HTTP_CURL_H

#include <curl/curl.h>
#include <stdint.h>

#include "nar/base/err.h"

#define CURLCOMMON_REDIRECTS_MAX 10L

/* Set an option of `curl`, unless one failed before. `rc` keeps the first failure. */
#define CURLCOMMON_SET(option, value)                                 \
	do {                                                          \
		if (rc == CURLE_OK)                                   \
			rc = curl_easy_setopt(curl, option, (value)); \
	} while (0)

/*
 * Allow only the schemes FIRST, and only REDIRECTED after a redirect; both lists end with NULL.
 * Schemes that this libcurl does not have are left out, because it refuses a list that contains
 * one. If none is left, libcurl refuses the URL by itself.
 */
CURLcode curlcommon_set_schemes(CURL *curl, const char *const *first,
				const char *const *redirected) MUST_CHECK;
/* Tell whether another attempt may succeed. STATUS is HTTP's; 0: there was no answer. */
bool curlcommon_is_transient(CURLcode code, long status);
/*
 * Return how long to wait after attempt number ATTEMPT (from 1) failed: RETRY_MS, doubled for each
 * attempt, at most a minute. The time is longer after too many requests (429), or if the server
 * asks for it (RETRY_AFTER_S, from CURLINFO_RETRY_AFTER; 0: it does not). RANDOM is from 0 to 255.
 */
unsigned curlcommon_delay_ms(unsigned retry_ms, uint64_t attempt, long status,
			     curl_off_t retry_after_s, unsigned random);
/* Like curlcommon_delay_ms(), with a random number of its own. */
unsigned curlcommon_wait_ms(unsigned retry_ms, uint64_t attempt, long status,
			    curl_off_t retry_after_s);

#endif

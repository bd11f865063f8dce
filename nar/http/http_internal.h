/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/http/http_internal.h: what pool.c and attempt.c share, and functions for tests.
 */
#ifndef NAR_HTTP_HTTP_INTERNAL_H
#define NAR_HTTP_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "nar/http/http.h"

/*
 * The body of an error is read up to this size, so that the connection can be reused. A longer one
 * ends the attempt.
 */
#define HTTP_DROPPED_MAX 65536

struct http {
	struct http_options o;
	CURLM *multi;
	struct http_transfer *first; /* list of the transfers that run */
	/*
	 * Easy handles to be reused, of short transfers only. With libcurl 7.88, a handle whose
	 * HTTP/2 connection goes on keeps its buffer, and accepts no other size for it.
	 */
	CURL *idle[32];
	size_t n_idle;
	unsigned ended;       /* transfers that ended in this http_step() */
	uint64_t noted_at_ms; /* when note() was last called */
};

/* ---- attempt.c: one attempt ---- */

/* Set all options of CURL, and the state of T, for an attempt of T. -1: *E. */
int http_easy_setup(struct http *h, struct http_transfer *t, CURL *curl, struct err *e) MUST_CHECK;

/* ---- for tests ---- */

/*
 * Read the SHA-256 of a file from the header LINE: Repr-Digest (RFC 9530), Digest (RFC 3230),
 * X-Amz-Checksum-Sha256 (S3) or X-Checksum-Sha256 (Artifactory).
 * Returns false if LINE is none of these, or malformed.
 */
bool http_digest(const char *line, size_t len, unsigned char ret[32]);

/* Return A of the header "Content-Range: bytes A-B/C"; UINT64_MAX: LINE is another header. */
uint64_t http_range_start(const char *line, size_t len);

#endif

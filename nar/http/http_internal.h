/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NAR_HTTP_HTTP_INTERNAL_H
#define NAR_HTTP_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "nar/http/http.h"

/* The body of an error: so much is waited for, as the connection can then be used again. */
#define HTTP_DROPPED_MAX 65536

struct http {
	struct http_options o;
	CURLM *multi;
	struct http_transfer *first; /* all that were started and have not ended */
	/*
	 * Easy handles to be used again, of short transfers only: one whose HTTP/2 connection goes
	 * on keeps its buffer, and takes no other size for it (libcurl 7.88).
	 */
	CURL *idle[32];
	size_t n_idle;
	unsigned ended; /* in the step that runs */
	uint64_t noted_at_ms;
};

/* ---- attempt.c: one attempt ---- */

/* Set all options of T for an attempt that goes on at t->offset. -1: *E. */
int http_easy_setup(struct http *h, struct http_transfer *t, CURL *curl, struct err *e) MUST_CHECK;

/* ---- for tests ---- */

/*
 * The SHA-256 of a file as the header LINE says it: Repr-Digest (RFC 9530), Digest (RFC 3230),
 * X-Amz-Checksum-Sha256 (S3) or X-Checksum-Sha256 (Artifactory). False: LINE says none.
 */
bool http_digest(const char *line, size_t len, unsigned char ret[32]);

/* The first byte of the header line "Content-Range: bytes A-B/C"; UINT64_MAX: it is another. */
uint64_t http_range_start(const char *line, size_t len);

#endif

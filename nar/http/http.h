/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/http/http.h: many HTTP transfers at a time over one pool of connections, with retries.
 *
 *	h = http_new(&options, e);
 *	t = (struct http_transfer){.url = .., .data = .., .done = ..};
 *	http_start(h, &t, e);
 *	while (!finished)
 *		http_step(h, 1000, e);             calls data() and done()
 *
 * After a failure that may pass (a cut connection, a timeout, 408, 429, most of 5xx), a transfer is
 * tried again. The time before doubles with each attempt. A GET goes on where it broke off: data()
 * gets every byte once and in order, even if the server can only begin again. The body of an error
 * is dropped. Redirects are followed, ten at most, to http and https, and from https to https only.
 * Certificates are always checked. All waiting has a limit: for a connection, for bytes, for the
 * end of a short transfer.
 *
 * Call all functions except http_wake() in the thread that calls http_step().
 */
#ifndef NAR_HTTP_HTTP_H
#define NAR_HTTP_HTTP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "nar/base/err.h"

struct http_options {
	const char *user_agent;
	const char *netrc_file, *ca_file; /* or NULL */
	unsigned connect_timeout_ms, stall_timeout_ms;
	unsigned attempts, retry_ms;
	unsigned connections; /* at most, to each server */
	bool no_http2;
	/* Show a person a failure that is tried again, at most one a second. May be NULL. */
	void (*note)(void *ctx, const char *text);
	void *ctx;
};

enum http_result {
	HTTP_OK,
	HTTP_MISSING, /* 403, 404, 410 */
	HTTP_FAILED,  /* err says why */
};

struct http_transfer {
	/* Set these before http_start(). The transfer and all it points to stay the caller's. */
	enum { HTTP_GET, HTTP_HEAD, HTTP_PUT } method;
	const char *url;
	const char *what;         /* the URL for messages: without a password */
	uint64_t max_bytes;       /* GET: a longer body is an ERR_LIMIT */
	uint64_t expect_bytes;    /* GET: a shorter body was cut; 0: the size is not known */
	bool is_short;            /* limit the total time; use small buffers; allow compression */
	const char *content_type; /* PUT */
	const void *put_data;     /* PUT: the body; NULL: it is in put_fd, from offset 0 on */
	int put_fd;
	uint64_t put_bytes; /* PUT: size of the body */
	/*
	 * GET: take N bytes of the body.
	 * Returns 1: taken; 0: not now, send them again after http_resume(); -1: *E, end the
	 * transfer.
	 */
	int (*data)(struct http_transfer *t, const void *data, size_t n, struct err *e);
	/* Called when the transfer has ended. From then on it may be started anew, or freed. */
	void (*done)(struct http_transfer *t, enum http_result r);
	void *ctx;

	/* Results. */
	struct err err;
	long status;          /* of the last attempt; 0: there was no answer */
	uint64_t taken_bytes; /* by data() */
	/* HEAD: what the answer says of the file. */
	uint64_t length_bytes; /* Content-Length; UINT64_MAX: not given */
	bool has_sha256;       /* sha256 was in one of the headers that http_digest() knows */
	unsigned char sha256[32];

	/* Private to nar/http. */
	struct http *http; /* NULL: the transfer is not running */
	struct http_transfer *next, *prev;
	void *easy;              /* CURL *, while an attempt runs */
	void *headers;           /* struct curl_slist * */
	uint64_t again_at_ms;    /* time of the next attempt; 0: an attempt runs */
	uint64_t alive_at_ms;    /* when the running attempt last received or sent bytes */
	unsigned attempt;        /* number of the attempt, from 1 */
	uint64_t progress_bytes; /* taken_bytes when attempts were last counted from 1 */
	uint64_t offset;         /* of the first byte that this attempt asks for */
	uint64_t skip_bytes;     /* bytes to come in this attempt that data() took before */
	uint64_t range_start;    /* of the answer's Content-Range; UINT64_MAX: it has none */
	uint64_t dropped_bytes;  /* of the body of an error */
	uint64_t put_pos;
	bool paused;     /* this attempt: data() returned 0 */
	bool checked;    /* this attempt: check_start() was called */
	bool wrong_part; /* this attempt: the answer is not the part that was asked for */
	bool no_range;   /* ask for the whole file in every further attempt */
	char text[256];  /* CURL_ERROR_SIZE */
};

struct http;

struct http *http_new(const struct http_options *o, struct err *e) MUST_CHECK;
/* Free H. Transfers that still run end without done(). NULL is fine. */
void http_free(struct http *h);

/* Start T. done() is called later, in http_step(), but not if this fails. */
int http_start(struct http *h, struct http_transfer *t, struct err *e) MUST_CHECK;
/* Go on with T, whose data() returned 0. May call data(). */
void http_resume(struct http_transfer *t);
/* End T without done(). T may have ended before, or never have been started. */
void http_cancel(struct http_transfer *t);

/*
 * Go on with all transfers. Unless one has ended, wait for activity or http_wake(), but at most
 * WAIT_MS, and go on once more.
 */
int http_step(struct http *h, unsigned wait_ms, struct err *e) MUST_CHECK;
/* Make http_step() return. May be called in any thread. */
void http_wake(struct http *h);

#endif

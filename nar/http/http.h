/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/http/http.h: many HTTP transfers at a time over one pool of connections, each tried again
 * where that may help.
 *
 *	h = http_new(&options, e);
 *	t = (struct http_transfer){.url = .., .data = .., .done = ..};
 *	http_start(h, &t, e);
 *	while (!finished)
 *		http_step(h, 1000, e);             calls data() and done()
 *
 * What may pass (a cut connection, a timeout, 408, 429, 5xx) is tried again after a while that
 * doubles each time. A GET goes on from where it broke off: data() gets every byte once and in
 * order, whether the server can send a range or has to begin again. It is not told of bodies that
 * come with an error. Redirects are followed, ten at most, to http and https, from https to https
 * only. Certificates are always checked. All waiting ends: for a connection, for bytes, for the end
 * of something short.
 *
 * All in the thread of http_step() but http_wake().
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
	unsigned connections; /* a server */
	bool no_http2;
	/* A failure that is got over, for a person: at most one a second. May be NULL. */
	void (*note)(void *ctx, const char *text);
	void *ctx;
};

enum http_result {
	HTTP_OK,
	HTTP_MISSING, /* 403, 404, 410 */
	HTTP_FAILED,  /* err says why */
};

struct http_transfer {
	/* Set these before http_start(); they stay the caller's, as does the whole. */
	enum { HTTP_GET, HTTP_HEAD, HTTP_PUT } method;
	const char *url;
	const char *what;         /* the URL for messages: without a password */
	uint64_t max_bytes;       /* a longer body is an ERR_LIMIT */
	uint64_t expect_bytes;    /* a shorter one was cut; 0: not known */
	bool is_short;            /* a total timeout, a smaller buffer, and it may come encoded */
	const char *content_type; /* PUT: these, SIZE_BYTES from DATA_AT or from FD */
	const void *put_data;
	int put_fd;
	uint64_t put_bytes;
	/* GET: 1: taken; 0: not now, it comes again after http_resume(); -1: *E, and no more. */
	int (*data)(struct http_transfer *t, const void *data, size_t n, struct err *e);
	/* The transfer has ended, and is the caller's again: may be started anew, or freed. */
	void (*done)(struct http_transfer *t, enum http_result r);
	void *ctx;

	/* To be read. */
	struct err err;
	long status;          /* of the last attempt; 0: there was no answer */
	uint64_t taken_bytes; /* by data() */
	/* HEAD: what the answer says of the file. */
	uint64_t length_bytes; /* Content-Length; UINT64_MAX: not said */
	bool has_sha256;       /* from one of the headers that http_digest() knows */
	unsigned char sha256[32];

	/* http's own. */
	struct http *http;
	struct http_transfer *next, *prev;
	void *easy;              /* CURL *, while an attempt runs */
	void *headers;           /* struct curl_slist * */
	uint64_t again_at_ms;    /* while it waits for the next attempt */
	uint64_t alive_at_ms;    /* when something came or went, while an attempt runs */
	unsigned attempt;        /* from 1 */
	uint64_t progress_bytes; /* taken_bytes when attempts were counted from 1 */
	uint64_t offset;         /* where the bytes of this attempt begin */
	uint64_t skip_bytes;     /* of them, taken before */
	uint64_t range_start;    /* as the answer says; UINT64_MAX: it does not */
	uint64_t dropped_bytes;  /* of a body that nobody wants */
	uint64_t put_pos;
	bool paused, checked, wrong_part; /* in this attempt */
	bool no_range;                    /* from now on */
	char text[256];                   /* CURL_ERROR_SIZE */
};

struct http;

struct http *http_new(const struct http_options *o, struct err *e) MUST_CHECK;
/* Ends all transfers without a word. NULL is fine. */
void http_free(struct http *h);

int http_start(struct http *h, struct http_transfer *t, struct err *e) MUST_CHECK;
/* After data() gave 0: it may be called at once. */
void http_resume(struct http_transfer *t);
/* End it without done(). A transfer that has ended, or never began, is fine. */
void http_cancel(struct http_transfer *t);

/* Go on with all; return when something has ended, was woken, or after WAIT_MS. */
int http_step(struct http *h, unsigned wait_ms, struct err *e) MUST_CHECK;
/* Have http_step() return, from any thread. */
void http_wake(struct http *h);

#endif

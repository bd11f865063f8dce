/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/http/http.h"

#include <assert.h>
#include <stdlib.h>

#include "nar/base/buf.h"
#include "nar/base/clock.h"
#include "nar/base/scope.h"
#include "nar/http/curl.h"
#include "nar/http/http_internal.h"

#include "nar/base/banned.h"

#define NOTE_EVERY_MS 1000
/*
 * A transfer that took this many bytes since attempt 1 makes progress: attempts count from 1 again.
 */
#define PROGRESS_BYTES (1 << 20)
#define TRUST_TEXT_MAX 512

struct http *http_new(const struct http_options *o, struct err *e)
{
	struct http *h = mem_new(1, sizeof *h, e);

	if (!h)
		return NULL;
	h->o = *o;
	h->multi = curl_multi_init();
	if (!h->multi) {
		err_memory(e);
		http_free(h);
		return NULL;
	}
	curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)o->connections);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)o->connections * 2);
	return h;
}

static void give_back_easy(struct http *h, struct http_transfer *t)
{
	CURL *curl = TAKE(t->easy, NULL);

	if (!curl)
		return;
	curl_multi_remove_handle(h->multi, curl);
	curl_slist_free_all(TAKE(t->headers, NULL));
	if (t->is_short && h->n_idle < ARRAY_SIZE(h->idle))
		h->idle[h->n_idle++] = curl;
	else
		curl_easy_cleanup(curl);
}

void http_cancel(struct http_transfer *t)
{
	struct http *h = TAKE(t->http, NULL);

	if (!h)
		return;
	give_back_easy(h, t);
	if (t->prev)
		t->prev->next = t->next;
	else
		h->first = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->next = t->prev = NULL;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	while (h->first)
		http_cancel(h->first);
	for (size_t i = 0; i < h->n_idle; i++)
		curl_easy_cleanup(h->idle[i]);
	curl_multi_cleanup(h->multi);
	free(h);
}

void http_wake(struct http *h)
{
	curl_multi_wakeup(h->multi);
}

void http_resume(struct http_transfer *t)
{
	if (!t->paused || !t->easy)
		return;
	t->paused = false;
	t->alive_at_ms = (uint64_t)clock_now_ms();
	/*
	 * This calls data(). libcurl reports a failure of data() only here, and goes on with the
	 * transfer; due_at_ms() then finds the error that is set. curl_multi_perform() reports
	 * other failures again.
	 */
	(void)curl_easy_pause(t->easy, CURLPAUSE_CONT);
}

/* ---- attempts ---- */

static int attempt(struct http *h, struct http_transfer *t, struct err *e)
{
	t->again_at_ms = 0;
	t->alive_at_ms = (uint64_t)clock_now_ms();
	t->attempt++;
	t->easy = t->is_short && h->n_idle ? h->idle[--h->n_idle] : curl_easy_init();
	if (!t->easy)
		return err_memory(e);
	if (http_easy_setup(h, t, t->easy, e) < 0)
		return -1;
	CURLMcode rc = curl_multi_add_handle(h->multi, t->easy);
	if (rc != CURLM_OK)
		return err_set(e, ERR_SYSTEM, "libcurl failed: %s", curl_multi_strerror(rc));
	return 0;
}

int http_start(struct http *h, struct http_transfer *t, struct err *e)
{
	assert(!t->http);
	t->http = h;
	t->attempt = 0;
	t->taken_bytes = t->progress_bytes = 0;
	t->no_range = false;
	err_clear(&t->err);
	t->prev = NULL;
	t->next = h->first;
	if (h->first)
		h->first->prev = t;
	h->first = t;
	if (attempt(h, t, e) < 0) {
		http_cancel(t);
		return -1;
	}
	return 0;
}

/* Tell whether the answer was the one that was asked for, and complete. */
static bool succeeded(const struct http_transfer *t, CURLcode code)
{
	/* All expected bytes are there: it does not matter how the connection ended. */
	if (t->method == HTTP_GET && t->expect_bytes && t->taken_bytes == t->expect_bytes)
		return true;
	if (code != CURLE_OK)
		return false;
	switch (t->method) {
	case HTTP_PUT:
		return t->status >= 200 && t->status < 300;
	case HTTP_HEAD:
		return t->status == 200;
	case HTTP_GET:
		break;
	}
	if (t->status != 200 && t->status != 206)
		return false;
	/*
	 * No byte of the range came, so that check_start() did not see whether it is the right one.
	 */
	if (t->status == 206 && !t->checked)
		return false;
	return t->skip_bytes == 0 && t->taken_bytes >= t->expect_bytes;
}

/* If CODE is a refused certificate, describe which certificates are trusted. */
static void describe_trust(const struct http *h, CURLcode code, char ret[TRUST_TEXT_MAX])
{
	ret[0] = '\0';
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		snprintf(ret, TRUST_TEXT_MAX, "; trusted certificates are those %s%s%s",
			 h->o.ca_file ? "in '" : "of libcurl", h->o.ca_file ? h->o.ca_file : "",
			 h->o.ca_file ? "'" : "");
}

/* Set t->err for an attempt that ended with CODE. */
static void describe(const struct http *h, struct http_transfer *t, CURLcode code)
{
	const char *verb = t->method == HTTP_PUT ? "upload" : "download";
	char trust[TRUST_TEXT_MAX];

	if (t->status && code == CURLE_OK && (t->status == 200 || t->status == 206))
		err_set(&t->err, ERR_SYSTEM,
			"unable to %s '%s': the response ended early, after %llu bytes", verb,
			t->what, (unsigned long long)t->taken_bytes);
	else if (t->status && (t->status >= 400 || code == CURLE_OK))
		err_set(&t->err, ERR_SYSTEM, "unable to %s '%s': HTTP error %ld", verb, t->what,
			t->status);
	else {
		describe_trust(h, code, trust);
		err_set(&t->err, ERR_SYSTEM, "unable to %s '%s': %s (%d)%s%s%s", verb, t->what,
			curl_easy_strerror(code), (int)code, *t->text ? " " : "", t->text, trust);
	}
}

static void finish(struct http *h, struct http_transfer *t, enum http_result r)
{
	http_cancel(t);
	h->ended++;
	t->done(t, r);
}

/* Plan the next attempt of T, whose attempt failed with t->err; end T if it was the last one. */
static void retry(struct http *h, struct http_transfer *t, curl_off_t retry_after_s)
{
	uint64_t now = (uint64_t)clock_now_ms();
	unsigned wait_ms;

	if (t->taken_bytes - t->progress_bytes >= PROGRESS_BYTES) {
		t->progress_bytes = t->taken_bytes;
		t->attempt = 1;
	}
	if (t->attempt >= h->o.attempts) {
		finish(h, t, HTTP_FAILED);
		return;
	}
	wait_ms = curlcommon_wait_ms(h->o.retry_ms, t->attempt, t->status, retry_after_s);
	t->again_at_ms = now + wait_ms;
	if (h->o.note && now - h->noted_at_ms >= NOTE_EVERY_MS) {
		struct err text = ERR_INIT;

		h->noted_at_ms = now;
		err_set(&text, ERR_SYSTEM, "%s; retrying in %u ms (attempt %u/%u)", t->err.msg,
			wait_ms, t->attempt, h->o.attempts);
		h->o.note(h->o.ctx, text.msg);
	}
	err_clear(&t->err);
}

static bool is_missing(long status)
{
	return status == 403 || status == 404 || status == 410;
}

/* Tell whether T, which failed with CODE, may be tried again, and set t->no_range for it. */
static bool may_retry(struct http_transfer *t, CURLcode code)
{
	/* Asked to resume, the server sent nothing or another part: start over without a range. */
	if (t->offset && (t->wrong_part || t->status == 416 || t->status == 206))
		t->no_range |= t->wrong_part || t->status == 416 || t->taken_bytes == t->offset;
	return t->wrong_part || (t->offset && t->status == 416) ||
	       curlcommon_is_transient(code, t->status);
}

static void attempt_ended(struct http *h, struct http_transfer *t, CURLcode code)
{
	curl_off_t retry_after_s = 0, length = -1;

	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	t->length_bytes = length < 0 ? UINT64_MAX : (uint64_t)length;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->status);
	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
	give_back_easy(h, t);
	if (t->dropped_bytes > HTTP_DROPPED_MAX)
		code = CURLE_HTTP_RETURNED_ERROR; /* not CURLE_WRITE_ERROR: on_data() ended it */
	if (err_is_set(&t->err) && !t->wrong_part) {
		finish(h, t, HTTP_FAILED);
		return;
	}
	if (!t->wrong_part && succeeded(t, code)) {
		finish(h, t, HTTP_OK);
		return;
	}
	if (is_missing(t->status) && t->method != HTTP_PUT) {
		finish(h, t, HTTP_MISSING);
		return;
	}
	if (!err_is_set(&t->err))
		describe(h, t, code);
	if (may_retry(t, code))
		retry(h, t, retry_after_s);
	else
		finish(h, t, HTTP_FAILED);
}

/* ---- the loop ---- */

/*
 * Return when to call do_due() for T if nothing happens before; UINT64_MAX: never. libcurl's own
 * limit of speed is not used: it looks at an average, and is some seconds late.
 */
static uint64_t due_at_ms(const struct http *h, const struct http_transfer *t)
{
	if (t->again_at_ms)
		return t->again_at_ms;
	if (err_is_set(&t->err))
		return 0; /* a callback has failed */
	return t->paused ? UINT64_MAX : t->alive_at_ms + h->o.stall_timeout_ms;
}

/* Begin the next attempt of T, or end the attempt that failed or stalls. */
static void do_due(struct http *h, struct http_transfer *t)
{
	if (!t->again_at_ms && err_is_set(&t->err)) {
		attempt_ended(h, t, CURLE_WRITE_ERROR);
		return;
	}
	if (!t->again_at_ms) {
		snprintf(t->text, sizeof t->text, "no bytes for %u ms", h->o.stall_timeout_ms);
		attempt_ended(h, t, CURLE_OPERATION_TIMEDOUT);
		return;
	}
	if (attempt(h, t, &t->err) < 0)
		finish(h, t, HTTP_FAILED);
}

/*
 * Call do_due() for all transfers for which it is time.
 * Returns the milliseconds until it is time for another one, at most WAIT_MS.
 */
static unsigned do_all_due(struct http *h, unsigned wait_ms)
{
	uint64_t now = (uint64_t)clock_now_ms();

	for (struct http_transfer *t = h->first; t;) {
		uint64_t at = due_at_ms(h, t);

		if (at > now) {
			if (at - now < wait_ms)
				wait_ms = (unsigned)(at - now);
			t = t->next;
			continue;
		}
		do_due(h, t);
		/* done() may have changed the list. T is not due any more, so this loop ends. */
		t = h->first;
	}
	return wait_ms;
}

static int perform(struct http *h, struct err *e)
{
	struct CURLMsg *msg;
	int running, left;
	CURLMcode rc = curl_multi_perform(h->multi, &running);

	if (rc != CURLM_OK)
		return err_set(e, ERR_SYSTEM, "libcurl failed: %s", curl_multi_strerror(rc));
	while ((msg = curl_multi_info_read(h->multi, &left))) {
		char *t = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		CURLcode code = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
		attempt_ended(h, (struct http_transfer *)(void *)t, code);
	}
	return 0;
}

int http_step(struct http *h, unsigned wait_ms, struct err *e)
{
	h->ended = 0;
	wait_ms = do_all_due(h, wait_ms);
	if (perform(h, e) < 0)
		return -1;
	if (h->ended)
		return 0;
	CURLMcode rc = curl_multi_poll(h->multi, NULL, 0, (int)wait_ms, NULL);
	if (rc != CURLM_OK)
		return err_set(e, ERR_SYSTEM, "libcurl failed: %s", curl_multi_strerror(rc));
	return perform(h, e);
}

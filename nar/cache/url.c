/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/cache/url.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "nar/base/scope.h"
#include "nar/hash.h"

#include "nar/base/banned.h"

static void scope_curlu(CURLU **u)
{
	curl_url_cleanup(*u);
}
#define scoped_curlu __attribute__((cleanup(scope_curlu), unused))

void cache_url_done(struct cache_url *u)
{
	free(u->dir);
	free(u->base);
	free(u->shown);
	strv_done(&u->params);
	*u = (struct cache_url){0};
}

/* Set *E without showing the URL, which may contain a password. */
static int bad(const char *why, struct err *e)
{
	return err_set(
		e, ERR_INPUT,
		"the URL of a binary cache %s; expected file:///dir, http://.. or https://..", why);
}

/* Return the LEN bytes at S with each %xx decoded, on the heap. NULL: *E. */
static char *decode(const char *s, size_t len, struct err *e)
{
	scoped_free char *ret = str_ndup(s, len, e);
	size_t n = 0;

	if (!ret)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)s[i];

		if (c == '%') {
			if (len - i < 3 || !base16_decode(s + i + 1, 2, &c, 1) || c == 0) {
				bad("contains '%00', or a '%' without two hexadecimal digits", e);
				return NULL;
			}
			i += 2;
		}
		ret[n++] = (char)c;
	}
	ret[n] = '\0';
	return TAKE(ret, NULL);
}

static int add_decoded(struct cache_url *u, const char *s, size_t len, struct err *e)
{
	scoped_free char *text = decode(s, len, e);

	return text ? strv_add(&u->params, text, e) : -1;
}

static int parse_params(struct cache_url *u, const char *query, struct err *e)
{
	while (*query) {
		size_t len = strcspn(query, "&");
		const char *equals = memchr(query, '=', len);

		if (!equals)
			return bad("has a parameter without '='", e);
		size_t name_len = (size_t)(equals - query);
		if (add_decoded(u, query, name_len, e) < 0 ||
		    add_decoded(u, equals + 1, len - name_len - 1, e) < 0)
			return -1;
		query += len + (query[len] == '&');
	}
	return 0;
}

const char *cache_url_param(const struct cache_url *u, const char *name)
{
	for (size_t i = u->params.n; i >= 2; i -= 2)
		if (str_eq(u->params.items[i - 2], name))
			return u->params.items[i - 1];
	return NULL;
}

static int parse_file(struct cache_url *u, struct err *e)
{
	const char *path = u->base + strlen("file://");

	if (str_starts(path, "localhost/"))
		path += strlen("localhost");
	if (*path != '/')
		return bad(*path ? "names a host after 'file:'" : "names no directory", e);
	u->dir = decode(path, strlen(path), e);
	if (!u->dir)
		return -1;
	u->shown = str_dup(u->base, e);
	return u->shown ? 0 : -1;
}

static int parse_http(struct cache_url *u, struct err *e)
{
	scoped_curlu CURLU *c = curl_url();
	char *text = NULL;
	CURLUcode rc;

	if (!c)
		return err_memory(e);
	rc = curl_url_set(c, CURLUPART_URL, u->base, 0);
	if (rc == CURLUE_OUT_OF_MEMORY)
		return err_memory(e);
	if (rc != CURLUE_OK)
		return bad("cannot be understood", e);
	if (curl_url_set(c, CURLUPART_USER, NULL, 0) != CURLUE_OK ||
	    curl_url_set(c, CURLUPART_PASSWORD, NULL, 0) != CURLUE_OK ||
	    curl_url_get(c, CURLUPART_URL, &text, 0) != CURLUE_OK)
		return err_memory(e);
	u->shown = str_dup(text, e);
	curl_free(text);
	if (!u->shown)
		return -1;
	for (size_t n = strlen(u->shown); n && u->shown[n - 1] == '/'; n--)
		u->shown[n - 1] = '\0';
	return 0;
}

static int parse(const char *text, struct cache_url *u, struct err *e)
{
	size_t len = strcspn(text, "?");

	if (strchr(text, '#'))
		return bad("contains a '#'", e);
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return bad("contains a blank or a control byte", e);
	u->is_file = strncasecmp(text, "file://", 7) == 0;
	if (!u->is_file && !cache_url_is_absolute(text))
		return bad("is of an unknown scheme", e);
	if (text[len] == '?' && parse_params(u, text + len + 1, e) < 0)
		return -1;
	while (len && text[len - 1] == '/' && len > strlen("file:///"))
		len--;
	u->base = str_ndup(text, len, e);
	if (!u->base)
		return -1;
	return u->is_file ? parse_file(u, e) : parse_http(u, e);
}

int cache_url_parse(const char *text, struct cache_url *ret, struct err *e)
{
	scoped_cache_url struct cache_url u = {0};

	if (parse(text, &u, e) < 0)
		return -1;
	*ret = u;
	u = (struct cache_url){0};
	return 0;
}

bool cache_url_is_absolute(const char *name)
{
	return strncasecmp(name, "http://", 7) == 0 || strncasecmp(name, "https://", 8) == 0;
}

int cache_url_check_name(const char *name, struct err *e)
{
	for (const char *p = name;; p++) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return err_set(
				e, ERR_INPUT,
				"'%s' is no name of a file of a binary cache: it contains an "
				"empty part, '.' or '..'",
				name);
		p += len;
		if (!*p)
			return 0;
	}
}

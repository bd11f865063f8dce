/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/cacheinfo.h"

#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define PRIORITY_MAX 1000000

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct bytes trim(const char *s, size_t n)
{
	while (n && is_blank(s[n - 1]))
		n--;
	while (n && is_blank(*s))
		s++, n--;
	return (struct bytes){s, n};
}

static bool is_key(const char *line, size_t len, const char *key)
{
	return strlen(key) == len && memcmp(line, key, len) == 0;
}

static int bad(const char *key, struct bytes value, const char *want, struct err *e)
{
	return err_set(e, ERR_INPUT, "nix-cache-info: %s is '%.*s' instead of %s", key,
		       (int)value.len, value.data, want);
}

static int set_store_dir(struct cacheinfo *c, struct bytes v, struct err *e)
{
	if (v.len == 0 || v.data[0] != '/' || memchr(v.data, '\0', v.len))
		return bad("StoreDir", v, "an absolute path", e);
	free(c->store_dir);
	c->store_dir = str_ndup(v.data, v.len, e);
	return c->store_dir ? 0 : -1;
}

static int parse_line(struct cacheinfo *c, const char *line, size_t len, struct err *e)
{
	const char *colon = memchr(line, ':', len);
	uint64_t n;

	if (!colon)
		return 0;
	size_t key_len = (size_t)(colon - line);
	struct bytes v = trim(colon + 1, len - key_len - 1);
	if (is_key(line, key_len, "StoreDir"))
		return set_store_dir(c, v, e);
	if (is_key(line, key_len, "WantMassQuery"))
		c->want_mass_query = v.len == 1 && v.data[0] == '1';
	if (is_key(line, key_len, "Priority")) {
		if (!num_parse_u64(v.data, v.len, PRIORITY_MAX, &n))
			return bad("Priority", v, "a number of at most 1000000", e);
		c->priority = (unsigned)n;
	}
	return 0;
}

int cacheinfo_parse(const char *text, size_t len, struct cacheinfo *ret, struct err *e)
{
	scoped_cacheinfo struct cacheinfo c = {.priority = CACHEINFO_PRIORITY};

	if (len > CACHEINFO_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "nix-cache-info is larger than the limit of %d bytes",
			       CACHEINFO_MAX_BYTES);
	for (const char *end = text + len; text < end;) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((eol ? eol : end) - text);

		if (parse_line(&c, text, n, e) < 0)
			return -1;
		text += n + (eol != NULL);
	}
	*ret = c;
	c.store_dir = NULL;
	return 0;
}

int cacheinfo_check(const struct cacheinfo *c, const char *url, const char *store_dir,
		    struct err *e)
{
	if (!c->store_dir || str_eq(c->store_dir, store_dir))
		return 0;
	return err_set(e, ERR_INPUT,
		       "binary cache '%s' is for Nix stores with prefix '%s', not '%s'", url,
		       c->store_dir, store_dir);
}

int cacheinfo_print(const struct cacheinfo *c, struct buf *b, struct err *e)
{
	if (c->store_dir && buf_addf(b, e, "StoreDir: %s\n", c->store_dir) < 0)
		return -1;
	return buf_addf(b, e, "WantMassQuery: %d\nPriority: %u\n", c->want_mass_query, c->priority);
}

void cacheinfo_done(struct cacheinfo *c)
{
	free(c->store_dir);
	c->store_dir = NULL;
}

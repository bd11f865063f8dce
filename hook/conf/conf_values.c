/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The values of keys: read from a text, set, printed. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "hook/conf/conf_internal.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

void conf_keys_done(struct conf *c)
{
	for (size_t i = 0; i < conf_keys_count; i++) {
		const struct conf_key *key = &conf_keys[i];

		if (key->type == CONF_STRING || key->type == CONF_PATH) {
			free(*(char **)conf_member(c, key));
			*(char **)conf_member(c, key) = NULL;
		} else if (key->type == CONF_LIST) {
			strv_done(conf_member(c, key));
		}
	}
}

static int set_string(char **p, const char *value, struct err *e)
{
	char *copy = str_dup(value, e);

	if (!copy)
		return -1;
	free(*p);
	*p = copy;
	return 0;
}

static int set_list(struct strv *p, const char *value, struct err *e)
{
	scoped_strv struct strv v = STRV_INIT;

	if (strv_split(&v, value, CONF_BLANKS "\n", e) < 0)
		return -1;
	strv_done(p);
	*p = TAKE(v, (struct strv)STRV_INIT);
	return 0;
}

/*
 * Find the value of KEY whose name is VALUE.
 * Returns 1: *RET is that value; 0: no value has this name.
 */
static int find_name(const struct conf_key *key, const char *value, int *ret)
{
	for (int i = 0; key->names[i]; i++) {
		if (str_eq(key->names[i], value)) {
			*ret = i;
			return 1;
		}
	}
	return 0;
}

/* Parse a size: "64M" is 64 * 1024 * 1024. False: S is no size, or is larger than MAX. */
static bool parse_size(const char *s, uint64_t max, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const size_t len = strlen(s);
	const char *unit = len ? strchr(units, s[len - 1]) : NULL;
	const unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	uint64_t n;

	if (!num_parse_u64(s, len - (unit ? 1 : 0), max >> shift, &n))
		return false;
	*ret = n << shift;
	return true;
}

/* "80%" is a share of the machine's memory. */
static bool parse_amount(const char *s, uint64_t max, struct conf_amount *ret)
{
	const size_t len = strlen(s);
	struct conf_amount a = {AMOUNT_AUTO, 0};

	if (len && s[len - 1] == '%') {
		a.kind = AMOUNT_PERCENT;
		if (!num_parse_u64(s, len - 1, 100, &a.n) || !a.n)
			return false;
	} else if (!str_eq(s, "auto")) {
		a.kind = AMOUNT_BYTES;
		if (!parse_size(s, max, &a.n))
			return false;
	}
	*ret = a;
	return true;
}

/* Parse a number with decimals into thousandths: "1.5" is 1500. False: S is none, or above MAX. */
static bool parse_milli(const char *s, uint64_t max, uint64_t *ret)
{
	const size_t whole = strcspn(s, ".");
	const char *decimals = s[whole] ? s + whole + 1 : "0";
	const size_t len = strlen(decimals);
	uint64_t n, part;

	if (len < 1 || len > 3 || !num_parse_u64(s, whole, max / 1000, &n) ||
	    !num_parse_u64(decimals, len, 999, &part))
		return false;
	*ret = n * 1000 + part * (len == 1 ? 100 : len == 2 ? 10 : 1);
	return *ret <= max;
}

/*
 * Parse VALUE and store it in P, the member of KEY.
 * Returns 1: stored; 0: VALUE is not one that KEY may have; -1: *E.
 */
static int set_value(void *p, const struct conf_key *key, const char *value, struct err *e)
{
	bool yes = str_eq(value, "true");
	uint64_t n;
	int i;

	switch (key->type) {
	case CONF_STRING:
		if (value[strcspn(value, CONF_BLANKS "\n")])
			return 0;
		return set_string(p, value, e) < 0 ? -1 : 1;
	case CONF_PATH:
		if (value[0] && value[0] != '/' && !(key->names && find_name(key, value, &i)))
			return 0;
		return set_string(p, value, e) < 0 ? -1 : 1;
	case CONF_LIST:
		return set_list(p, value, e) < 0 ? -1 : 1;
	case CONF_U64:
		if (key->zero_is_auto && str_eq(value, "auto"))
			value = "0";
		if (!num_parse_u64(value, strlen(value), key->max, &n))
			return 0;
		memcpy(p, &n, sizeof n);
		return 1;
	case CONF_SIZE:
		if (key->unlimited && str_eq(value, "unlimited"))
			n = CONF_UNLIMITED;
		else if (!parse_size(value, key->max, &n))
			return 0;
		memcpy(p, &n, sizeof n);
		return 1;
	case CONF_MILLI:
		if (!parse_milli(value, key->max, &n))
			return 0;
		memcpy(p, &n, sizeof n);
		return 1;
	case CONF_AMOUNT:
		return parse_amount(value, key->max, p) ? 1 : 0;
	case CONF_BOOL:
		if (!yes && !str_eq(value, "false"))
			return 0;
		memcpy(p, &yes, sizeof yes);
		return 1;
	case CONF_ENUM:
		if (!find_name(key, value, &i))
			return 0;
		memcpy(p, &i, sizeof i);
		return 1;
	}
	return 0;
}
/* The parser reads and writes every enumeration of the table as an int. */
static_assert(sizeof(enum spec_profile) == sizeof(int) &&
		      sizeof(enum conf_registration) == sizeof(int) &&
		      sizeof(enum conf_cgroups) == sizeof(int) &&
		      sizeof(enum conf_inputs) == sizeof(int) &&
		      sizeof(enum conf_report) == sizeof(int) &&
		      sizeof(enum conf_readable) == sizeof(int),
	      "enum of another size");

static int unknown_key(const char *where, const char *name, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(ERR_MSG_MAX);

	for (size_t i = 0; i < conf_keys_count; i++)
		if (buf_addf(&b, e, "%s%s", i ? ", " : "", conf_keys[i].name) < 0)
			return -1;
	return err_set(e, ERR_INPUT, "%s: there is no key '%s'; the keys are %s", where, name,
		       b.data);
}

/*
 * Refuse a VALUE in quotes. Shells and other programs remove quotes; here they would be a part of
 * the value.
 */
static int refuse_quotes(const char *where, const char *name, const char *value, struct err *e)
{
	const size_t len = strlen(value);
	const char quote = value[0];
	scoped_buf struct buf bare = BUF_INIT(ERR_MSG_MAX);

	if (len < 2 || (quote != '"' && quote != '\'') || value[len - 1] != quote)
		return 0;
	for (const char *p = value; *p; p++)
		if (*p != quote && buf_addc(&bare, *p, e) < 0)
			return -1;
	return err_set(e, ERR_INPUT,
		       "%s: key '%s' is %s: values stand without quotes; did you mean '%s = %s'?",
		       where, name, value, name, bare.data ? bare.data : "");
}

int conf_set(struct conf *c, const char *where, const char *name, const char *value, struct err *e)
{
	const struct conf_key *key = conf_key_find(name);
	scoped_buf struct buf allowed = BUF_INIT(ERR_MSG_MAX);
	int rc;

	if (!key)
		return unknown_key(where, name, e);
	if (refuse_quotes(where, name, value, e) < 0)
		return -1;
	rc = set_value(conf_member(c, key), key, value, e);
	if (rc < 0)
		return -1;
	if (rc > 0)
		return 0;
	if (conf_allowed(key, &allowed, e) < 0)
		return -1;
	return err_set(e, ERR_INPUT, "%s: key '%s' is '%s', allowed is %s", where, name, value,
		       allowed.data);
}
int conf_set_defaults(struct conf *c, struct err *e)
{
	for (size_t i = 0; i < conf_keys_count; i++)
		if (conf_set(c, "default", conf_keys[i].name,
			     conf_keys[i].def ? conf_keys[i].def : "", e) < 0)
			return -1;
	return 0;
}

static int print_amount(const struct conf_amount *a, struct buf *b, struct err *e)
{
	if (a->kind == AMOUNT_AUTO)
		return buf_adds(b, "auto", e);
	return buf_addf(b, e, "%llu%s", (unsigned long long)a->n,
			a->kind == AMOUNT_PERCENT ? "%" : "");
}

static int print_value(const void *p, const struct conf_key *key, struct buf *b, struct err *e)
{
	const struct strv *list = p;
	uint64_t n;
	bool yes;
	int i;

	switch (key->type) {
	case CONF_STRING:
	case CONF_PATH:
		return buf_adds(b, *(char *const *)p, e);
	case CONF_LIST:
		for (size_t w = 0; w < list->n; w++)
			if (buf_addf(b, e, "%s%s", w ? " " : "", list->items[w]) < 0)
				return -1;
		return 0;
	case CONF_MILLI:
		memcpy(&n, p, sizeof n);
		return buf_addf(b, e, "%llu.%03llu", (unsigned long long)n / 1000,
				(unsigned long long)n % 1000);
	case CONF_U64:
	case CONF_SIZE:
		memcpy(&n, p, sizeof n);
		if (key->unlimited && n == CONF_UNLIMITED)
			return buf_adds(b, "unlimited", e);
		return buf_addf(b, e, "%llu", (unsigned long long)n);
	case CONF_AMOUNT:
		return print_amount(p, b, e);
	case CONF_BOOL:
		memcpy(&yes, p, sizeof yes);
		return buf_adds(b, yes ? "true" : "false", e);
	case CONF_ENUM:
		memcpy(&i, p, sizeof i);
		return buf_adds(b, key->names[i], e);
	}
	return 0;
}

int conf_print_globals(const struct conf *c, struct buf *b, struct err *e)
{
	for (size_t i = 0; i < conf_keys_count; i++)
		if (buf_addf(b, e, "%s = ", conf_keys[i].name) < 0 ||
		    print_value(conf_member(c, &conf_keys[i]), &conf_keys[i], b, e) < 0 ||
		    buf_addc(b, '\n', e) < 0)
			return -1;
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/conf/policy.h"

#include <assert.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "hook/conf/conf_internal.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Limits that only a generated file can reach. */
#define SECTIONS_MAX 10000
#define SETTINGS_MAX 1000
#define CONDITIONS_MAX 100

static const char *const what_names[] = {"name",    "pname",        "system",
					 "feature", "fixed-output", "user"};
static_assert(ARRAY_SIZE(what_names) == POLICY_USER + 1, "what_names");

static void condition_done(struct policy_condition *c)
{
	strv_done(&c->patterns);
}

static void setting_done(struct policy_setting *s)
{
	free(s->where);
	free(s->key);
	free(s->value);
}

static void section_done(struct policy_section *s)
{
	for (size_t i = 0; i < s->n_conditions; i++)
		condition_done(&s->conditions[i]);
	for (size_t i = 0; i < s->n_settings; i++)
		setting_done(&s->settings[i]);
	free(s->conditions);
	free(s->settings);
	free(s->where);
	free(s->header);
	free(s->feature);
	*s = (struct policy_section){0};
}

void policy_done(struct policy *p)
{
	for (size_t i = 0; i < p->n; i++)
		section_done(&p->sections[i]);
	free(p->sections);
	*p = (struct policy)POLICY_INIT;
}

/*
 * Append a zeroed item of SIZE bytes to the N items of *ITEMS. There may be MAX; WHAT names them in
 * messages. Returns the item. NULL: *E.
 */
static void *append(void **items, size_t n, size_t max, size_t size, const char *what,
		    const char *where, struct err *e)
{
	char *grown;

	if (n >= max) {
		err_set(e, ERR_LIMIT, "%s: there are more than %zu %s", where, max, what);
		return NULL;
	}
	grown = reallocarray(*items, n + 1, size);
	if (!grown) {
		err_memory(e);
		return NULL;
	}
	*items = grown;
	return memset(grown + n * size, 0, size);
}

static int unknown_condition(const char *where, const char *word, struct err *e)
{
	return err_set(e, ERR_INPUT,
		       "%s: '%s' is no condition; conditions are name=, pname=, system=, feature=, "
		       "fixed-output= and user=, each with patterns that '|' separates",
		       where, word);
}

static int check_patterns(const char *where, const struct policy_condition *c, struct err *e)
{
	if (!c->patterns.n)
		return err_set(e, ERR_INPUT, "%s: the condition '%s=' has no pattern", where,
			       what_names[c->what]);
	for (size_t i = 0; c->what == POLICY_FIXED_OUTPUT && i < c->patterns.n; i++)
		if (!str_eq(c->patterns.items[i], "true") && !str_eq(c->patterns.items[i], "false"))
			return err_set(e, ERR_INPUT,
				       "%s: 'fixed-output' is '%s', allowed is true or false",
				       where, c->patterns.items[i]);
	return 0;
}

/* Add to S the condition WORD, which is NAME=PATTERN|PATTERN. */
static int add_condition(struct policy_section *s, const char *word, struct err *e)
{
	const char *equals = strchr(word, '=');
	const size_t len = equals ? (size_t)(equals - word) : 0;
	void *items = s->conditions;

	for (size_t i = 0; equals && i < ARRAY_SIZE(what_names); i++) {
		if (strlen(what_names[i]) != len || memcmp(what_names[i], word, len) != 0)
			continue;
		struct policy_condition *c = append(&items, s->n_conditions, CONDITIONS_MAX,
						    sizeof *c, "conditions", s->where, e);
		if (!c)
			return -1;
		s->conditions = items;
		s->n_conditions++;
		c->what = (enum policy_what)i;
		return strv_split(&c->patterns, equals + 1, "|", e) < 0 ||
				       check_patterns(s->where, c, e) < 0
			       ? -1
			       : 0;
	}
	return unknown_condition(s->where, word, e);
}

/* Make S a `class` section. Blanks separate system features, so its name is one word. */
static int set_feature(struct policy_section *s, const struct strv *words, struct err *e)
{
	if (words->n != 2)
		return err_set(e, ERR_INPUT, "%s: a class has one name: '[class oci-mem-16g]'",
			       s->where);
	s->feature = str_dup(words->items[1], e);
	return s->feature ? 0 : -1;
}

static int parse_header(struct policy_section *s, const struct strv *words, struct err *e)
{
	const char *kind = words->n ? words->items[0] : "";

	if (str_eq(kind, "class"))
		return set_feature(s, words, e);
	if (!str_eq(kind, "match"))
		return err_set(e, ERR_INPUT,
			       "%s: there is no section '%s'; there are [match NAME=PATTERN ...] "
			       "and [class FEATURE]",
			       s->where, kind);
	if (words->n < 2)
		return err_set(e, ERR_INPUT,
			       "%s: [match] has no condition; a key for all builds stands before "
			       "the first section",
			       s->where);
	for (size_t i = 1; i < words->n; i++)
		if (add_condition(s, words->items[i], e) < 0)
			return -1;
	return 0;
}

/* Return WORDS with one blank between them. Heap. NULL: *E. */
static char *join(const struct strv *words, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(ERR_MSG_MAX);

	for (size_t i = 0; i < words->n; i++)
		if (buf_addf(&b, e, "%s%s", i ? " " : "", words->items[i]) < 0)
			return NULL;
	return str_dup(b.data ? b.data : "", e);
}

int policy_begin(struct policy *p, const char *where, char *header, struct err *e)
{
	scoped_strv struct strv words = STRV_INIT;
	void *items = p->sections;

	if (strv_split(&words, header, CONF_BLANKS, e) < 0)
		return -1;
	struct policy_section *s =
		append(&items, p->n, SECTIONS_MAX, sizeof *s, "sections", where, e);
	if (!s)
		return -1;
	p->sections = items;
	p->n++;
	s->where = str_dup(where, e);
	s->header = s->where ? join(&words, e) : NULL;
	return s->header ? parse_header(s, &words, e) : -1;
}

/*
 * Check that a section may set the key NAME to VALUE: by setting it in a configuration that is
 * thrown away.
 */
static int try_setting(const char *where, const char *name, const char *value, struct err *e)
{
	struct conf scratch = CONF_INIT;
	const int rc = conf_set(&scratch, where, name, value, e);
	const struct conf_key *key;

	conf_keys_done(&scratch);
	if (rc < 0)
		return -1;
	key = conf_key_find(name);
	if (key->machine)
		return err_set(e, ERR_INPUT,
			       "%s: the key '%s' holds for the whole machine; it has to stand "
			       "before the first section",
			       where, name);
	return 0;
}

int policy_add(struct policy *p, const char *where, const char *key, const char *value,
	       struct err *e)
{
	struct policy_section *s = &p->sections[p->n - 1];
	void *items = s->settings;

	if (try_setting(where, key, value, e) < 0)
		return -1;
	struct policy_setting *new =
		append(&items, s->n_settings, SETTINGS_MAX, sizeof *new, "keys", where, e);
	if (!new)
		return -1;
	s->settings = items;
	s->n_settings++;
	new->where = str_dup(where, e);
	new->key = new->where ? str_dup(key, e) : NULL;
	new->value = new->key ? str_dup(value, e) : NULL;
	return new->value ? 0 : -1;
}

static bool matches(const struct policy_condition *c, const char *text)
{
	for (size_t i = 0; text && i < c->patterns.n; i++)
		if (fnmatch(c->patterns.items[i], text, 0) == 0)
			return true;
	return false;
}

static bool has_feature(const struct policy_condition *c, const struct strv *features)
{
	for (size_t i = 0; features && i < features->n; i++)
		if (matches(c, features->items[i]))
			return true;
	return false;
}

static bool condition_met(const struct policy_condition *c, const struct policy_subject *s)
{
	switch (c->what) {
	case POLICY_NAME:
		return matches(c, s->name);
	case POLICY_PNAME:
		return matches(c, s->pname);
	case POLICY_SYSTEM:
		return matches(c, s->system);
	case POLICY_FEATURE:
		return has_feature(c, s->features);
	case POLICY_FIXED_OUTPUT:
		return matches(c, s->fixed_output ? "true" : "false");
	case POLICY_USER:
		return matches(c, s->user);
	}
	return false;
}

bool policy_section_holds(const struct policy_section *s, const struct policy_subject *subject)
{
	if (s->feature)
		return subject->features && strv_has(subject->features, s->feature);
	for (size_t i = 0; i < s->n_conditions; i++)
		if (!condition_met(&s->conditions[i], subject))
			return false;
	return true;
}

int policy_features(const struct policy *p, struct strv *ret, struct err *e)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->sections[i].feature && strv_add(ret, p->sections[i].feature, e) < 0)
			return -1;
	return 0;
}

int policy_narrow(struct conf *c, const struct policy_subject *subject, struct err *e)
{
	for (size_t i = 0; i < c->policy.n; i++) {
		const struct policy_section *s = &c->policy.sections[i];

		if (!policy_section_holds(s, subject))
			continue;
		for (size_t k = 0; k < s->n_settings; k++) {
			const struct policy_setting *set = &s->settings[k];

			if (!strv_has(&c->overridden, set->key) &&
			    conf_set(c, set->where, set->key, set->value, e) < 0)
				return -1;
		}
	}
	policy_done(&c->policy);
	return 0;
}

int policy_print(const struct conf *c, struct buf *b, struct err *e)
{
	for (size_t i = 0; i < c->policy.n; i++) {
		const struct policy_section *s = &c->policy.sections[i];

		if (buf_addf(b, e, "\n[%s]\n", s->header) < 0)
			return -1;
		for (size_t k = 0; k < s->n_settings; k++)
			if (!strv_has(&c->overridden, s->settings[k].key) &&
			    buf_addf(b, e, "%s = %s\n", s->settings[k].key, s->settings[k].value) <
				    0)
				return -1;
	}
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/nix/settings.h"

#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Return the position of NAME, or if *FOUND becomes false, the position at which to insert it. */
static size_t find(const struct settings *s, const char *name, bool *found)
{
	size_t lo = 0, hi = s->n;

	/* Nix sends settings in order, so look at the end first. */
	if (hi && strcmp(s->items[hi - 1].name, name) < 0)
		lo = hi;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(s->items[mid].name, name);

		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = false;
	return lo;
}

int settings_set(struct settings *s, const char *name, const char *value, struct err *e)
{
	bool found;
	size_t at = find(s, name, &found);
	scoped_free char *v = str_dup(value, e);

	if (!v)
		return -1;
	if (found) {
		free(s->items[at].value);
		s->items[at].value = TAKE(v, NULL);
		return 0;
	}
	scoped_free char *n = str_dup(name, e);
	if (!n || mem_grow(&s->items, &s->cap, s->n + 1, sizeof *s->items, e) < 0)
		return -1;
	memmove(s->items + at + 1, s->items + at, (s->n - at) * sizeof *s->items);
	s->items[at] = (struct setting){TAKE(n, NULL), TAKE(v, NULL)};
	s->n++;
	return 0;
}

const char *settings_get(const struct settings *s, const char *name)
{
	bool found;
	size_t at = find(s, name, &found);

	return found ? s->items[at].value : NULL;
}

int settings_bool(const struct settings *s, const char *name, bool def, bool *ret, struct err *e)
{
	const char *v = settings_get(s, name);

	if (v && !str_eq(v, "true") && !str_eq(v, "false"))
		return err_set(e, ERR_INPUT, "Nix's setting '%s' is '%s', not 'true' or 'false'",
			       name, v);
	*ret = v ? str_eq(v, "true") : def;
	return 0;
}

int settings_u64(const struct settings *s, const char *name, uint64_t def, uint64_t *ret,
		 struct err *e)
{
	const char *v = settings_get(s, name);
	uint64_t n = def;

	if (v && !num_parse_u64(v, strlen(v), UINT64_MAX, &n))
		return err_set(e, ERR_INPUT, "Nix's setting '%s' is '%s', not a number", name, v);
	*ret = n;
	return 0;
}

int settings_list(const struct settings *s, const char *name, struct strv *ret, struct err *e)
{
	const char *v = settings_get(s, name);

	return v ? strv_split(ret, v, SETTINGS_BLANKS, e) : 0;
}

bool settings_of_2_32(const struct settings *s)
{
	return settings_get(s, "external-builders") != NULL;
}

bool settings_of_2_31(const struct settings *s)
{
	return settings_of_2_32(s) || settings_get(s, "warn-short-path-literals") != NULL;
}

const char *settings_quote(const struct settings *s)
{
	return settings_of_2_32(s) ? "\"" : "'";
}

void settings_done(struct settings *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->items[i].name);
		free(s->items[i].value);
	}
	free(s->items);
	*s = (struct settings)SETTINGS_INIT;
}

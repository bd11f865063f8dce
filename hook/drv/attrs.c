/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/drv/attrs.h"

#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define BLANKS " \t\n\r"

int attrs_open(struct attrs *a, const struct drv *d, struct err *e)
{
	scoped_attrs struct attrs n = {d, false, JDOC_INIT};
	size_t len;
	const char *json = drv_env(d, ATTRS_JSON_KEY, &len);

	if (json) {
		n.structured = true;
		if (jdoc_parse(json, len, &n.doc, e) < 0)
			return err_wrap(e, "cannot process __json attribute");
		if (n.doc.type != JDOC_OBJECT)
			return err_set(e, ERR_INPUT,
				       "cannot process __json attribute: it is no JSON object");
	}
	*a = n;
	n = (struct attrs)ATTRS_INIT;
	return 0;
}

void attrs_done(struct attrs *a)
{
	jdoc_done(&a->doc);
	a->drv = NULL;
	a->structured = false;
}

bool attrs_has(const struct attrs *a, const char *name)
{
	return a->structured ? jdoc_get(&a->doc, name) != NULL
			     : drv_env(a->drv, name, NULL) != NULL;
}

const char *attrs_text(const struct attrs *a, const char *name)
{
	const char *text;
	size_t len;

	if (a->structured)
		return jdoc_text(jdoc_get(&a->doc, name));
	text = drv_env(a->drv, name, &len);
	return text && strlen(text) == len ? text : NULL;
}

int attrs_bool(const struct attrs *a, const char *name, bool def, bool *ret, struct err *e)
{
	const struct jdoc *v;
	const char *text;
	size_t len;

	if (!attrs_has(a, name)) {
		*ret = def;
		return 0;
	}
	if (!a->structured) {
		text = drv_env(a->drv, name, &len);
		*ret = len == 1 && text[0] == '1';
		return 0;
	}
	v = jdoc_get(&a->doc, name);
	if (v->type != JDOC_BOOL)
		return err_set(e, ERR_INPUT, "attribute '%s' of the derivation must be a Boolean",
			       name);
	*ret = v->boolean;
	return 0;
}

int attrs_strings(const struct jdoc *v, const char *what, struct strv *ret, struct err *e)
{
	const char *s;

	if (v->type != JDOC_ARRAY)
		goto wrong;
	for (size_t i = 0; i < v->array.n; i++) {
		s = jdoc_text(&v->array.items[i]);
		if (!s)
			goto wrong;
		if (strv_add(ret, s, e) < 0)
			return -1;
	}
	return 0;
wrong:
	return err_set(e, ERR_INPUT, "attribute '%s' of the derivation must be a list of strings",
		       what);
}

int attrs_list(const struct attrs *a, const char *name, struct strv *ret, struct err *e)
{
	const char *text;
	size_t len;

	if (!attrs_has(a, name))
		return 0;
	if (a->structured)
		return attrs_strings(jdoc_get(&a->doc, name), name, ret, e);
	text = drv_env(a->drv, name, &len);
	if (strlen(text) != len)
		return err_set(e, ERR_INPUT, "attribute '%s' of the derivation contains a NUL byte",
			       name);
	return strv_split(ret, text, BLANKS, e);
}

bool drv_env_bool(const struct drv *d, const char *key)
{
	scoped_attrs struct attrs a = ATTRS_INIT;
	struct err ignored = ERR_INIT; /* a value that is no Boolean counts as false */
	bool v;

	return attrs_open(&a, d, &ignored) == 0 && attrs_bool(&a, key, false, &v, &ignored) == 0 &&
	       v;
}

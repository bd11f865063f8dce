/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The grammar of derivation files, as Nix writes it (derivations.cc, unparse()):
 *
 *	drv       = "Derive(" body ")" | "DrvWithVersion(" "\"xp-dyn-drv\"" "," body ")"
 *	body      = outputs "," inputDrvs "," strs "," str "," str "," strs "," env
 *	outputs   = "[" { "(" name "," path "," hashAlgo "," hash ")" } "]"
 *	inputDrvs = "[" { "(" path "," node ")" } "]"
 *	node      = strs | "(" strs "," "[" { "(" name "," node ")" } "]" ")"
 *	env       = "[" { "(" key "," value ")" } "]"
 *	strs      = "[" { str } "]"
 *
 * with commas between the elements of a list and no white space anywhere. Every derivation has one
 * spelling, except for the order of its lists: `"`, `\`, LF, CR and TAB are always escaped, and
 * nothing else is; all lists except the builder's arguments are sets; the second forms are used
 * only where they are needed. Nix writes sets sorted and reads them in any order, so they are
 * sorted here. A file that is read here is what drv_print() writes, if its sets are sorted.
 */
#include "hook/drv/derivation_internal.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Most elements of a list: some hundred times as many as nixpkgs needs. */
#define DRV_LIST_MAX (1u << 20)

struct cur {
	const char *start, *p, *end;
	bool versioned; /* the text begins with "DrvWithVersion": nodes may have children */
};

static int bad(const struct cur *c, struct err *e, const char *what)
{
	return err_set(e, ERR_INPUT, "%s at byte %zu", what, (size_t)(c->p - c->start));
}

static bool at(const struct cur *c, char byte)
{
	return c->p < c->end && *c->p == byte;
}

/* Move the cursor past TOKEN. False: TOKEN is not at the cursor. */
static bool skip(struct cur *c, const char *token)
{
	size_t n = strlen(token);

	if ((size_t)(c->end - c->p) < n || memcmp(c->p, token, n) != 0)
		return false;
	c->p += n;
	return true;
}

static int expect(struct cur *c, const char *token, struct err *e)
{
	if (skip(c, token))
		return 0;
	return err_set(e, ERR_INPUT, "expected string '%s' at byte %zu", token,
		       (size_t)(c->p - c->start));
}

/* Return the byte that the escape \C stands for. -1: Nix writes no such escape. */
static int unescape(char c)
{
	switch (c) {
	case '"':
	case '\\':
		return c;
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return -1;
	}
}

/* Find the quote that ends the string at the cursor, and count the escapes before it. */
static int scan_string(struct cur *c, const char **ret_end, size_t *ret_escapes, struct err *e)
{
	size_t escapes = 0;

	for (const char *p = c->p; p < c->end; p++) {
		if (*p == '"') {
			*ret_end = p;
			*ret_escapes = escapes;
			return 0;
		}
		if (*p == '\n' || *p == '\r' || *p == '\t') {
			c->p = p;
			return bad(c, e, "a line feed, carriage return or tab is not escaped");
		}
		if (*p != '\\')
			continue;
		if (++p == c->end)
			break;
		if (unescape(*p) < 0) {
			c->p = p;
			return bad(c, e, "an unknown escape");
		}
		escapes++;
	}
	return bad(c, e, "unterminated string in derivation");
}

/* Read a string of any bytes. Heap, *RET_LEN bytes and a NUL. NULL: *E. */
static char *take_bytes(struct cur *c, size_t *ret_len, struct err *e)
{
	const char *end = NULL;
	size_t escapes = 0, len;

	if (expect(c, "\"", e) < 0 || scan_string(c, &end, &escapes, e) < 0)
		return NULL;
	len = (size_t)(end - c->p) - escapes;
	char *s = mem_new(len + 1, 1, e);
	if (!s)
		return NULL;
	if (escapes == 0) {
		memcpy(s, c->p, len);
	} else {
		for (char *to = s; c->p < end; c->p++)
			*to++ = *c->p == '\\' ? (char)unescape(*++c->p) : *c->p;
	}
	c->p = end + 1;
	*ret_len = len;
	return s;
}

/* Read a string that must not contain a NUL: a path, a name or an argument. Heap. NULL: *E. */
static char *take_string(struct cur *c, struct err *e)
{
	const char *from = c->p;
	size_t len;
	scoped_free char *s = take_bytes(c, &len, e);

	if (!s)
		return NULL;
	if (memchr(s, '\0', len)) {
		c->p = from;
		bad(c, e, "a NUL byte in the string");
		return NULL;
	}
	return TAKE(s, NULL);
}

/* Read a string that Nix writes without escaping it, so it must need no escape. Heap. NULL: *E. */
static char *take_plain(struct cur *c, struct err *e)
{
	const char *from = c->p;
	scoped_free char *s = take_string(c, e);

	if (!s)
		return NULL;
	if (strpbrk(s, "\"\\\n\r\t")) {
		c->p = from;
		bad(c, e, "a quote, backslash or control byte in the string");
		return NULL;
	}
	return TAKE(s, NULL);
}

/*
 * Move the cursor on after N elements of a list.
 * Returns 1: the next element is at the cursor; 0: the list has ended; -1: *E.
 */
static int more(struct cur *c, size_t n, struct err *e)
{
	if (at(c, ']')) {
		c->p++;
		return 0;
	}
	if (n && expect(c, ",", e) < 0)
		return -1;
	if (n >= DRV_LIST_MAX)
		return err_set(e, ERR_LIMIT, "a list has more than %u elements", DRV_LIST_MAX);
	return 1;
}

typedef int compare_fn(const void *a, const void *b);

/* Return the name of ITEM, the first field of all that is sorted here. */
static const char *name_of(const void *item)
{
	return *(char *const *)item;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(name_of(a), name_of(b));
}

static int compare_env(const void *a, const void *b)
{
	const struct drv_env *x = a, *y = b;

	return drv_compare(x->key, x->key_len, y->key, y->key_len);
}

/* Sort the N items at ITEMS, each of SIZE bytes and a WHAT in messages. Two of one name: *E. */
static int sort_set(const char *what, void *items, size_t n, size_t size, compare_fn *compare,
		    struct err *e)
{
	static_assert(offsetof(struct drv_output, name) == 0, "name_of()");
	static_assert(offsetof(struct drv_input, path) == 0, "name_of()");
	static_assert(offsetof(struct drv_dynamic, output) == 0, "name_of()");
	static_assert(offsetof(struct drv_env, key) == 0, "name_of()");
	const char *p = items;

	if (n < 2)
		return 0;
	qsort(items, n, size, compare);
	for (size_t i = 1; i < n; i++)
		if (compare(p + (i - 1) * size, p + i * size) == 0)
			return err_set(e, ERR_INPUT, "%s '%s' stands twice", what,
				       name_of(p + i * size));
	return 0;
}

/* Read a list of strings. If SET_OF is not NULL, it names them, and they are a set: sort them. */
static int take_strs(struct cur *c, const char *set_of, struct strv *ret, struct err *e)
{
	scoped_strv struct strv v = STRV_INIT;
	int rc;

	if (expect(c, "[", e) < 0)
		return -1;
	while ((rc = more(c, v.n, e)) > 0) {
		char *s = set_of ? take_plain(c, e) : take_string(c, e);

		if (!s || strv_take(&v, s, e) < 0)
			return -1;
	}
	if (rc < 0)
		return -1;
	if (set_of && sort_set(set_of, v.items, v.n, sizeof *v.items, compare_names, e) < 0)
		return -1;
	*ret = TAKE(v, (struct strv)STRV_INIT);
	return 0;
}

static int take_output(struct cur *c, struct drv_output *o, struct err *e)
{
	if (expect(c, "(", e) < 0 || !(o->name = take_plain(c, e)) || expect(c, ",", e) < 0 ||
	    !(o->path_text = take_plain(c, e)) || expect(c, ",", e) < 0 ||
	    !(o->hash_algo = take_plain(c, e)) || expect(c, ",", e) < 0 ||
	    !(o->hash_text = take_plain(c, e)) || expect(c, ")", e) < 0)
		return -1;
	return 0;
}

static int take_outputs(struct cur *c, struct drv *d, struct err *e)
{
	size_t cap = 0;
	int rc;

	if (expect(c, "[", e) < 0)
		return -1;
	while ((rc = more(c, d->n_outputs, e)) > 0) {
		if (mem_grow(&d->outputs, &cap, d->n_outputs + 1, sizeof *d->outputs, e) < 0)
			return -1;
		struct drv_output *o = &d->outputs[d->n_outputs++];
		*o = (struct drv_output){.name = NULL};
		if (take_output(c, o, e) < 0)
			return -1;
	}
	if (rc < 0)
		return -1;
	return sort_set("output", d->outputs, d->n_outputs, sizeof *d->outputs, compare_names, e);
}

static int take_node(struct cur *c, unsigned depth, struct drv_node *n, struct err *e);

/* Read the children of a node: outputs that are derivations, and the wanted outputs of these. */
static int take_children(struct cur *c, unsigned depth, struct drv_node *n, struct err *e)
{
	size_t cap = 0;
	int rc;

	if (depth == DRV_DYNAMIC_DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "outputs of outputs are nested deeper than %d levels",
			       DRV_DYNAMIC_DEPTH_MAX);
	if (expect(c, "[", e) < 0)
		return -1;
	while ((rc = more(c, n->n_dynamic, e)) > 0) {
		if (mem_grow(&n->dynamic, &cap, n->n_dynamic + 1, sizeof *n->dynamic, e) < 0)
			return -1;
		struct drv_dynamic *y = &n->dynamic[n->n_dynamic++];
		*y = (struct drv_dynamic){.output = NULL};
		if (expect(c, "(", e) < 0 || !(y->output = take_plain(c, e)) ||
		    expect(c, ",", e) < 0 || take_node(c, depth + 1, &y->node, e) < 0 ||
		    expect(c, ")", e) < 0)
			return -1;
	}
	if (rc < 0)
		return -1;
	if (n->n_dynamic == 0)
		return bad(c, e, "an empty list of outputs of outputs");
	return sort_set("output of an input", n->dynamic, n->n_dynamic, sizeof *n->dynamic,
			compare_names, e);
}

static int take_node(struct cur *c, unsigned depth, struct drv_node *n, struct err *e)
{
	if (!at(c, '('))
		return take_strs(c, "output of an input", &n->outputs, e);
	if (!c->versioned)
		return bad(c, e, "an output of an output, which only DrvWithVersion may have,");
	if (expect(c, "(", e) < 0 || take_strs(c, "output of an input", &n->outputs, e) < 0 ||
	    expect(c, ",", e) < 0 || take_children(c, depth, n, e) < 0)
		return -1;
	return expect(c, ")", e);
}

static int take_inputs(struct cur *c, struct drv *d, struct err *e)
{
	size_t cap = 0;
	int rc;

	if (expect(c, "[", e) < 0)
		return -1;
	while ((rc = more(c, d->n_inputs, e)) > 0) {
		if (mem_grow(&d->inputs, &cap, d->n_inputs + 1, sizeof *d->inputs, e) < 0)
			return -1;
		struct drv_input *i = &d->inputs[d->n_inputs++];
		*i = (struct drv_input){.path = NULL};
		if (expect(c, "(", e) < 0 || !(i->path = take_plain(c, e)) ||
		    expect(c, ",", e) < 0 || take_node(c, 0, &i->node, e) < 0 ||
		    expect(c, ")", e) < 0)
			return -1;
	}
	if (rc < 0)
		return -1;
	return sort_set("input derivation", d->inputs, d->n_inputs, sizeof *d->inputs,
			compare_names, e);
}

static int take_env(struct cur *c, struct drv *d, struct err *e)
{
	size_t cap = 0;
	int rc;

	if (expect(c, "[", e) < 0)
		return -1;
	while ((rc = more(c, d->n_env, e)) > 0) {
		if (mem_grow(&d->env, &cap, d->n_env + 1, sizeof *d->env, e) < 0)
			return -1;
		struct drv_env *v = &d->env[d->n_env++];
		*v = (struct drv_env){.key = NULL};
		if (expect(c, "(", e) < 0 || !(v->key = take_bytes(c, &v->key_len, e)) ||
		    expect(c, ",", e) < 0 || !(v->value = take_bytes(c, &v->value_len, e)) ||
		    expect(c, ")", e) < 0)
			return -1;
	}
	if (rc < 0)
		return -1;
	return sort_set("environment variable", d->env, d->n_env, sizeof *d->env, compare_env, e);
}

static int take_version(struct cur *c, struct drv *d, struct err *e)
{
	scoped_free char *version = NULL;

	if (skip(c, "Derive("))
		return 0;
	if (!skip(c, "DrvWithVersion("))
		return err_set(e, ERR_INPUT,
			       "derivation does not start with 'Derive' or 'DrvWithVersion'");
	version = take_string(c, e);
	if (!version)
		return -1;
	if (!str_eq(version, DRV_DYNAMIC_VERSION))
		return err_set(e, ERR_INPUT, "Unknown derivation ATerm format version '%s'",
			       version);
	c->versioned = d->dynamic = true;
	return expect(c, ",", e);
}

static int take_body(struct cur *c, struct drv *d, struct err *e)
{
	if (take_outputs(c, d, e) < 0 || expect(c, ",", e) < 0 || take_inputs(c, d, e) < 0 ||
	    expect(c, ",", e) < 0 || take_strs(c, "input source", &d->srcs, e) < 0 ||
	    expect(c, ",", e) < 0 || !(d->system = take_plain(c, e)) || expect(c, ",", e) < 0 ||
	    !(d->builder = take_string(c, e)) || expect(c, ",", e) < 0 ||
	    take_strs(c, NULL, &d->args, e) < 0 || expect(c, ",", e) < 0 || take_env(c, d, e) < 0)
		return -1;
	return expect(c, ")", e);
}

static bool has_children(const struct drv *d)
{
	for (size_t i = 0; i < d->n_inputs; i++)
		if (d->inputs[i].node.n_dynamic)
			return true;
	return false;
}

int drv_parse_aterm(const char *text, size_t len, struct drv *ret, struct err *e)
{
	scoped_drv struct drv d = DRV_INIT;
	struct cur c = {text, text, text + len, false};

	if (len == 0)
		return err_set(e, ERR_INPUT, "file is empty (possible filesystem corruption)");
	if (len > DRV_BYTES_MAX)
		return err_set(e, ERR_LIMIT, "larger than the limit of %u bytes", DRV_BYTES_MAX);
	if (take_version(&c, &d, e) < 0 || take_body(&c, &d, e) < 0)
		return -1;
	if (c.p != c.end)
		return bad(&c, e, "something follows the end of the derivation");
	if (d.dynamic && !has_children(&d))
		return err_set(e, ERR_INPUT, "'DrvWithVersion' without any output of an output");
	*ret = TAKE(d, (struct drv)DRV_INIT);
	return 0;
}

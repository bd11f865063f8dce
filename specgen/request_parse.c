/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON -> request. A stranger's text is read alike by each library with parson's API (parson itself
 * or jansson). Where they differ (text after the value, depth, NULs, encoding), scan() refuses the
 * text before the library sees it. The scan knows only the grammar of strings.
 */
#include "specgen/request.h"

#include <parson.h>
#include <stdio.h>
#include <string.h>

#include "nar/base/scope.h"
#include "specgen/json.h"

#include "nar/base/banned.h"

/* A request is at most 4 deep: {"inputs": [{"path": {"base64": ...}}]}. */
#define DEPTH_MAX 8
/* 2^53: a double cannot hold every whole number above it. */
#define NUMBER_MAX 9007199254740992.0

static inline void scope_json(JSON_Value **v)
{
	if (*v)
		json_value_free(*v);
}
#define scoped_json __attribute__((cleanup(scope_json)))

/* An object of the document, and its name in messages ("inputs at position 3"; "" at the top). */
struct node {
	const JSON_Object *o;
	char where[64];
};

static int refuse(struct err *e, const struct node *n, const char *key, const char *why)
{
	return err_set(e, ERR_INPUT, "request: %s%s%s: %s", n->where, n->where[0] ? ": " : "", key,
		       why);
}

/*
 * Skip the string that starts at P.
 * Returns the byte after it; NULL: the string is unfinished or contains an escaped NUL.
 */
static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++) {
		if (*p != '\\')
			continue;
		if (end - p < 2 || (end - p >= 6 && memcmp(p, "\\u0000", 6) == 0))
			return NULL;
		p++;
	}
	return p < end ? p + 1 : NULL;
}

static int scan(const char *json, size_t len, struct err *e)
{
	const char *p = json, *end = json + len;
	unsigned depth = 0;
	bool done = false;

	if (!text_is_utf8(json, len))
		return err_set(e, ERR_INPUT, "request: not UTF-8, or with a NUL in it");
	while (p < end) {
		size_t at = (size_t)(p - json);
		if (strchr(" \t\r\n", *p)) {
			p++;
			continue;
		}
		if (done)
			return err_set(e, ERR_INPUT,
				       "request: something follows the JSON at byte %zu", at);
		if (*p == '"') {
			p = skip_string(p, end);
			if (!p)
				return err_set(e, ERR_INPUT,
					       "request: unfinished string, or one with a NUL, at "
					       "byte %zu",
					       at);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && depth > 0)
			done = --depth == 0;
		if (depth > DEPTH_MAX)
			return err_set(e, ERR_LIMIT,
				       "request: nested deeper than %d levels at byte %zu",
				       DEPTH_MAX, at);
		p++;
	}
	return 0;
}

/* Refuse a key that is not in KEYS, which NULL ends. */
static int only_keys(const struct node *n, const char *const *keys, struct err *e)
{
	size_t count = json_object_get_count(n->o);

	/* Keys are distinct: an unknown one is found after as many rounds as there are KEYS. */
	for (size_t i = 0; i < count; i++) {
		const char *name = json_object_get_name(n->o, i);
		size_t k = 0;
		while (keys[k] && !str_eq(keys[k], name))
			k++;
		if (!keys[k])
			return err_set(e, ERR_INPUT, "request: %s%sunknown key '%.100s'", n->where,
				       n->where[0] ? ": " : "", name);
	}
	return 0;
}

/* A value of an object: V, which stands under KEY in N. */
struct field {
	const struct node *n;
	const char *key;
	const JSON_Value *v;
};

/* Read the bytes of F: {"base64": "..."}, or {WORD: "..."}, or "..." if WORD is NULL. */
static int get_value_bytes(const struct field *f, const char *word, char **ret, size_t *ret_len,
			   struct err *e)
{
	const JSON_Object *o = json_value_get_object(f->v);
	const char *text = word ? json_object_get_string(o, word) : json_value_get_string(f->v);
	const char *base64 = json_object_get_string(o, "base64");
	scoped_buf struct buf b = BUF_INIT(REQ_JSON_MAX);
	char *s;

	if ((o && json_object_get_count(o) != 1) || (!text && !base64))
		return refuse(e, f->n, f->key,
			      word ? "not {\"text\": \"...\"} or {\"base64\": \"...\"}"
				   : "not a string or {\"base64\": \"...\"}");
	if (text) {
		*ret_len = strlen(text);
		s = str_ndup(text, *ret_len, e);
	} else {
		if (!text_from_base64(base64, &b, e))
			return err_is_set(e) ? -1 : refuse(e, f->n, f->key, "not base64");
		*ret_len = b.len;
		s = buf_steal(&b, e);
	}
	if (!s)
		return -1;
	*ret = s;
	return 0;
}

static int get_value_string(const struct field *f, char **ret, struct err *e)
{
	scoped_free char *s = NULL;
	size_t len;

	if (get_value_bytes(f, NULL, &s, &len, e) < 0)
		return -1;
	if (memchr(s, '\0', len))
		return refuse(e, f->n, f->key, "holds a NUL");
	*ret = TAKE(s, NULL);
	return 0;
}

static int get_string(const struct node *n, const char *key, char **ret, struct err *e)
{
	const struct field f = {n, key, json_object_get_value(n->o, key)};

	return f.v ? get_value_string(&f, ret, e) : refuse(e, n, key, "missing");
}

static int get_opt(const struct node *n, const char *key, char **ret, struct err *e)
{
	return json_object_get_value(n->o, key) ? get_string(n, key, ret, e) : 0;
}

static int get_bytes(const struct node *n, const char *key, char **ret, size_t *ret_len,
		     struct err *e)
{
	const struct field f = {n, key, json_object_get_value(n->o, key)};

	return get_value_bytes(&f, "text", ret, ret_len, e);
}

static int get_bool(const struct node *n, const char *key, bool *ret, struct err *e)
{
	const JSON_Value *v = json_object_get_value(n->o, key);

	if (!v)
		return 0;
	if (json_value_get_type(v) != JSONBoolean)
		return refuse(e, n, key, "not true or false");
	*ret = json_value_get_boolean(v) == 1;
	return 0;
}

static int get_u64(const struct node *n, const char *key, uint64_t max, uint64_t *ret,
		   struct err *e)
{
	const JSON_Value *v = json_object_get_value(n->o, key);
	double d;

	if (!v)
		return 0;
	d = json_value_get_number(v);
	if (json_value_get_type(v) != JSONNumber || !(d >= 0 && d <= NUMBER_MAX) ||
	    d != (double)(uint64_t)d || (uint64_t)d > max)
		return refuse(e, n, key, "not a whole number from 0 to 2^53");
	*ret = (uint64_t)d;
	return 0;
}

/* Find the array KEY. If it is missing, *RET is NULL, which parson's API takes as empty. */
static int get_array(const struct node *n, const char *key, const JSON_Array **ret, struct err *e)
{
	const JSON_Value *v = json_object_get_value(n->o, key);

	if (v && json_value_get_type(v) != JSONArray)
		return refuse(e, n, key, "not an array");
	*ret = json_value_get_array(v);
	return 0;
}

static int get_list(const struct node *n, const char *key, struct strv *ret, struct err *e)
{
	const JSON_Array *a;

	if (get_array(n, key, &a, e) < 0)
		return -1;
	for (size_t i = 0; i < json_array_get_count(a); i++) {
		char label[64], *s = NULL;
		const struct field f = {n, label, json_array_get_value(a, i)};
		snprintf(label, sizeof label, "%s at position %zu", key, i);
		if (get_value_string(&f, &s, e) < 0 || strv_take(ret, s, e) < 0)
			return -1;
	}
	return 0;
}

typedef int element_fn(const struct node *n, struct request *r, struct err *e);

/* Call FN for each object in the array KEY. */
static int each_object(const struct node *n, const char *key, element_fn *fn, struct request *r,
		       struct err *e)
{
	const JSON_Array *a;

	if (get_array(n, key, &a, e) < 0)
		return -1;
	for (size_t i = 0; i < json_array_get_count(a); i++) {
		struct node at = {json_array_get_object(a, i), ""};
		snprintf(at.where, sizeof at.where, "%s at position %zu", key, i);
		if (!at.o)
			return refuse(e, n, at.where, "not an object");
		if (fn(&at, r, e) < 0)
			return -1;
	}
	return 0;
}

/*
 * Refuse an element whose key S is not after LAST, the key of the element before. req_add_*() would
 * sort and merge such elements silently. req_print() never prints them, so this request was made by
 * hand.
 */
static int in_order(const struct node *n, const char *last, const char *key, const char *s,
		    struct err *e)
{
	return !last || strcmp(last, s) < 0 ? 0 : refuse(e, n, key, "not sorted, or stands twice");
}

static int parse_input(const struct node *n, struct request *r, struct err *e)
{
	static const char *const keys[] = {"path", "source", "nar_hash", NULL};
	const char *last = r->n_inputs ? r->inputs[r->n_inputs - 1].path : NULL;
	scoped_free char *path = NULL;
	scoped_free char *source = NULL;
	scoped_free char *nar_hash = NULL;

	if (only_keys(n, keys, e) < 0 || get_string(n, "path", &path, e) < 0 ||
	    get_opt(n, "source", &source, e) < 0 || get_opt(n, "nar_hash", &nar_hash, e) < 0 ||
	    in_order(n, last, "path", path, e) < 0)
		return -1;
	return req_add_input(r, path, source, nar_hash, e);
}

static int parse_output(const struct node *n, struct request *r, struct err *e)
{
	static const char *const keys[] = {"name", "path", NULL};
	const char *last = r->n_outputs ? r->outputs[r->n_outputs - 1].path : NULL;
	scoped_free char *name = NULL;
	scoped_free char *path = NULL;

	if (only_keys(n, keys, e) < 0 || get_string(n, "name", &name, e) < 0 ||
	    get_string(n, "path", &path, e) < 0 || in_order(n, last, "path", path, e) < 0)
		return -1;
	return req_add_output(r, name, path, e);
}

static int parse_env(const struct node *n, struct request *r, struct err *e)
{
	static const char *const keys[] = {"key", "value", NULL};
	const char *last = r->n_env ? r->env[r->n_env - 1].key : NULL;
	scoped_free char *key = NULL;
	scoped_free char *value = NULL;
	size_t len;

	if (only_keys(n, keys, e) < 0 || get_string(n, "key", &key, e) < 0 ||
	    get_bytes(n, "value", &value, &len, e) < 0 || in_order(n, last, "key", key, e) < 0)
		return -1;
	return req_set_env(r, key, value, len, e);
}

/* Read a mode in octal digits: "0644". */
static int get_mode(const struct node *n, const char *key, uint32_t *ret, struct err *e)
{
	scoped_free char *s = NULL;
	size_t digits;
	uint32_t mode = 0;

	if (get_string(n, key, &s, e) < 0)
		return -1;
	digits = strspn(s, "01234567");
	if (digits < 1 || digits > 4 || s[digits])
		return refuse(e, n, key, "not up to four octal digits");
	for (size_t i = 0; i < digits; i++)
		mode = mode << 3 | (uint32_t)(s[i] - '0');
	*ret = mode;
	return 0;
}

static int parse_file(const struct node *n, struct request *r, struct err *e)
{
	static const char *const keys[] = {"path", "mode", "contents", NULL};
	const char *last = r->n_files ? r->files[r->n_files - 1].path : NULL;
	scoped_free char *path = NULL;
	scoped_free char *contents = NULL;
	uint32_t mode = 0;
	size_t len;

	if (only_keys(n, keys, e) < 0 || get_string(n, "path", &path, e) < 0 ||
	    get_mode(n, "mode", &mode, e) < 0 || get_bytes(n, "contents", &contents, &len, e) < 0 ||
	    in_order(n, last, "path", path, e) < 0)
		return -1;
	return req_add_file(r, path, mode, contents, len, e);
}

static int parse_host_path(const struct node *n, struct request *r, struct err *e)
{
	static const char *const keys[] = {"target", "source", "optional", "readonly", NULL};
	size_t count = r->constraints.n_host_paths;
	const char *last = count ? r->constraints.host_paths[count - 1].target : NULL;
	scoped_free char *target = NULL;
	scoped_free char *source = NULL;
	bool optional = false, readonly = false;

	if (only_keys(n, keys, e) < 0 || get_string(n, "target", &target, e) < 0 ||
	    get_string(n, "source", &source, e) < 0 || get_bool(n, "optional", &optional, e) < 0 ||
	    get_bool(n, "readonly", &readonly, e) < 0 || in_order(n, last, "target", target, e) < 0)
		return -1;
	return req_add_host_path(r, target, source, optional, readonly, e);
}

static int parse_constraints(const struct node *top, struct request *r, struct err *e)
{
	static const char *const keys[] = {"system",
					   "min_memory_bytes",
					   "host_paths",
					   "network_access",
					   "provide_bin_sh",
					   "uid_range",
					   "kvm",
					   "shm_size",
					   NULL};
	struct node n = {json_object_get_object(top->o, "constraints"), "constraints"};

	if (!n.o)
		return refuse(e, top, "constraints", "missing, or not an object");
	if (only_keys(&n, keys, e) < 0 || get_string(&n, "system", &r->constraints.system, e) < 0 ||
	    get_u64(&n, "min_memory_bytes", UINT64_MAX, &r->constraints.min_memory_bytes, e) < 0 ||
	    each_object(&n, "host_paths", parse_host_path, r, e) < 0 ||
	    get_bool(&n, "network_access", &r->constraints.network, e) < 0 ||
	    get_bool(&n, "provide_bin_sh", &r->constraints.provide_bin_sh, e) < 0 ||
	    get_bool(&n, "uid_range", &r->constraints.uid_range, e) < 0 ||
	    get_bool(&n, "kvm", &r->constraints.kvm, e) < 0)
		return -1;
	return get_opt(&n, "shm_size", &r->constraints.shm_size, e);
}

static int parse_version(const struct node *n, struct err *e)
{
	uint64_t version = 0;

	if (get_u64(n, "version", UINT64_MAX, &version, e) < 0)
		return -1;
	if (version != REQ_VERSION)
		return err_set(e, ERR_INPUT, "request: version: this program reads version %d only",
			       REQ_VERSION);
	return 0;
}

static int parse_top(const struct node *n, struct request *r, struct err *e)
{
	static const char *const keys[] = {
		"version",         "name",        "inputs",           "command_args",
		"argv0",           "working_dir", "scratch_paths",    "inputs_dir",
		"outputs",         "constraints", "environment_vars", "additional_files",
		"refscan_needles", NULL};

	/* Check the version first: another version may have other keys. */
	if (parse_version(n, e) < 0 || only_keys(n, keys, e) < 0 ||
	    get_string(n, "name", &r->name, e) < 0 ||
	    each_object(n, "inputs", parse_input, r, e) < 0 ||
	    get_list(n, "command_args", &r->args, e) < 0 || get_opt(n, "argv0", &r->argv0, e) < 0 ||
	    get_string(n, "working_dir", &r->working_dir, e) < 0 ||
	    get_list(n, "scratch_paths", &r->scratch_paths, e) < 0 ||
	    get_string(n, "inputs_dir", &r->inputs_dir, e) < 0 ||
	    each_object(n, "outputs", parse_output, r, e) < 0 ||
	    each_object(n, "environment_vars", parse_env, r, e) < 0 ||
	    parse_constraints(n, r, e) < 0 ||
	    each_object(n, "additional_files", parse_file, r, e) < 0)
		return -1;
	return get_list(n, "refscan_needles", &r->needles, e);
}

int req_parse(const char *json, size_t len, struct request *ret, struct err *e)
{
	struct request r = {0};
	scoped_free char *text = NULL;
	scoped_json JSON_Value *root = NULL;
	struct node top = {NULL, ""};

	if (len > REQ_JSON_MAX)
		return err_set(e, ERR_LIMIT, "request: larger than the limit of %u bytes",
			       REQ_JSON_MAX);
	if (scan(json, len, e) < 0)
		return -1;
	text = str_ndup(json, len, e);
	if (!text)
		return -1;
	root = json_parse_string(text);
	if (!root)
		return err_set(e, ERR_INPUT, "request: not JSON, or with a key twice");
	top.o = json_value_get_object(root);
	if (!top.o)
		return err_set(e, ERR_INPUT, "request: not a JSON object");
	if (parse_top(&top, &r, e) < 0 || req_check(&r, e) < 0) {
		req_done(&r);
		return -1;
	}
	*ret = r;
	return 0;
}

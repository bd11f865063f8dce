/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Make the environment of a build. Nix sets it in steps, and a later step replaces what an earlier
 * one set. The steps are, from first to last:
 *
 *	PATH, HOME, NIX_STORE, NIX_BUILD_CORES
 *	the derivation's variables, or structured attributes
 *	the six names of the build directory
 *	NIX_OUTPUT_CHECKED, for a fixed output
 *	impureEnvVars
 *	NIX_LOG_FD, TERM
 *
 * Source: Nix's DerivationBuilderImpl::initEnv(), DesugaredEnv::create().
 */
#include "hook/request/maker_internal.h"

#include <stdlib.h>
#include <string.h>

#include "hook/base/log.h"
#include "hook/host/cores.h"
#include "nar/base/scope.h"
#include "nar/hash.h"

#include "nar/base/banned.h"

/* Contents and variables together may be as large as a request. */
#define TEXT_MAX REQ_JSON_MAX
#define FILE_MODE 0644
/* ".attr-" and 52 digits of a SHA-256. */
#define ATTR_FILE_MAX 64

static int set(struct maker *m, const char *key, const char *value, struct err *e)
{
	return req_set_env(m->r, key, value, strlen(value), e);
}

/*
 * Set a variable of the derivation as execve(2) passes it on. NAME=VALUE is one string:
 * placeholders are replaced in all of it, it ends at its first NUL, and the name ends at the first
 * '='. A string with an empty name is left out, because no program can look it up.
 */
static int set_from_drv(struct maker *m, const char *key, size_t key_len, const char *value,
			size_t value_len, struct err *e)
{
	scoped_buf struct buf raw = BUF_INIT(TEXT_MAX);
	scoped_buf struct buf text = BUF_INIT(TEXT_MAX);
	char *equals;

	if (buf_add(&raw, key, key_len, e) < 0 || buf_addc(&raw, '=', e) < 0 ||
	    buf_add(&raw, value, value_len, e) < 0 ||
	    rewrite(&m->rewrites, raw.data, raw.len, &text, e) < 0)
		return -1;
	equals = strchr(text.data, '=');
	if (!equals || equals == text.data)
		return 0;
	*equals = '\0';
	return set(m, text.data, equals + 1, e);
}

/*
 * Set the variables whose names contain '='. With Nix a variable "a=b" becomes another string that
 * starts with "a=", behind that of the variable "a", where a look-up does not find it. So these are
 * set first, in reverse order, and "a" replaces them.
 */
static int set_odd_names(struct maker *m, struct err *e)
{
	const struct drv *d = m->in->drv;

	for (size_t i = d->n_env; i-- > 0;) {
		const struct drv_env *v = &d->env[i];

		if (memchr(v->key, '=', v->key_len) &&
		    set_from_drv(m, v->key, v->key_len, v->value, v->value_len, e) < 0)
			return -1;
	}
	return 0;
}

/* Add the file NAME in the build directory with the text at S, placeholders replaced. */
static int add_file(struct maker *m, const char *name, const char *s, size_t len, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(TEXT_MAX);
	scoped_free char *path = str_fmt(e, "%s/%s", m->build_dir + 1, name);

	if (!path || rewrite(&m->rewrites, s, len, &text, e) < 0)
		return -1;
	return req_add_file(m->r, path, FILE_MODE, text.data, text.len, e);
}

/* A variable that is passed as a file. */
struct as_file {
	char name[ATTR_FILE_MAX];
	const struct drv_env *v;
};

static int as_file_cmp(const void *pa, const void *pb)
{
	const struct as_file *a = pa, *b = pb;

	return strcmp(a->name, b->name);
}

/* Name the file for variable V, which is in passAsFile, and set the variable with its path. */
static int pass_as_file(struct maker *m, const struct drv_env *v, struct as_file *ret,
			struct err *e)
{
	struct hash h;
	char digest[HASH_TEXT_MAX];

	if (hash_bytes(HASH_SHA256, v->key, v->key_len, &h, e) < 0)
		return -1;
	hash_print(&h, HASH_NIX32, false, digest);
	snprintf(ret->name, sizeof ret->name, ".attr-%.52s", digest);
	ret->v = v;
	scoped_free char *key = str_fmt(e, "%sPath", v->key);
	if (!key)
		return -1;
	scoped_free char *path = str_fmt(e, "%s/%s", m->build_dir, ret->name);
	if (!path)
		return -1;
	return set_from_drv(m, key, strlen(key), path, strlen(path), e);
}

/* Add the files in order of their names, which is the fastest for a list that is kept sorted. */
static int add_files(struct maker *m, struct as_file *files, size_t n, struct err *e)
{
	qsort(files, n, sizeof *files, as_file_cmp);
	for (size_t i = 0; i < n; i++)
		if (add_file(m, files[i].name, files[i].v->value, files[i].v->value_len, e) < 0)
			return -1;
	return 0;
}

/* Add the variables of a derivation without structured attributes. */
static int add_drv_env(struct maker *m, struct err *e)
{
	scoped_strv struct strv names = STRV_INIT;
	const struct drv *d = m->in->drv;
	size_t n = 0;

	if (attrs_list(&m->attrs, "passAsFile", &names, e) < 0)
		return -1;
	strv_sort(&names);
	strv_uniq(&names);
	scoped_free struct as_file *files = mem_new(names.n, sizeof *files, e);
	if (!files)
		return -1;
	/* In order of names: the derivation's variable "xPath" replaces the one made for "x". */
	for (size_t i = 0; i < d->n_env; i++) {
		const struct drv_env *v = &d->env[i];
		int rc = 0;

		if (strlen(v->key) == v->key_len && strv_has_sorted(&names, v->key))
			rc = pass_as_file(m, v, &files[n++], e);
		else if (!memchr(v->key, '=', v->key_len))
			rc = set_from_drv(m, v->key, v->key_len, v->value, v->value_len, e);
		if (rc < 0)
			return -1;
	}
	if (add_files(m, files, n, e) < 0)
		return -1;
	return maker_add_graph_files(m, e);
}

/* Make `outputs` in the document an object of placeholders, whatever the derivation says. */
static int set_outputs(const struct drv *d, struct jdoc *doc, struct err *e)
{
	struct jdoc outputs = jdoc_object();

	for (size_t i = 0; i < d->n_outputs; i++) {
		scoped_free char *p = storepath_placeholder(d->outputs[i].name, e);

		if (!p || jdoc_set_string(&outputs, d->outputs[i].name, p, e) < 0) {
			jdoc_done(&outputs);
			return -1;
		}
	}
	return jdoc_set(doc, "outputs", &outputs, e);
}

static int set_file_variable(struct maker *m, const char *key, const char *name, struct err *e)
{
	scoped_free char *path = str_fmt(e, "%s/%s", m->build_dir, name);

	return path ? set(m, key, path, e) : -1;
}

static int add_structured_attrs(struct maker *m, struct err *e)
{
	scoped_buf struct buf json = BUF_INIT(TEXT_MAX);
	scoped_buf struct buf shell = BUF_INIT(TEXT_MAX);
	struct jdoc *doc = &m->attrs.doc;

	if (set_outputs(m->in->drv, doc, e) < 0 || maker_add_graph_keys(m, doc, e) < 0)
		return -1;
	if (jdoc_print(doc, &json, e) < 0 || add_file(m, ".attrs.json", json.data, json.len, e) < 0)
		return -1;
	/* The shell's form is made before placeholders are replaced: both need no quoting. */
	if (buf_reserve(&shell, 0, e) < 0 || attrs_shell(doc, &shell, e) < 0 ||
	    add_file(m, ".attrs.sh", shell.data, shell.len, e) < 0)
		return -1;
	if (set_file_variable(m, "NIX_ATTRS_JSON_FILE", ".attrs.json", e) < 0 ||
	    set_file_variable(m, "NIX_ATTRS_SH_FILE", ".attrs.sh", e) < 0)
		return -1;
	return 0;
}

static int add_defaults(struct maker *m, struct err *e)
{
	const struct settings *s = m->in->settings;
	char cores_text[24];
	uint64_t cores;

	if (settings_u64(s, "cores", 0, &cores, e) < 0)
		return -1;
	/* Before 2.31 Nix passes a 0 that the user has set on as it is; nixpkgs then asks nproc. */
	if (cores == 0 && (settings_of_2_31(s) || !settings_get(s, "cores")))
		cores = cores_of_machine();
	snprintf(cores_text, sizeof cores_text, "%llu", (unsigned long long)cores);
	if (set(m, "PATH", "/path-not-set", e) < 0 || set(m, "HOME", "/homeless-shelter", e) < 0 ||
	    set(m, "NIX_STORE", m->in->store->dir, e) < 0 ||
	    set(m, "NIX_BUILD_CORES", cores_text, e) < 0)
		return -1;
	return 0;
}

static int add_build_dir(struct maker *m, struct err *e)
{
	static const char *const names[] = {"NIX_BUILD_TOP", "TMPDIR", "TEMPDIR",
					    "TMP",           "TEMP",   "PWD"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (set(m, names[i], m->build_dir, e) < 0)
			return -1;
	return 0;
}

/* Return the value after "NAME=" in the strings V, which end by NULL; NULL: there is none. */
static const char *find_assignment(char *const *v, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; v && v[i]; i++)
		if (strncmp(v[i], name, len) == 0 && v[i][len] == '=')
			return v[i] + len + 1;
	return NULL;
}

/*
 * Tell whether the variable NAME looks like a secret. The environment is that of Nix's daemon, and
 * every client of the daemon can write a derivation that asks for NAME. A build with network could
 * send it anywhere. Parts of names count, too ("GITHUB_TOKEN_2").
 */
static bool is_secret(const char *name)
{
	static const char *const whole[] = {"NIX_CONFIG", "SSH_AUTH_SOCK"};
	static const char *const parts[] = {"TOKEN",       "SECRET",     "PASSWORD",
					    "PASSWD",      "PASSPHRASE", "CREDENTIAL",
					    "PRIVATE_KEY", "ACCESS_KEY", "API_KEY"};

	if (strncasecmp(name, "AWS_", 4) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
		if (strcasecmp(name, whole[i]) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcasestr(name, parts[i]))
			return true;
	return false;
}

/* Return the value of variable NAME of Nix's environment; NULL: unset, or not for builds. */
static const char *outside_value(const struct maker *m, const char *name)
{
	const char *value = find_assignment(m->in->environ, name);

	if (!value || !*value || !is_secret(name) ||
	    (m->in->secrets_allowed && strv_has(m->in->secrets_allowed, name)))
		return value;
	log_warn("the build of '%s' does not get the variable '%s' of the environment (by "
		 "impureEnvVars), as it looks like a secret: see 'impure-env-secrets', or Nix's "
		 "setting 'impure-env'",
		 m->in->drv->name, name);
	return NULL;
}

/* Add impureEnvVars. A variable that is not set outside is empty inside, not missing. */
static int add_impure_env(struct maker *m, struct err *e)
{
	scoped_strv struct strv names = STRV_INIT;
	scoped_strv struct strv from_settings = STRV_INIT;

	if (!drv_has_network(m->in->drv))
		return 0;
	if (attrs_list(&m->attrs, "impureEnvVars", &names, e) < 0 ||
	    settings_list(m->in->settings, "impure-env", &from_settings, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.items[i];
		const char *value = find_assignment(from_settings.items, name);

		if (!value)
			value = outside_value(m, name);
		if (!value)
			value = "";
		if (set_from_drv(m, name, strlen(name), value, strlen(value), e) < 0)
			return -1;
	}
	return 0;
}

int maker_add_env(struct maker *m, struct err *e)
{
	if (!m->attrs.structured && set_odd_names(m, e) < 0)
		return -1;
	if (add_defaults(m, e) < 0)
		return -1;
	if ((m->attrs.structured ? add_structured_attrs(m, e) : add_drv_env(m, e)) < 0)
		return -1;
	if (add_build_dir(m, e) < 0)
		return -1;
	if (drv_is_fixed(m->in->drv) && set(m, "NIX_OUTPUT_CHECKED", "1", e) < 0)
		return -1;
	if (add_impure_env(m, e) < 0)
		return -1;
	if (set(m, "NIX_LOG_FD", "2", e) < 0 || set(m, "TERM", "xterm-256color", e) < 0)
		return -1;
	return 0;
}

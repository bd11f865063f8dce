/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Choose the paths of the machine that a build sees. Nix fills one map from target to source, in
 * which later entries replace earlier ones. The order is: sandbox-paths, the closures of those
 * sandbox-paths that lie in the store, the build directory, __impureHostDeps, the inputs. Then the
 * derivation's own outputs are taken out. Source: Nix's DerivationBuilderImpl::getPathsInSandbox().
 *
 * Nix appends a target to the root directory as text. Here ".." is removed from it first, so that a
 * setting or a derivation cannot lead out of the root.
 */
#include "hook/request/maker_internal.h"

#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

/* A statically built Nix names the shell that it contains by this source. */
#define EMBEDDED_SHELL "__embedded_sandbox_shell__"

/* Tell whether PATH is DIR or lies in it. Both must be clean. */
static bool is_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (str_eq(dir, "/"))
		return true;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/*
 * Follow the links of SOURCE if this Nix does. Before 2.22 Nix binds the file that a link leads to;
 * from 2.22 on it makes the link again, and so does the bundle. Only the later ones send
 * `build-dir`.
 * Returns the path that SOURCE leads to, on the heap; NULL: use SOURCE itself.
 */
static char *follow_links(const struct maker *m, const char *source)
{
	const struct settings *s = m->in->settings;

	if (!settings_get(s, "sandbox-paths") || settings_get(s, "build-dir"))
		return NULL;
	return realpath(source, NULL);
}

static int add_host_path(struct maker *m, const char *target, const char *source, bool optional,
			 struct err *e)
{
	scoped_free char *clean = clean_absolute(target, e);
	scoped_free char *real = NULL;

	if (!clean)
		return -1;
	if (str_eq(clean, "/"))
		return err_set(e, ERR_INPUT, "'%s' would hide the whole root of the build", target);
	if (str_eq(source, EMBEDDED_SHELL)) {
		if (!str_eq(clean, "/bin/sh"))
			return err_set(e, ERR_INPUT, "only /bin/sh can be '%s', not '%s'", source,
				       clean);
		m->r->constraints.provide_bin_sh = true;
		return 0;
	}
	if (source[0] != '/')
		return err_set(e, ERR_INPUT, "'%s' is not an absolute path", source);
	real = follow_links(m, source);
	return req_add_host_path(m->r, clean, real ? real : source, optional, false, e);
}

/* If SOURCE lies in the store, append its store path to ROOTS, unless that is not valid. */
static int add_closure_root(struct maker *m, const char *source, struct strv *roots, struct err *e)
{
	struct store *st = m->in->store;
	size_t len = storepath_prefix(source, st->dir);
	int valid;

	if (!len)
		return 0;
	scoped_free char *path = str_ndup(source, len, e);
	if (!path)
		return -1;
	valid = store_is_valid(st, path, e);
	if (valid <= 0)
		return valid;
	return strv_add(roots, path, e);
}

/*
 * Add one item of sandbox-paths, `path` or `target=source`. A '?' at its end makes it optional.
 * ITEM is changed.
 */
static int add_sandbox_path(struct maker *m, char *item, struct strv *roots, struct err *e)
{
	size_t len = strlen(item);
	bool optional = len && item[len - 1] == '?';
	char *source = item, *equals;

	if (optional)
		item[len - 1] = '\0';
	equals = strchr(item, '=');
	if (equals) {
		*equals = '\0';
		source = equals + 1;
	}
	if (add_host_path(m, item, source, optional, e) < 0)
		return -1;
	return add_closure_root(m, source, roots, e);
}

static int add_closure(struct maker *m, struct strv *roots, struct err *e)
{
	scoped_strv struct strv closure = STRV_INIT;

	strv_sort(roots);
	strv_uniq(roots);
	if (roots->n == 0)
		return 0;
	if (store_closure(m->in->store, roots, &closure, e) < 0)
		return -1;
	for (size_t i = 0; i < closure.n; i++) {
		scoped_free char *real = store_real_path(m->in->store, closure.items[i], e);

		if (!real || req_add_host_path(m->r, closure.items[i], real, false, false, e) < 0)
			return -1;
	}
	return 0;
}

static int add_sandbox_paths(struct maker *m, struct err *e)
{
	scoped_strv struct strv items = STRV_INIT;
	scoped_strv struct strv roots = STRV_INIT;

	if (settings_list(m->in->settings, "sandbox-paths", &items, e) < 0)
		return -1;
	/* Nix has a set here: if two items have one target, the last in sorted order wins. */
	strv_sort(&items);
	for (size_t i = 0; i < items.n; i++)
		if (add_sandbox_path(m, items.items[i], &roots, e) < 0)
			return err_wrap(e, "setting 'sandbox-paths'");
	if (add_closure(m, &roots, e) < 0)
		return err_wrap(e, "setting 'sandbox-paths'");
	return 0;
}

static int is_allowed(const char *path, const struct strv *allowed, struct err *e)
{
	for (size_t i = 0; i < allowed->n; i++) {
		scoped_free char *dir = clean_absolute(allowed->items[i], e);

		if (!dir)
			return err_wrap(e, "setting 'allowed-impure-host-deps'");
		if (is_in(path, dir))
			return 1;
	}
	return 0;
}

static int add_impure_host_dep(struct maker *m, const char *dep, const struct strv *allowed,
			       struct err *e)
{
	scoped_free char *path = clean_absolute(dep, e);
	const struct drv *d = m->in->drv;
	int ok;

	if (!path)
		return err_wrap(e, "attribute '__impureHostDeps' of the derivation");
	ok = is_allowed(path, allowed, e);
	if (ok < 0)
		return -1;
	if (!ok)
		return err_set(e, ERR_INPUT,
			       "derivation '%s' requested impure path '%s', but it was not in "
			       "allowed-impure-host-deps",
			       d->path ? d->path : d->name, dep);
	return add_host_path(m, path, path, true, e);
}

static int add_impure_host_deps(struct maker *m, struct err *e)
{
	scoped_strv struct strv deps = STRV_INIT;
	scoped_strv struct strv allowed = STRV_INIT;

	if (attrs_list(&m->attrs, "__impureHostDeps", &deps, e) < 0 ||
	    settings_list(m->in->settings, "allowed-impure-host-deps", &allowed, e) < 0)
		return -1;
	for (size_t i = 0; i < deps.n; i++)
		if (add_impure_host_dep(m, deps.items[i], &allowed, e) < 0)
			return -1;
	return 0;
}

/* Tell whether the target of H is taken already, so that no path of the machine may be there. */
static bool is_taken(const struct maker *m, const struct req_host_path *h)
{
	/* Nix mounts a new /proc instead, whatever the target is. */
	return str_eq(h->source, "/proc") || str_eq(h->target, m->build_dir) ||
	       strv_has_sorted(m->in->inputs, h->target) ||
	       strv_has_sorted(&m->own_outputs, h->target);
}

static void drop_taken(struct maker *m)
{
	struct req_host_path *h = m->r->constraints.host_paths;
	size_t n = 0;

	for (size_t i = 0; i < m->r->constraints.n_host_paths; i++) {
		if (is_taken(m, &h[i])) {
			free(h[i].target);
			free(h[i].source);
		} else {
			h[n++] = h[i];
		}
	}
	m->r->constraints.n_host_paths = n;
}

/* Tell whether a path of the machine is at /bin/sh, or at a directory above it. */
static bool has_bin_sh(const struct request *r)
{
	for (size_t i = 0; i < r->constraints.n_host_paths; i++)
		if (is_in("/bin/sh", r->constraints.host_paths[i].target))
			return true;
	return false;
}

int maker_add_host_paths(struct maker *m, struct err *e)
{
	/* A Nix that sends sandbox-paths says what is at /bin/sh: nothing, in Debian's case. */
	const bool said = settings_get(m->in->settings, "sandbox-paths");

	if (add_sandbox_paths(m, e) < 0 || add_impure_host_deps(m, e) < 0)
		return -1;
	drop_taken(m);
	if ((m->in->own_shell && !has_bin_sh(m->r)) || !said)
		m->r->constraints.provide_bin_sh = true;
	return 0;
}

int request_add_host_paths(const struct request_source *in, const struct strv *items,
			   struct request *r, struct err *e)
{
	scoped_maker struct maker m = {in, r, ATTRS_INIT, {NULL, 0}, STRV_INIT, NULL};

	m.build_dir = str_fmt(e, "/%s", r->working_dir);
	if (!m.build_dir)
		return -1;
	for (size_t i = 0; i < in->drv->n_outputs; i++)
		if (in->drv->outputs[i].path &&
		    strv_add(&m.own_outputs, in->drv->outputs[i].path, e) < 0)
			return -1;
	strv_sort(&m.own_outputs);
	for (size_t i = 0; i < items->n; i++) {
		const char *item = items->items[i], *equals = strchr(item, '=');
		scoped_free char *target =
			equals ? str_ndup(item, (size_t)(equals - item), e) : str_dup(item, e);

		if (!target || add_host_path(&m, target, equals ? equals + 1 : item, false, e) < 0)
			return -1;
	}
	drop_taken(&m);
	req_sort(r);
	return req_check(r, e);
}

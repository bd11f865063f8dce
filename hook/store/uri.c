/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/store/uri.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/path.h"
#include "nar/base/scope.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

#define STATE_DIR_DEFAULT "/nix/var/nix"
#define SOCKET_BELOW_STATE "/daemon-socket/socket"

/* Return the variable NAME, or NULL if it is empty, as Nix does since 2.15; an older Nix fails. */
static const char *env_get(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

void store_env_get(struct store_env *ret)
{
	const char *store = env_get("NIX_STORE_DIR"), *state = env_get("NIX_STATE_DIR");
	bool set = getenv("NIX_STORE_DIR") || getenv("NIX_STATE_DIR");

	if (!store)
		store = env_get("NIX_STORE");
	*ret = (struct store_env){
		.store_dir = store ? store : STORE_DIR_DEFAULT,
		.state_dir = state ? state : STATE_DIR_DEFAULT,
		.dirs_set = set,
		.socket = env_get("NIX_DAEMON_SOCKET_PATH"),
		.data_home = getenv("XDG_DATA_HOME"),
		.home = getenv("HOME"),
		.root = geteuid() == 0,
	};
}

void store_where_done(struct store_where *w)
{
	free(w->uri);
	free(w->dir);
	free(w->real_dir);
	free(w->state_dir);
	free(w->system_features);
	*w = (struct store_where){0};
}

/*
 * Return PATH as a canonical absolute path. A relative PATH starts at Nix's working directory. Nix
 * starts a hook in "/" and does not send that directory, so it is read from the parent process.
 * Heap.
 */
static char *path_absolute(const char *path, struct err *e)
{
	char cwd[PATH_MAX], link[64];

	if (path[0] == '/')
		return path_clean(path, e);
	if (!getcwd(cwd, sizeof cwd)) {
		err_sys(e, "finding the working directory for the store '%s'", path);
		return NULL;
	}
	if (str_eq(cwd, "/")) {
		snprintf(link, sizeof link, "/proc/%ld/cwd", (long)getppid());
		ssize_t n = readlink(link, cwd, sizeof cwd - 1);
		if (n < 0) {
			err_sys(e, "reading '%s' for the store '%s', which is a relative path",
				link, path);
			return NULL;
		}
		cwd[n] = '\0';
	}
	scoped_free char *joined = str_fmt(e, "%s/%s", cwd, path);
	return joined ? path_clean(joined, e) : NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static char *percent_decode(const char *s, size_t len, const char *uri, struct err *e)
{
	char *out = mem_new(len + 1, 1, e);
	size_t n = 0;

	if (!out)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		if (s[i] != '%') {
			out[n++] = s[i];
			continue;
		}
		int hi = i + 2 < len ? hex_digit(s[i + 1]) : -1;
		int lo = hi < 0 ? -1 : hex_digit(s[i + 2]);
		if (lo < 0 || (hi == 0 && lo == 0)) {
			free(out);
			err_set(e, ERR_INPUT,
				"the store '%s' contains a '%%' without two hexadecimal digits, or "
				"'%%00'",
				uri);
			return NULL;
		}
		out[n++] = (char)(hi * 16 + lo);
		i += 2;
	}
	return out;
}

/* The keys of a URI that count. As in Nix, the first of several equal keys wins. */
struct params {
	char *root, *store, *state, *real, *read_only, *system_features;
};

static void params_done(struct params *p)
{
	free(p->root);
	free(p->store);
	free(p->state);
	free(p->real);
	free(p->read_only);
	free(p->system_features);
}
#define scoped_params __attribute__((cleanup(params_done)))

static char **params_slot(struct params *p, const char *key)
{
	if (str_eq(key, "root"))
		return &p->root;
	if (str_eq(key, "store"))
		return &p->store;
	if (str_eq(key, "state"))
		return &p->state;
	if (str_eq(key, "real"))
		return &p->real;
	if (str_eq(key, "read-only"))
		return &p->read_only;
	if (str_eq(key, "system-features"))
		return &p->system_features;
	return NULL;
}

static int params_parse(const char *query, const char *uri, struct params *ret, struct err *e)
{
	for (const char *p = query; *p;) {
		size_t part = strcspn(p, "&");
		const char *eq = memchr(p, '=', part);
		if (eq) {
			scoped_free char *key = percent_decode(p, (size_t)(eq - p), uri, e);
			if (!key)
				return -1;
			char **slot = params_slot(ret, key);
			if (slot && !*slot) {
				*slot = percent_decode(eq + 1, part - (size_t)(eq + 1 - p), uri, e);
				if (!*slot)
					return -1;
			}
		}
		p += part + (p[part] == '&');
	}
	return 0;
}

/* Replace the path *P by its canonical absolute form; an empty one by NULL. */
static int param_path(char **p, struct err *e)
{
	if (!*p)
		return 0;
	if (!**p) {
		free(TAKE(*p, NULL));
		return 0;
	}
	char *abs = path_absolute(*p, e);
	if (!abs)
		return -1;
	free(*p);
	*p = abs;
	return 0;
}

static int params_canon(struct params *p, struct err *e)
{
	if (param_path(&p->root, e) < 0 || param_path(&p->store, e) < 0 ||
	    param_path(&p->state, e) < 0 || param_path(&p->real, e) < 0)
		return -1;
	return 0;
}

static bool is_true(const char *s)
{
	return s && (str_eq(s, "true") || str_eq(s, "1") || str_eq(s, "yes"));
}

/* Fill W for a store in this machine's file system: below P->root if that is set. */
static int where_local(struct store_where *w, const struct params *p, const struct store_env *env,
		       struct err *e)
{
	w->dir = path_clean(p->store ? p->store : env->store_dir, e);
	if (!w->dir)
		return -1;
	if (p->state)
		w->state_dir = str_dup(p->state, e);
	else if (p->root)
		w->state_dir =
			str_fmt(e, "%s" STATE_DIR_DEFAULT, str_eq(p->root, "/") ? "" : p->root);
	else
		w->state_dir = path_clean(env->state_dir, e);
	if (!w->state_dir)
		return -1;
	if (p->real)
		w->real_dir = str_dup(p->real, e);
	else if (p->root)
		/* Nix puts the files here even if the logical directory is another. */
		w->real_dir =
			str_fmt(e, "%s" STORE_DIR_DEFAULT, str_eq(p->root, "/") ? "" : p->root);
	else
		w->real_dir = str_dup(w->dir, e);
	if (!w->real_dir)
		return -1;
	/* Nix opens a read-only store without locks and never writes to it. */
	w->local = !is_true(p->read_only);
	return 0;
}

static bool may_write(const char *dir)
{
	return access(dir, R_OK | W_OK) == 0;
}

/*
 * Fill W for "auto": the machine's store if this process may write its state directory, else the
 * daemon's. On a machine without either, a user has the store that Nix makes below the home
 * directory.
 */
static int where_auto(struct store_where *w, struct params *p, const struct store_env *env,
		      bool params_given, struct err *e)
{
	const char *state = p->state ? p->state : env->state_dir;
	scoped_free char *socket = env->socket
					   ? str_dup(env->socket, e)
					   : str_fmt(e, "%s" SOCKET_BELOW_STATE, env->state_dir);
	bool daemon;

	if (!socket)
		return -1;
	if (may_write(state))
		return where_local(w, p, env, e);
	daemon = access(socket, F_OK) == 0;
	if (!daemon && access(state, F_OK) < 0 && !params_given && !env->root && !env->dirs_set &&
	    (env->data_home || env->home)) {
		p->root = env->data_home ? str_fmt(e, "%s/nix/root", env->data_home)
					 : str_fmt(e, "%s/.local/share/nix/root", env->home);
		if (!p->root)
			return -1;
		if (access(p->root, F_OK) < 0)
			free(TAKE(p->root, NULL));
	}
	if (where_local(w, p, env, e) < 0)
		return -1;
	if (daemon)
		w->local = false;
	return 0;
}

/* Fill W for "daemon" and "unix://..": the machine's store, local if this process may write it. */
static int where_daemon(struct store_where *w, const struct params *p, const struct store_env *env,
			struct err *e)
{
	if (where_local(w, p, env, e) < 0)
		return -1;
	w->local = w->local && may_write(w->state_dir);
	return 0;
}

/*
 * Return the directory of "local://DIR". Nix up to 2.34 takes DIR literally, although Nix itself
 * writes it with percent escapes: a directory "a b" becomes "a%20b", also on the disk. A later Nix
 * may decode it, so take the directory that exists. Heap.
 */
static char *local_authority(const char *dir, size_t len, const char *uri, struct err *e)
{
	scoped_free char *literal = str_ndup(dir, len, e);

	if (!literal || !strchr(literal, '%') || access(literal, F_OK) == 0)
		return TAKE(literal, NULL);
	scoped_free char *decoded = percent_decode(dir, len, uri, e);
	if (!decoded || access(decoded, F_OK) == 0)
		return TAKE(decoded, NULL);
	return TAKE(literal, NULL);
}

static bool span_is(const char *s, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(s, word, len) == 0;
}

static bool span_starts(const char *s, size_t len, const char *prefix)
{
	return strlen(prefix) <= len && memcmp(s, prefix, strlen(prefix)) == 0;
}

/*
 * Fill W for a chroot store, the directory DIR. In the URI, which ends in QUERY, a relative DIR is
 * made absolute, for processes that run in another directory.
 */
static int where_directory(struct store_where *w, const char *dir, const char *query,
			   struct params *p, const struct store_env *env, struct err *e)
{
	scoped_free char *abs = path_absolute(dir, e);

	if (!abs)
		return -1;
	if (dir[0] != '/') {
		free(w->uri);
		w->uri = str_fmt(e, "%s%s%s", abs, *query ? "?" : "", query);
		if (!w->uri)
			return -1;
	}
	if (!p->root)
		p->root = TAKE(abs, NULL);
	return where_local(w, p, env, e);
}

static int resolve(struct store_where *w, const char *uri, struct params *p,
		   const struct store_env *env, struct err *e)
{
	size_t len = strcspn(uri, "?");
	const char *query = uri[len] ? uri + len + 1 : "";

	w->uri = str_dup(uri, e);
	if (!w->uri || params_parse(query, uri, p, e) < 0 || params_canon(p, e) < 0)
		return -1;
	if (len == 0 || span_is(uri, len, "auto"))
		return where_auto(w, p, env, *query != '\0', e);
	if (span_is(uri, len, "local") || span_is(uri, len, "local://"))
		return where_local(w, p, env, e);
	if (span_is(uri, len, "daemon") || span_starts(uri, len, "unix://"))
		return where_daemon(w, p, env, e);
	if (span_starts(uri, len, "local:///")) {
		size_t skip = strlen("local://");
		scoped_free char *dir = local_authority(uri + skip, len - skip, uri, e);
		if (!dir)
			return -1;
		if (!p->root && !(p->root = path_clean(dir, e)))
			return -1;
		return where_local(w, p, env, e);
	}
	if (memmem(uri, len, "://", 3) == NULL && memchr(uri, '/', len) != NULL) {
		scoped_free char *dir = str_ndup(uri, len, e);
		return dir ? where_directory(w, dir, query, p, env, e) : -1;
	}
	if (where_local(w, p, env, e) < 0)
		return -1;
	w->local = false;
	return 0;
}

int store_uri_resolve(const char *uri, const struct store_env *env, struct store_where *ret,
		      struct err *e)
{
	scoped_store_where struct store_where w = {0};
	scoped_params struct params p = {0};

	if (resolve(&w, uri, &p, env, e) < 0)
		return -1;
	w.system_features = TAKE(p.system_features, NULL);
	*ret = TAKE(w, ((struct store_where){0}));
	return 0;
}

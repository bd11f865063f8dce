/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three steps: find all sources that lie in the store, and their store paths; make sure that the
 * cache contains these; point the sources to the cache. All sources are found before the first is
 * changed, because pins are set once for all of them.
 */
#include "hook/inputs/inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/restore.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

/* A source that is pointed to the cache. */
struct place {
	char **source;   /* the string that is replaced */
	char **nar_hash; /* gets the hash of the path, or NULL */
	char *path;      /* the store path that it lies in */
	char *rest;      /* the source's place in that path: "", "/bin/sh" */
};

/* A store path that is wanted. */
struct wanted {
	struct input_cache_item item;
	bool there;
};

struct plan {
	const struct inputs_job *j;
	struct stat store_st; /* of the store directory */
	int store_fd;
	struct place *places;
	size_t n_places, cap_places;
	struct strv paths;     /* store paths, sorted, each once */
	struct wanted *wanted; /* one for each of `paths` */
};

static void plan_done(struct plan *p)
{
	scope_close(&p->store_fd);
	for (size_t i = 0; i < p->n_places; i++) {
		free(p->places[i].path);
		free(p->places[i].rest);
	}
	free(p->places);
	free(p->wanted);
	strv_done(&p->paths);
}
#define scoped_plan __attribute__((cleanup(plan_done)))

/* ---- what lies in the store ---- */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Refuse REAL, the real path of SOURCE, if it is the store or contains it. */
static int refuse_above_store(const struct plan *p, const char *real, const char *source,
			      struct err *e)
{
	scoped_free char *dir = realpath(p->j->store->real_dir, NULL);
	struct stat st, up;

	if (!dir || stat(real, &st) < 0)
		return err_sys(e, "getting attributes of '%s'", dir ? real : p->j->store->real_dir);
	for (char *end = dir + strlen(dir);; end = strrchr(dir, '/')) {
		*end = '\0';
		if (stat(*dir ? dir : "/", &up) == 0 && same_file(&st, &up))
			return err_set(e, ERR_INPUT,
				       "'%s' would show the store to the build, which is against "
				       "'inputs = nar'",
				       source);
		if (!*dir)
			return 0;
	}
}

/*
 * Find the store directory among the directories that lead to REAL, a path without links. They are
 * compared by device and inode, so another mount of the store is found, too.
 * Returns 1: the first *RET_LEN bytes of REAL are the store directory; 0: it is not on the way; -1:
 * *E.
 */
static int find_store(const struct plan *p, const char *real, size_t *ret_len, struct err *e)
{
	scoped_free char *prefix = str_dup(real, e);

	if (!prefix)
		return -1;
	for (char *slash = strchr(prefix + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		struct stat st;

		*slash = '\0';
		if (stat(prefix, &st) == 0 && same_file(&st, &p->store_st)) {
			*ret_len = (size_t)(slash - prefix);
			return 1;
		}
		*slash = '/';
	}
	return 0;
}

static int add_place(struct plan *p, char **source, char **nar_hash, char *path, char *rest,
		     struct err *e)
{
	scoped_free char *own_path = path, *own_rest = rest;

	if (!path || !rest || strv_add(&p->paths, path, e) < 0)
		return -1;
	if (mem_grow(&p->places, &p->cap_places, p->n_places + 1, sizeof *p->places, e) < 0)
		return -1;
	p->places[p->n_places++] =
		(struct place){source, nar_hash, TAKE(own_path, NULL), TAKE(own_rest, NULL)};
	return 0;
}

/* Add *SOURCE, whose real path is REAL, if it lies in the store. */
static int add_real(struct plan *p, char **source, const char *real, struct err *e)
{
	size_t len;
	int rc = find_store(p, real, &len, e);

	if (rc <= 0)
		return rc < 0 ? -1 : refuse_above_store(p, real, *source, e);
	const char *base = real + len + 1;
	const size_t n = strcspn(base, "/");
	if (storepath_check_base(base, n, e) < 0)
		return err_wrap(e, "'%s' lies in the store, but not in a store path", *source);
	char *path = str_fmt(e, "%s/%.*s", p->j->store->dir, (int)n, base);
	return add_place(p, source, NULL, path, path ? str_dup(base + n, e) : NULL, e);
}

/*
 * Tell whether SOURCE is to be taken from the cache because its name lies in the store directory.
 * That is so without Nix only: its store has no directory on this machine, and a file that has such
 * a name is not used.
 * Returns the length of the store path in SOURCE; 0: not.
 */
static size_t named_in_store(const struct plan *p, const char *source)
{
	return p->j->store->mem ? storepath_prefix(source, p->j->store->dir) : 0;
}

static int add_named(struct plan *p, char **source, size_t len, struct err *e)
{
	char *path = str_ndup(*source, len, e);

	return add_place(p, source, NULL, path, path ? str_dup(*source + len, e) : NULL, e);
}

/*
 * Add *SOURCE, whose links are followed when it is mounted. If it does not exist, that is not
 * reported here but when it is mounted.
 */
static int add_followed(struct plan *p, char **source, struct err *e)
{
	const size_t named = named_in_store(p, *source);
	scoped_free char *real = named ? NULL : realpath(*source, NULL);

	if (named)
		return add_named(p, source, named, e);
	return real ? add_real(p, source, real, e) : 0;
}

/* ---- the sources of a request ---- */

/*
 * If the network file PATH is a link into the store, which a runtime would follow, make it a host
 * path of the request.
 */
static int add_network_file(struct plan *p, const char *path, struct err *e)
{
	struct request *r = p->j->request;
	scoped_free char *real = realpath(path, NULL);
	size_t len;
	int rc;

	if (!real || spec_has_target(r, path))
		return 0;
	rc = find_store(p, real, &len, e);
	if (rc <= 0)
		return rc;
	return req_add_host_path(r, path, real, false, true, e);
}

/* Add network files. Call it before struct place points into the request's lists. */
static int add_network_files(struct plan *p, struct err *e)
{
	const struct spec_host *h = &p->j->machine->host;

	if (!p->j->request->constraints.network)
		return 0;
	if ((h->has_resolv_conf && add_network_file(p, "/etc/resolv.conf", e) < 0) ||
	    (h->has_services && add_network_file(p, "/etc/services", e) < 0) ||
	    (h->has_hosts && add_network_file(p, "/etc/hosts", e) < 0))
		return -1;
	req_sort(p->j->request);
	return 0;
}

static int add_inputs(struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->j->request->n_inputs; i++) {
		struct req_input *in = &p->j->request->inputs[i];
		char *path = str_fmt(e, "%s/%s", p->j->store->dir, in->path);

		if (add_place(p, &in->source, &in->nar_hash, path, path ? str_dup("", e) : NULL,
			      e) < 0)
			return -1;
	}
	return 0;
}

static int add_host_paths(struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->j->request->constraints.n_host_paths; i++) {
		struct req_host_path *h = &p->j->request->constraints.host_paths[i];
		const size_t before = p->n_places;
		struct stat st;

		/* A link is made again in the bundle and not mounted, so it shows no store. */
		if (str_eq(h->source, "/proc"))
			continue;
		if (!named_in_store(p, h->source) &&
		    (lstat(h->source, &st) < 0 || S_ISLNK(st.st_mode)))
			continue;
		if (add_followed(p, &h->source, e) < 0)
			return err_wrap(e, "the path '%s' for the build", h->target);
		if (p->n_places > before)
			h->readonly = true;
	}
	return 0;
}

static int add_machine(struct plan *p, struct err *e)
{
	const struct request *r = p->j->request;
	struct machine *m = p->j->machine;

	if (r->constraints.provide_bin_sh && m->shell && add_followed(p, &m->shell, e) < 0)
		return err_wrap(e, "the shell for the build");
	if (r->constraints.network && m->ca_bundle && add_followed(p, &m->ca_bundle, e) < 0)
		return err_wrap(e, "the certificates for the build");
	return 0;
}

/* ---- into the cache ---- */

static int copy_from_store(const struct input_cache_item *item, int dirfd, const char *name,
			   const char *to, struct nar_digest *ret, struct err *e)
{
	const struct plan *p = item->ctx;
	const struct nar_copy c = {
		.from = {p->store_fd, str_base(item->what), item->what, NAR_DEPTH_ANY},
		.to_dirfd = dirfd,
		.to_name = name,
		.to_what = to,
		.flags = NAR_RESTORE_CANONICAL,
	};

	return nar_copy(&c, NULL, ret, e);
}

static int ask_store(struct plan *p, struct err *e)
{
	p->wanted = mem_new(p->paths.n ? p->paths.n : 1, sizeof *p->wanted, e);
	if (!p->wanted)
		return -1;
	for (size_t i = 0; i < p->paths.n; i++) {
		scoped_store_path_info struct store_path_info info = {0};

		if (store_path_info(p->j->store, p->paths.items[i], &info, e) < 0)
			return err_wrap(e, "inputs of the build");
		p->wanted[i].item = (struct input_cache_item){
			.what = p->paths.items[i],
			.sha256 = info.nar_sha256,
			.size_bytes = info.nar_size_bytes,
			.fill = copy_from_store,
			.ctx = p,
		};
	}
	return 0;
}

static int pin(struct input_cache *c, const struct plan *p, struct err *e)
{
	scoped_free const struct hash **hashes =
		mem_new(p->paths.n ? p->paths.n : 1, sizeof *hashes, e);

	if (!hashes)
		return -1;
	for (size_t i = 0; i < p->paths.n; i++)
		hashes[i] = &p->wanted[i].item.sha256;
	return input_cache_pin(c, hashes, p->paths.n, e);
}

static int check_stop(int fd, struct err *e)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (fd < 0 || poll(&p, 1, 0) <= 0)
		return 0;
	return err_set(e, ERR_STOPPED, "stopped while unpacking inputs");
}

/* Get all wanted paths that are not in the cache yet. WAIT: also those that others unpack. */
static int get_round(struct input_cache *c, struct plan *p, bool wait, struct err *e)
{
	for (size_t i = 0; i < p->paths.n; i++) {
		int rc;

		if (p->wanted[i].there)
			continue;
		if (check_stop(p->j->stop_fd, e) < 0)
			return -1;
		rc = input_cache_get(c, &p->wanted[i].item, wait, e);
		if (rc < 0)
			return -1;
		p->wanted[i].there = rc > 0;
	}
	return 0;
}

/*
 * Get all wanted paths. Those that another process is unpacking come last, so builds that start
 * together share the work.
 */
static int get_all(struct input_cache *c, struct plan *p, struct err *e)
{
	struct err trim = ERR_INIT;

	if (get_round(c, p, false, e) < 0 || get_round(c, p, true, e) < 0)
		return -1;
	/* A failure is only warned of, because the build has what it needs. */
	if (input_cache_grew(c) && input_cache_trim(c, &trim) < 0)
		log_warn("keeping the cache of inputs small: %s", trim.msg);
	return 0;
}

/* ---- back into the request ---- */

static const struct wanted *find_wanted(const struct plan *p, const char *path)
{
	size_t low = 0, high = p->paths.n;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;
		const int cmp = strcmp(path, p->paths.items[mid]);

		if (cmp == 0)
			return &p->wanted[mid];
		if (cmp < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static int point(const struct input_cache *c, const struct plan *p, const struct place *at,
		 struct err *e)
{
	const struct hash *h = &find_wanted(p, at->path)->item.sha256;
	scoped_free char *dir = input_cache_path(c, h, e);
	char *source = dir ? str_fmt(e, "%s%s", dir, at->rest) : NULL;

	if (!source)
		return -1;
	free(*at->source);
	*at->source = source;
	if (at->nar_hash) {
		char text[HASH_TEXT_MAX];

		hash_print(h, HASH_NIX32, true, text);
		free(*at->nar_hash);
		*at->nar_hash = str_dup(text, e);
		if (!*at->nar_hash)
			return -1;
	}
	return 0;
}

static int point_all(const struct input_cache *c, const struct plan *p, struct err *e)
{
	struct machine *m = p->j->machine;

	for (size_t i = 0; i < p->n_places; i++)
		if (point(c, p, &p->places[i], e) < 0)
			return -1;
	m->host.sandbox_shell = m->shell;
	m->host.ca_bundle = m->ca_bundle;
	return 0;
}

/* ---- the whole ---- */

static int open_store(struct plan *p, struct err *e)
{
	const char *dir = p->j->store->real_dir;

	p->store_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->store_fd < 0 || fstat(p->store_fd, &p->store_st) < 0)
		return err_sys(e, "opening the store '%s'", dir);
	return 0;
}

/* Refuse a cache in the store, because mounting it would show the store. */
static int check_cache(const struct input_cache *c, const struct plan *p, struct err *e)
{
	scoped_free char *real = realpath(input_cache_run_dir(c), NULL);
	size_t len;
	int rc;

	if (!real)
		return err_sys(e, "resolving '%s'", input_cache_run_dir(c));
	rc = find_store(p, real, &len, e);
	if (rc <= 0)
		return rc;
	return err_set(e, ERR_INPUT, "the cache of inputs '%s' lies in the store (see 'cache-dir')",
		       input_cache_run_dir(c));
}

int inputs_open(struct inputs *in, const struct conf *c, const struct store *st, struct err *e)
{
	if (c->inputs != INPUTS_NAR)
		return 0;
	if (!c->cache_dir[0])
		return err_set(e, ERR_INPUT,
			       "neither $XDG_CACHE_HOME nor $HOME is set: set 'cache-dir', which "
			       "'inputs = nar' needs");
	const struct input_cache_options o = {c->cache_dir, c->cache_size,
					      st->sync_before_registering || st->fsync_store_paths};
	in->cache = input_cache_open(&o, e);
	return in->cache ? 0 : -1;
}

int inputs_start(struct inputs *in, struct err *e)
{
	return in->cache ? input_cache_start(in->cache, e) : 0;
}

int inputs_fd(const struct inputs *in)
{
	return in->cache ? input_cache_fd(in->cache) : -1;
}

const char *inputs_dir(const struct inputs *in)
{
	return in->cache ? input_cache_run_dir(in->cache) : NULL;
}

void inputs_leave_dir(struct inputs *in)
{
	if (in->cache)
		input_cache_leave_run_dir(in->cache);
}

int inputs_prepare(struct inputs *in, const struct inputs_job *j, struct err *e)
{
	scoped_plan struct plan p = {.j = j, .store_fd = -1};

	if (!in->cache)
		return 0;
	if (open_store(&p, e) < 0 || check_cache(in->cache, &p, e) < 0 ||
	    add_network_files(&p, e) < 0 || add_inputs(&p, e) < 0 || add_host_paths(&p, e) < 0 ||
	    add_machine(&p, e) < 0)
		return -1;
	strv_sort(&p.paths);
	strv_uniq(&p.paths);
	if (ask_store(&p, e) < 0 || pin(in->cache, &p, e) < 0 || get_all(in->cache, &p, e) < 0)
		return -1;
	return point_all(in->cache, &p, e);
}

void inputs_done(struct inputs *in)
{
	input_cache_free(TAKE(in->cache, NULL));
}

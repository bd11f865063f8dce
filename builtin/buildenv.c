/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin:buildenv, which makes user environments (nix-env, nix profile): one tree of links into
 * many packages. A directory of one package is a link. When a second package has the directory as
 * well, a directory with links to the entries of both replaces the link. If two packages have the
 * same file, the package with the lower priority number wins; equal numbers are an error.
 *
 * This program is the only process in its sandbox and may write only to its output. So it may use
 * paths: nobody changes them in between.
 */
#include "builtin/builtin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builtin/say.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define DEPTH_MAX 1024
#define PROPAGATED_MAX (16u << 20)
/* The priority number of the first propagated package; each further one gets the next number. */
#define PROPAGATED_PRIORITY 1000

struct package {
	char *path; /* one of the words */
	int64_t priority;
};

/* A link in the output, and the priority of the package that it is for. */
struct made {
	char *path;
	int64_t priority;
};

struct env {
	const char *out;
	struct strv words; /* of the attribute "derivations" */
	struct package *packages;
	size_t n, cap;
	void *made;            /* tsearch(3) of struct made, by path */
	struct strv done;      /* packages that are in the output */
	struct strv postponed; /* packages that others propagate */
};

static void made_free(void *p)
{
	struct made *m = p;

	free(m->path);
	free(m);
}

static void env_done(struct env *v)
{
	strv_done(&v->words);
	free(v->packages);
	tdestroy(v->made, made_free);
	strv_done(&v->done);
	strv_done(&v->postponed);
}
#define scoped_env __attribute__((cleanup(env_done)))

static int made_cmp(const void *pa, const void *pb)
{
	const struct made *a = pa, *b = pb;

	return strcmp(a->path, b->path);
}

/* Returns the priority of the link at PATH. Every link in the output was made by make_link(). */
static int64_t priority_of(const struct env *v, char *path)
{
	const struct made key = {path, 0};
	struct made **found = tfind(&key, &v->made, made_cmp);

	return found ? (*found)->priority : 0;
}

static int make_link(struct env *v, const char *target, const char *path, int64_t priority,
		     struct err *e)
{
	struct made *m = mem_new(1, sizeof *m, e), **found;

	if (!m)
		return -1;
	m->path = str_dup(path, e);
	if (!m->path) {
		free(m);
		return -1;
	}
	m->priority = priority;
	found = tsearch(m, &v->made, made_cmp);
	if (!found || *found != m)
		made_free(m);
	if (!found)
		return err_memory(e);
	(*found)->priority = priority;
	if (symlink(target, path) < 0)
		return err_sys(e, "creating symlink from '%s' to '%s'", path, target);
	return 0;
}

/* Tell whether PATH is left out: a note for stdenv, or an index that every package has. */
static bool is_left_out(const char *path)
{
	static const char *const ends[] = {"/propagated-build-inputs",
					   "/nix-support",
					   "/perllocal.pod",
					   "/info/dir",
					   "/log",
					   "/manifest.nix",
					   "/manifest.json"};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (str_ends(path, ends[i]))
			return true;
	return false;
}

static int list_dir(const char *dir, struct strv *ret, struct err *e)
{
	scoped_dir DIR *d = opendir(dir);
	const struct dirent *entry;

	if (!d)
		return err_sys(e, "opening directory '%s'", dir);
	while (errno = 0, entry = readdir(d))
		if (entry->d_name[0] != '.' && strv_add(ret, entry->d_name, e) < 0)
			return -1;
	if (errno)
		return err_sys(e, "reading directory '%s'", dir);
	strv_sort(ret);
	return 0;
}

static int add_dir(struct env *v, const char *from, const char *to, int64_t priority,
		   unsigned depth, struct err *e);

/* Replace the link at TO by a directory with the entries of its target and of FROM. */
static int merge(struct env *v, const char *from, char *to, int64_t priority, unsigned depth,
		 struct err *e)
{
	scoped_free char *target = realpath(to, NULL);
	int64_t before = priority_of(v, to);
	struct stat st;

	if (!target || lstat(target, &st) < 0)
		return err_sys(e, "following the link '%s'", to);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_INPUT, "collision between '%s' and non-directory '%s'", from,
			       target);
	if (unlink(to) < 0)
		return err_sys(e, "removing '%s'", to);
	if (mkdir(to, 0755) < 0)
		return err_sys(e, "creating directory '%s'", to);
	if (add_dir(v, target, to, before, depth + 1, e) < 0)
		return -1;
	return add_dir(v, from, to, priority, depth + 1, e);
}

/*
 * Decide between FROM and the link at TO, which is another package's.
 * Returns 1: FROM replaces the link; 0: the link stays; -1: *E, both have the same priority.
 */
static int contest(struct env *v, const char *from, char *to, int64_t priority, struct err *e)
{
	int64_t before = priority_of(v, to);
	char other[PATH_MAX];
	ssize_t n;

	if (before != priority)
		return before > priority;
	n = readlink(to, other, sizeof other - 1);
	if (n < 0)
		return err_sys(e, "reading symbolic link '%s'", to);
	other[n] = '\0';
	return err_set(
		e, ERR_INPUT,
		"Unable to build profile. There is a conflict for the following files:\n\n"
		"  %s\n  %s\n\nBoth packages have the priority %lld; use 'nix-env --set-flag "
		"priority NUMBER INSTALLED_PKGNAME' to change that of one of them (0 being the "
		"highest priority)",
		other, from, (long long)priority);
}

static int add_entry(struct env *v, const char *from, char *to, int64_t priority, unsigned depth,
		     struct err *e)
{
	struct stat from_st, to_st;
	bool there, is_dir;

	if (stat(from, &from_st) < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			return err_sys(e, "getting status of '%s'", from);
		say_warning("skipping dangling symlink '%s'", to);
		return 0;
	}
	if (is_left_out(from))
		return 0;
	is_dir = S_ISDIR(from_st.st_mode);
	there = lstat(to, &to_st) == 0;
	if (!there && errno != ENOENT)
		return err_sys(e, "getting status of '%s'", to);
	if (there && S_ISDIR(to_st.st_mode)) {
		if (is_dir)
			return add_dir(v, from, to, priority, depth + 1, e);
		return err_set(e, ERR_INPUT,
			       "collision between non-directory '%s' and directory '%s'", from, to);
	}
	if (there && is_dir)
		return merge(v, from, to, priority, depth, e);
	if (there) {
		int wins = contest(v, from, to, priority, e);

		if (wins <= 0)
			return wins;
		if (unlink(to) < 0)
			return err_sys(e, "removing '%s'", to);
	}
	return make_link(v, from, to, priority, e);
}

/* Add the entries of the directory FROM to the directory TO. */
static int add_dir(struct env *v, const char *from, const char *to, int64_t priority,
		   unsigned depth, struct err *e)
{
	scoped_strv struct strv names = STRV_INIT;

	if (depth > DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "'%s' is nested too deeply", from);
	if (list_dir(from, &names, e) < 0) {
		if (e->sys != ENOTDIR)
			return -1;
		err_clear(e);
		say_warning("not including '%s' in the user environment because it's not a "
			    "directory",
			    from);
		return 0;
	}
	for (size_t i = 0; i < names.n; i++) {
		scoped_free char *a = str_fmt(e, "%s/%s", from, names.items[i]);
		scoped_free char *b = a ? str_fmt(e, "%s/%s", to, names.items[i]) : NULL;

		if (!b || add_entry(v, a, b, priority, depth, e) < 0)
			return -1;
	}
	return 0;
}

/* Read the packages that PACKAGE propagates: each environment with PACKAGE contains them. */
static int postpone_propagated(struct env *v, const char *package, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(PROPAGATED_MAX);
	scoped_free char *path = str_fmt(e, "%s/nix-support/propagated-user-env-packages", package);
	if (!path)
		return -1;
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return err_sys(e, "opening '%s'", path);
	if (buf_reserve(&text, 0, e) < 0 || buf_read_fd(&text, fd, path, e) < 0)
		return -1;
	return strv_split(&v->postponed, text.data, " \n", e);
}

static int add_package(struct env *v, const char *path, int64_t priority, struct err *e)
{
	if (strv_has(&v->done, path))
		return 0;
	if (strv_add(&v->done, path, e) < 0 || add_dir(v, path, v->out, priority, 0, e) < 0)
		return -1;
	return postpone_propagated(v, path, e);
}

static int add_propagated(struct env *v, struct err *e)
{
	int64_t priority = PROPAGATED_PRIORITY;

	while (v->postponed.n) {
		scoped_strv struct strv now = v->postponed;

		v->postponed = (struct strv)STRV_INIT;
		strv_sort(&now);
		strv_uniq(&now);
		for (size_t i = 0; i < now.n; i++)
			if (!strv_has(&v->done, now.items[i]) &&
			    add_package(v, now.items[i], priority++, e) < 0)
				return -1;
	}
	return 0;
}

/* ---- the attribute "derivations": for each ACTIVE PRIORITY N, then N paths ---- */

static int parse_priority(const char *s, int64_t *ret, struct err *e)
{
	bool negative = *s == '-';
	uint64_t n;

	if (!num_parse_u64(s + negative, strlen(s + negative), INT32_MAX, &n))
		return err_set(e, ERR_INPUT, "'%s' is not a priority of a package", s);
	*ret = negative ? -(int64_t)n : (int64_t)n;
	return 0;
}

static int add_derivation(struct env *v, size_t *at, struct err *e)
{
	char **w = v->words.items + *at;
	size_t left = v->words.n - *at;
	int64_t priority = 0;
	uint64_t n;

	if (left < 3 || !num_parse_u64(w[2], strlen(w[2]), left - 3, &n))
		return err_set(e, ERR_INPUT, "the attribute 'derivations' ends too early");
	if (parse_priority(w[1], &priority, e) < 0)
		return -1;
	*at += 3 + n;
	if (str_eq(w[0], "false"))
		return 0;
	if (mem_grow(&v->packages, &v->cap, v->n + n, sizeof *v->packages, e) < 0)
		return -1;
	for (uint64_t i = 0; i < n; i++)
		v->packages[v->n++] = (struct package){w[3 + i], priority};
	return 0;
}

static int package_cmp(const void *pa, const void *pb)
{
	const struct package *a = pa, *b = pb;

	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	return strcmp(a->path, b->path);
}

static int parse_derivations(struct env *v, const char *text, struct err *e)
{
	size_t at = 0;

	if (strv_split(&v->words, text, " \t\n\r", e) < 0)
		return -1;
	while (at < v->words.n)
		if (add_derivation(v, &at, e) < 0)
			return -1;
	if (v->n)
		qsort(v->packages, v->n, sizeof *v->packages, package_cmp);
	return 0;
}

int builtin_buildenv(const struct params *p, struct err *e)
{
	scoped_env struct env v = {.out = params_get(p, "out")};
	const char *derivations = params_get(p, "derivations");
	const char *manifest = params_get(p, "manifest");

	if (!v.out)
		return err_set(e, ERR_INPUT, "'builtin:buildenv' requires an 'out' output");
	if (!derivations || !manifest)
		return err_set(e, ERR_INPUT, "attribute '%s' missing",
			       derivations ? "manifest" : "derivations");
	if (parse_derivations(&v, derivations, e) < 0)
		return -1;
	if (mkdir(v.out, 0755) < 0)
		return err_sys(e, "creating directory '%s'", v.out);
	for (size_t i = 0; i < v.n; i++)
		if (add_package(&v, v.packages[i].path, v.packages[i].priority, e) < 0)
			return -1;
	if (add_propagated(&v, e) < 0)
		return -1;
	scoped_free char *link = str_fmt(e, "%s/manifest.nix", v.out);
	return link ? make_link(&v, manifest, link, 0, e) : -1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The back-end that runs `nix-store`, which knows every kind of store and every schema. --load-db
 * is the only registration that works in all versions and set-ups: it takes no locks on the paths,
 * which the Nix that started the hook holds, and it registers all paths in one transaction.
 */
#include "hook/store/backends_internal.h"

#include <stdlib.h>
#include <string.h>

#include "hook/base/subprocess.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Enough for a closure of a million paths. */
#define OUTPUT_MAX (256u << 20)
/* How many paths one process is asked about: below the kernel's limit on arguments. */
#define PATHS_AT_ONCE 4000

/* Append to ARGV the command line of `nix-store` with the options OPS, on the store URI. */
static int add_command(const char *uri, const char *const *ops, struct strv *argv, struct err *e)
{
	if (strv_add(argv, "nix-store", e) < 0)
		return -1;
	for (; *ops; ops++)
		if (strv_add(argv, *ops, e) < 0)
			return -1;
	return strv_add(argv, "--store", e) < 0 ? -1 : strv_add(argv, uri, e);
}

/*
 * Ask `nix-store` with the options OPS about up to PATHS_AT_ONCE of PATHS, from number FROM on, and
 * append its answer to OUT.
 */
static int ask(const char *uri, const char *const *ops, const struct strv *paths, size_t from,
	       struct buf *out, struct err *e)
{
	scoped_strv struct strv argv = STRV_INIT;
	const size_t to = paths->n - from > PATHS_AT_ONCE ? from + PATHS_AT_ONCE : paths->n;

	if (add_command(uri, ops, &argv, e) < 0)
		return -1;
	for (size_t i = from; i < to; i++)
		if (strv_add(&argv, paths->items[i], e) < 0)
			return -1;
	return subprocess_run(argv.items, NULL, 0, out, e);
}

/* Append to RET the paths in PATHS that are not valid. */
static int invalid_paths(const char *uri, const struct strv *paths, struct strv *ret, struct err *e)
{
	static const char *const ops[] = {"--check-validity", "--print-invalid", NULL};

	for (size_t from = 0; from < paths->n; from += PATHS_AT_ONCE) {
		scoped_buf struct buf out = BUF_INIT(OUTPUT_MAX);

		if (ask(uri, ops, paths, from, &out, e) < 0)
			return -1;
		if (out.data && strv_split(ret, out.data, "\n", e) < 0)
			return -1;
	}
	return 0;
}

int store_nix_is_valid(const char *uri, const char *path, struct err *e)
{
	scoped_strv struct strv paths = STRV_INIT, invalid = STRV_INIT;

	if (strv_add(&paths, path, e) < 0 || invalid_paths(uri, &paths, &invalid, e) < 0)
		return -1;
	return invalid.n == 0;
}

/* Fail with store_err_invalid() on the first of PATHS that is not valid. */
static int all_valid(const char *uri, const struct strv *paths, struct err *e)
{
	scoped_strv struct strv invalid = STRV_INIT;

	if (invalid_paths(uri, paths, &invalid, e) < 0)
		return -1;
	return invalid.n ? store_err_invalid(invalid.items[0], e) : 0;
}

/* Return the next line at *P, without its line feed, and move *P past it. NULL: there is none. */
static char *next_line(char **p)
{
	char *line = *p, *end = line ? strchr(line, '\n') : NULL;

	if (!end)
		return NULL;
	*end = '\0';
	*p = end + 1;
	return line;
}

/*
 * Parse what --dump-db prints about PATH, a line each: path, hash, size, deriver, number of
 * references, references.
 */
static int info_parse(char *text, const char *path, struct store_path_info *info, struct err *e)
{
	char *p = text, *name = next_line(&p), *hash = next_line(&p), *size = next_line(&p);
	char *deriver = next_line(&p), *count = next_line(&p);
	uint64_t n;

	if (!count || !str_eq(name, path) ||
	    !num_parse_u64(size, strlen(size), UINT64_MAX, &info->nar_size_bytes) ||
	    !num_parse_u64(count, strlen(count), OUTPUT_MAX, &n))
		return err_set(e, ERR_SYSTEM,
			       "'nix-store --dump-db %s' did not print path, hash, size, deriver "
			       "and number of references",
			       path);
	if (hash_parse(hash, strlen(hash), HASH_SHA256, &info->nar_sha256, e) < 0)
		return err_wrap(e, "reading 'nix-store --dump-db %s'", path);
	if (*deriver && !(info->deriver = str_dup(deriver, e)))
		return -1;
	for (; n; n--) {
		char *ref = next_line(&p);
		if (!ref)
			return err_set(e, ERR_SYSTEM,
				       "'nix-store --dump-db %s' printed fewer references than it "
				       "announced",
				       path);
		if (strv_add(&info->refs, ref, e) < 0)
			return -1;
	}
	strv_sort(&info->refs);
	return 0;
}

int store_nix_info(const char *uri, const char *path, struct store_path_info *ret, struct err *e)
{
	static const char *const ops[] = {"--dump-db", NULL};
	scoped_store_path_info struct store_path_info info = {0};
	scoped_strv struct strv paths = STRV_INIT;
	scoped_buf struct buf out = BUF_INIT(OUTPUT_MAX);

	if (strv_add(&paths, path, e) < 0 || all_valid(uri, &paths, e) < 0 ||
	    ask(uri, ops, &paths, 0, &out, e) < 0 || info_parse(out.data, path, &info, e) < 0)
		return -1;
	*ret = TAKE(info, ((struct store_path_info){0}));
	return 0;
}

int store_nix_closure(const char *uri, const struct strv *paths, struct strv *ret, struct err *e)
{
	static const char *const ops[] = {"--query", "--requisites", NULL};
	scoped_strv struct strv found = STRV_INIT;

	if (all_valid(uri, paths, e) < 0)
		return -1;
	for (size_t from = 0; from < paths->n; from += PATHS_AT_ONCE) {
		scoped_buf struct buf out = BUF_INIT(OUTPUT_MAX);

		if (ask(uri, ops, paths, from, &out, e) < 0 ||
		    strv_split(&found, out.data ? out.data : "", "\n", e) < 0)
			return -1;
	}
	strv_sort(&found);
	strv_uniq(&found);
	return strv_copy(ret, &found, e);
}

int store_nix_check(const char *uri, const struct store_registration *regs, size_t n, struct err *e)
{
	scoped_strv struct strv paths = STRV_INIT, refs = STRV_INIT, invalid = STRV_INIT;

	for (size_t i = 0; i < n; i++) {
		if (strv_add(&paths, regs[i].path, e) < 0)
			return -1;
		for (size_t j = 0; j < regs[i].refs->n; j++)
			if (!store_regs_have(regs, n, regs[i].refs->items[j]) &&
			    strv_add(&refs, regs[i].refs->items[j], e) < 0)
				return -1;
	}
	strv_sort(&refs);
	strv_uniq(&refs);
	if (invalid_paths(uri, &paths, &invalid, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!strv_has(&invalid, regs[i].path))
			return err_set(e, ERR_INPUT, "path '%s' is valid already", regs[i].path);
	return all_valid(uri, &refs, e);
}

int store_nix_load(const char *uri, const struct store_registration *regs, size_t n, struct err *e)
{
	static const char *const ops[] = {"--load-db", NULL};
	scoped_strv struct strv argv = STRV_INIT;
	scoped_buf struct buf in = BUF_INIT(OUTPUT_MAX);

	for (size_t i = 0; i < n; i++) {
		const struct store_registration *r = &regs[i];
		char hash[HASH_TEXT_MAX];

		hash_print(&r->nar_sha256, HASH_BASE16, false, hash);
		if (buf_addf(&in, e, "%s\n%s\n%llu\n%s\n%zu\n", r->path, hash,
			     (unsigned long long)r->nar_size_bytes, r->deriver ? r->deriver : "",
			     r->refs->n) < 0)
			return -1;
		for (size_t j = 0; j < r->refs->n; j++)
			if (buf_addf(&in, e, "%s\n", r->refs->items[j]) < 0)
				return -1;
	}
	if (add_command(uri, ops, &argv, e) < 0)
		return -1;
	return subprocess_run(argv.items, in.data, in.len, NULL, e);
}

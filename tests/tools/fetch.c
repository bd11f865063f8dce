/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of binary caches use the library by:
 *
 *	fetch [OPTION]... --from URL... info PATH...          the narinfos
 *	fetch [OPTION]... --from URL... closure PATH...       the closure, and "missing: PATH"
 *	fetch [OPTION]... --from URL... restore DIR PATH...   the closure, into DIR
 *	fetch [OPTION]... --to URL put NAME FILE              a file into a cache
 *	fetch [OPTION]... --to URL has NAME SIZE
 *
 * Each prints what it did to stdout, and notes to stderr. A failure ends with 1 and its message.
 */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/cache/cache.h"
#include "nar/cache/dest.h"
#include "nar/reader.h"
#include "nar/restore.h"

#include "nar/base/banned.h"

#define FILE_MAX (1u << 30)

struct args {
	struct cache_options o;
	struct strv from;
	const char *to;
	struct ed25519_keys keys;
	bool progress;
	uint64_t stop_at; /* bytes; 0: never */
};

static void on_note(void *ctx, const char *text)
{
	fprintf(stderr, "note: %s\n", text);
}

static int on_progress(void *ctx, const struct cache_progress *p)
{
	const struct args *a = ctx;

	if (a->progress)
		fprintf(stderr,
			"progress: infos %zu/%zu, nars %zu/%zu, bytes %" PRIu64 "/%" PRIu64
			", active %zu\n",
			p->infos_done, p->infos, p->nars_done, p->nars, p->bytes_done, p->bytes,
			p->n_active);
	return a->stop_at && p->bytes_done >= a->stop_at;
}

static int each_info(const struct cache_set *s, char **paths, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		scoped_buf struct buf b = BUF_INIT(NARINFO_MAX_BYTES * 2);
		const struct cache_info *info = cache_find(s, paths[i]);

		if (!info) {
			printf("missing: %s\n", paths[i]);
			continue;
		}
		if (narinfo_print(&info->info, &b, e) < 0)
			return -1;
		printf("from: %s\n%s", info->from, b.data);
	}
	return 0;
}

static int closure(const struct cache_set *s, char **paths, size_t n, struct strv *ret,
		   struct err *e)
{
	scoped_strv struct strv missing = STRV_INIT;

	if (cache_closure(s, (const char *const *)paths, n, ret, &missing, e) < 0)
		return -1;
	for (size_t i = 0; i < missing.n; i++)
		printf("missing: %s\n", missing.items[i]);
	if (missing.n)
		return err_set(e, ERR_INPUT, "%zu paths are in no cache%s%s", missing.n,
			       cache_trouble(s) ? "; also: " : "",
			       cache_trouble(s) ? cache_trouble(s) : "");
	return 0;
}

/* In a thread: only its own item. */
static int restore(struct cache_item *item, const struct nar_source *nar, struct err *e)
{
	const int *dirfd = item->ctx;
	const char *path = item->info->info.store_path;
	scoped_nar_reader struct nar_reader *r = nar_reader_new_source(nar, NULL, e);

	if (!r)
		return -1;
	return nar_restore(r, *dirfd, str_base(path), path, NAR_RESTORE_CANONICAL, e);
}

static int restore_all(struct cache_set *s, const char *dir, char **paths, size_t n, struct err *e)
{
	scoped_strv struct strv all = STRV_INIT;
	scoped_fd int dirfd = io_mkdir_p(dir, 0755, e);

	if (dirfd < 0 || closure(s, paths, n, &all, e) < 0)
		return -1;
	scoped_free struct cache_item *items = mem_new(all.n, sizeof *items, e);
	if (!items)
		return -1;
	for (size_t i = 0; i < all.n; i++)
		items[i] = (struct cache_item){
			.info = cache_find(s, all.items[i]),
			.consume = restore,
			.ctx = &dirfd,
		};
	int rc = cache_fetch(s, items, all.n, e);
	for (size_t i = 0; i < all.n; i++)
		if (items[i].done)
			printf("%s\n", all.items[i]);
	return rc;
}

static int run_from(struct args *a, const char *verb, char **argv, int argc, struct err *e)
{
	scoped_strv struct strv all = STRV_INIT;
	bool restoring = str_eq(verb, "restore");
	scoped_cache_set struct cache_set *s =
		cache_set_open((const char *const *)a->from.items, a->from.n, &a->o, e);
	const char *dir = restoring ? *argv++ : NULL;
	size_t n = (size_t)(argc - restoring);

	if (!s)
		return -1;
	if (cache_query(s, (const char *const *)argv, n, str_eq(verb, "info") ? 0 : CACHE_CLOSURE,
			e) < 0)
		return -1;
	if (str_eq(verb, "info"))
		return each_info(s, argv, n, e);
	if (restoring)
		return restore_all(s, dir, argv, n, e);
	if (closure(s, argv, n, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++)
		printf("%s\n", all.items[i]);
	return 0;
}

static int put(struct cache_dest *d, const char *name, const char *file, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(FILE_MAX);
	scoped_fd int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "opening '%s'", file);
	if (buf_read_fd(&b, fd, file, e) < 0)
		return -1;
	/* A narinfo is a small file, all others are large ones. */
	if (str_ends(name, ".narinfo"))
		return cache_dest_put(d, name, b.data, b.len, e);
	scoped_cache_upload struct cache_upload *u = cache_upload_new(d, e);
	if (!u || io_write(cache_upload_fd(u), b.data, b.len, name, e) < 0)
		return -1;
	return cache_upload_commit(u, name, e);
}

static int run_to(struct args *a, const char *verb, char **argv, int argc, struct err *e)
{
	scoped_cache_dest struct cache_dest *d = cache_dest_open(a->to, &a->o, e);

	if (!d)
		return -1;
	if (str_eq(verb, "put") && argc == 2)
		return put(d, argv[0], argv[1], e);
	static const char *const words[] = {"no", "damaged", "unsaid", "yes"};
	uint64_t size;
	if (!str_eq(verb, "has") || argc != 2 ||
	    !num_parse_u64(argv[1], strlen(argv[1]), INT64_MAX, &size))
		return err_set(e, ERR_INPUT, "bad arguments");
	int rc = cache_dest_compare(d, argv[0], size, NULL, e);
	if (rc >= 0)
		printf("%s\n", words[rc]);
	return rc < 0 ? -1 : 0;
}

enum {
	FROM = 1,
	TO,
	KEY,
	ANY,
	NETRC,
	CA,
	CONNECT,
	STALL,
	ATTEMPTS,
	RETRY,
	NARS,
	HTTP1,
	PROGRESS,
	STOP,
	STORE
};
static const struct option options[] = {
	{"from", required_argument, NULL, FROM},
	{"to", required_argument, NULL, TO},
	{"key", required_argument, NULL, KEY},
	{"any-signature", no_argument, NULL, ANY},
	{"netrc", required_argument, NULL, NETRC},
	{"ca-file", required_argument, NULL, CA},
	{"connect-ms", required_argument, NULL, CONNECT},
	{"stall-ms", required_argument, NULL, STALL},
	{"attempts", required_argument, NULL, ATTEMPTS},
	{"retry-ms", required_argument, NULL, RETRY},
	{"nars", required_argument, NULL, NARS},
	{"http1", no_argument, NULL, HTTP1},
	{"progress", no_argument, NULL, PROGRESS},
	{"stop-at", required_argument, NULL, STOP},
	{"store", required_argument, NULL, STORE},
	{NULL, 0, NULL, 0},
};

static int set_option(struct args *a, int c, const char *value, struct err *e)
{
	uint64_t n = 0;

	if (c >= CONNECT && c <= NARS && !num_parse_u64(value, strlen(value), 1000000, &n))
		return err_set(e, ERR_INPUT, "bad number '%s'", value);
	switch (c) {
	case FROM:
		return strv_add(&a->from, value, e);
	case TO:
		a->to = value;
		return 0;
	case KEY:
		return ed25519_keys_add(&a->keys, value, e);
	case ANY:
		a->o.any_signature = true;
		return 0;
	case NETRC:
		a->o.netrc_file = value;
		return 0;
	case CA:
		a->o.ca_file = value;
		return 0;
	case CONNECT:
		a->o.connect_timeout_ms = (unsigned)n;
		return 0;
	case STALL:
		a->o.stall_timeout_ms = (unsigned)n;
		return 0;
	case ATTEMPTS:
		a->o.attempts = (unsigned)n;
		return 0;
	case RETRY:
		a->o.retry_ms = (unsigned)n;
		return 0;
	case NARS:
		a->o.nars = (unsigned)n;
		return 0;
	case HTTP1:
		a->o.no_http2 = true;
		return 0;
	case PROGRESS:
		a->progress = true;
		return 0;
	case STOP:
		return num_parse_u64(value, strlen(value), INT64_MAX, &a->stop_at) ? 0 : -1;
	case STORE:
		a->o.store_dir = value;
		return 0;
	default:
		return err_set(e, ERR_INPUT, "bad option");
	}
}

static int run(struct args *a, int argc, char **argv, struct err *e)
{
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (set_option(a, c, optarg, e) < 0)
			return -1;
	argc -= optind;
	argv += optind;
	if (argc < 2)
		return err_set(e, ERR_INPUT, "bad arguments");
	a->o.trusted = &a->keys;
	a->o.progress = on_progress;
	a->o.note = on_note;
	a->o.ctx = a;
	if (a->to)
		return run_to(a, argv[0], argv + 1, argc - 1, e);
	return run_from(a, argv[0], argv + 1, argc - 1, e);
}

int main(int argc, char **argv)
{
	struct args a = {.from = STRV_INIT};
	struct err e = ERR_INIT;
	int rc = run(&a, argc, argv, &e);

	if (rc < 0)
		fprintf(stderr, "error: %s\n", e.msg);
	strv_done(&a.from);
	ed25519_keys_done(&a.keys);
	return rc < 0;
}

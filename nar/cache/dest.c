/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/cache/cache.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "nar/base/durable.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/cache/cache_internal.h"
#include "nar/cache/dest.h"
#include "nar/hash.h"

#include "nar/base/banned.h"

#define TEMPORARY_MAX 32
#define COMPARE_BYTES (256 << 10)

struct cache_dest {
	struct cache_options o;
	struct cache_url url;
	int dirfd; /* of a file: cache, or -1 */
	struct http *http;
	bool global; /* libcurl's global state is initialised */
};

struct cache_upload {
	struct cache_dest *dest;
	int fd;
	char name[TEMPORARY_MAX]; /* temporary name in the cache's directory; "": none */
};

/* ---- HTTP, one transfer at a time ---- */

struct call {
	struct http_transfer t;
	struct buf *body; /* or NULL */
	bool ended;
	enum http_result result;
};

static int on_data(struct http_transfer *t, const void *data, size_t n, struct err *e)
{
	struct call *c = t->ctx;

	return buf_add(c->body, data, n, e) < 0 ? -1 : 1;
}

static void on_done(struct http_transfer *t, enum http_result r)
{
	struct call *c = t->ctx;

	c->ended = true;
	c->result = r;
}

/*
 * Run the transfer of file NAME.
 * Returns 1: done; 0: there is no such file; -1: *E.
 */
static int call(struct cache_dest *d, const char *name, struct call *c, struct err *e)
{
	scoped_free char *url = NULL, *shown = NULL;
	const struct cache_progress nothing = {0};
	int rc;

	if (cache_name_urls(&d->url, name, &url, &shown, e) < 0)
		return -1;
	c->t.url = url;
	c->t.what = shown;
	c->t.data = on_data;
	c->t.done = on_done;
	c->t.ctx = c;
	rc = http_start(d->http, &c->t, e);
	while (rc == 0 && !c->ended) {
		rc = http_step(d->http, CACHE_WAIT_MS, e);
		if (rc == 0 && d->o.progress && d->o.progress(d->o.ctx, &nothing) != 0)
			rc = err_set(e, ERR_STOPPED, "stopped");
	}
	http_cancel(&c->t);
	if (rc < 0)
		return -1;
	if (c->result == HTTP_FAILED) {
		*e = c->t.err;
		return -1;
	}
	return c->result == HTTP_OK;
}

/* Return the Content-Type that Nix gives a file of this name when it uploads one. */
static const char *type_of(const char *name)
{
	return str_ends(name, ".narinfo")                        ? "text/x-nix-narinfo"
	       : str_eq(name, "nix-cache-info")                  ? "text/x-nix-cache-info"
	       : str_ends(name, ".ls")                           ? "application/json"
	       : str_ends(name, ".nar") || strstr(name, ".nar.") ? "application/x-nix-nar"
								 : "application/octet-stream";
}

static int put_http(struct cache_dest *d, const char *name, const void *data, int fd, uint64_t n,
		    struct err *e)
{
	struct call c = {
		.t =
			{
				.method = HTTP_PUT,
				.put_data = data,
				.put_fd = fd,
				.put_bytes = n,
				.content_type = type_of(name),
			},
	};

	return call(d, name, &c, e) < 0 ? -1 : 0;
}

/* ---- file: ---- */

static int temporary_name(char name[TEMPORARY_MAX], struct err *e)
{
	uint64_t random;

	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return err_sys(e, "getting random bytes");
	snprintf(name, TEMPORARY_MAX, ".tmp-%016" PRIx64, random);
	return 0;
}

/*
 * Create a file in DIRFD, whose path for messages is SHOWN. If the file system supports it, the
 * file has no name (NAME is ""), and nothing is left of it if this process is killed. Else NAME is
 * a temporary name that no file of a cache has.
 * Returns the descriptor; -1: *E.
 */
static int new_temporary(int dirfd, const char *shown, char name[TEMPORARY_MAX], struct err *e)
{
	int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);

	name[0] = '\0';
	if (fd >= 0)
		return fd;
	for (int i = 0; i < 100; i++) {
		if (temporary_name(name, e) < 0)
			return -1;
		fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0)
			return fd;
		if (errno != EEXIST)
			break;
	}
	name[0] = '\0';
	return err_sys(e, "creating a temporary file in '%s'", shown);
}

/* Create a file without a name in TMPDIR, to be uploaded from there. */
static int new_nameless(struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	const char *dir = tmp && *tmp ? tmp : "/tmp";
	char name[TEMPORARY_MAX];
	scoped_fd int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (dirfd < 0)
		return err_sys(e, "opening '%s'", dir);
	fd = new_temporary(dirfd, dir, name, e);
	if (fd >= 0 && name[0])
		(void)unlinkat(dirfd, name, 0);
	return fd;
}

/*
 * Give FD, a file without a name, a temporary name. linkat(2) cannot give it its final name, which
 * may exist: only rename(2) replaces a file.
 */
static int give_name(struct cache_dest *d, int fd, char name[TEMPORARY_MAX], struct err *e)
{
	char self[32];

	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	for (int i = 0; i < 100; i++) {
		if (temporary_name(name, e) < 0)
			break;
		if (linkat(AT_FDCWD, self, d->dirfd, name, AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (errno != EEXIST) {
			err_sys(e, "creating a file in '%s'", d->url.shown);
			break;
		}
	}
	name[0] = '\0';
	return -1;
}

/* Rename the temporary file to NAME, and create the directories in NAME. */
static int publish_file(struct cache_dest *d, const char *temporary, const char *name,
			struct err *e)
{
	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		scoped_free char *dir = str_ndup(name, (size_t)(slash - name), e);

		if (!dir)
			return -1;
		if (mkdirat(d->dirfd, dir, 0777) < 0 && errno != EEXIST)
			return err_sys(e, "creating '%s/%s'", d->url.shown, dir);
	}
	if (renameat(d->dirfd, temporary, d->dirfd, name) < 0)
		return err_sys(e, "creating '%s/%s'", d->url.shown, name);
	return 0;
}

/* ---- large files ---- */

struct cache_upload *cache_upload_new(struct cache_dest *d, struct err *e)
{
	scoped_cache_upload struct cache_upload *u = mem_new(1, sizeof *u, e);

	if (!u)
		return NULL;
	u->dest = d;
	u->fd = d->url.is_file ? new_temporary(d->dirfd, d->url.shown, u->name, e)
			       : new_nameless(e);
	return u->fd < 0 ? NULL : TAKE(u, NULL);
}

int cache_upload_fd(const struct cache_upload *u)
{
	return u->fd;
}

int cache_upload_commit(struct cache_upload *u, const char *name, struct err *e)
{
	struct stat st;

	if (cache_url_check_name(name, e) < 0)
		return -1;
	if (!u->dest->url.is_file) {
		if (fstat(u->fd, &st) < 0)
			return err_sys(e, "getting status of the file to upload as '%s'", name);
		return put_http(u->dest, name, NULL, u->fd, (uint64_t)st.st_size, e);
	}
	if (!u->name[0] && give_name(u->dest, u->fd, u->name, e) < 0)
		return -1;
	if (!u->dest->o.no_sync && durable_fd(u->fd, name, e) < 0)
		return err_wrap(e, "in '%s'", u->dest->url.shown);
	if (io_close(&u->fd, name, e) < 0 || publish_file(u->dest, u->name, name, e) < 0)
		return -1;
	u->name[0] = '\0';
	return 0;
}

void cache_upload_free(struct cache_upload *u)
{
	if (!u)
		return;
	int saved = errno;
	if (u->fd >= 0)
		close(u->fd);
	if (u->name[0])
		(void)unlinkat(u->dest->dirfd, u->name, 0);
	free(u);
	errno = saved;
}

/* ---- the cache ---- */

/* Do cache_dest_compare() for a file: cache. */
static int compare_file(struct cache_dest *d, const char *name, uint64_t size_bytes,
			const struct hash *sha256, struct err *e)
{
	scoped_fd int fd = -1;
	scoped_free char *data = NULL;
	struct hash_ctx ctx = {.started = false};
	struct stat st;
	struct hash is;
	ssize_t n = 0;
	int rc = cache_file_open(d->dirfd, d->url.shown, name, &fd, e);

	if (rc <= 0)
		return rc < 0 ? -1 : CACHE_NONE;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "getting status of '%s/%s'", d->url.shown, name);
	if ((uint64_t)st.st_size != size_bytes)
		return CACHE_DAMAGED;
	if (!sha256)
		return CACHE_SAME;
	data = mem_bytes(COMPARE_BYTES, e);
	if (!data || hash_start(&ctx, HASH_SHA256, e) < 0)
		return -1;
	while (rc > 0 && (n = io_read(fd, data, COMPARE_BYTES, name, e)) > 0)
		rc = hash_update(&ctx, data, (size_t)n, e) < 0 ? -1 : 1;
	rc = rc < 0 || n < 0 ? -1 : hash_finish(&ctx, &is, e);
	hash_ctx_done(&ctx);
	if (rc < 0)
		return -1;
	return hash_equal(&is, sha256) ? CACHE_SAME : CACHE_DAMAGED;
}

int cache_dest_compare(struct cache_dest *d, const char *name, uint64_t size_bytes,
		       const struct hash *sha256, struct err *e)
{
	if (cache_url_check_name(name, e) < 0)
		return -1;
	if (d->url.is_file)
		return compare_file(d, name, size_bytes, sha256, e);
	struct call c = {.t = {.method = HTTP_HEAD, .is_short = true}};
	int rc = call(d, name, &c, e);
	if (rc <= 0)
		return rc < 0 ? -1 : CACHE_NONE;
	if ((c.t.length_bytes != UINT64_MAX && c.t.length_bytes != size_bytes) ||
	    (c.t.has_sha256 && sha256 && memcmp(c.t.sha256, sha256->bytes, 32) != 0))
		return CACHE_DAMAGED;
	return c.t.length_bytes == UINT64_MAX && !(c.t.has_sha256 && sha256) ? CACHE_UNSAID
									     : CACHE_SAME;
}

int cache_dest_get(struct cache_dest *d, const char *name, struct buf *b, struct err *e)
{
	if (cache_url_check_name(name, e) < 0)
		return -1;
	if (d->url.is_file)
		return cache_file_read(d->dirfd, d->url.shown, name, b, e);
	struct call c = {
		.t = {.is_short = true, .max_bytes = b->max_bytes - b->len},
		.body = b,
	};
	return call(d, name, &c, e);
}

int cache_dest_put(struct cache_dest *d, const char *name, const void *data, size_t n,
		   struct err *e)
{
	if (cache_url_check_name(name, e) < 0)
		return -1;
	if (!d->url.is_file)
		return put_http(d, name, n ? data : "", -1, n, e);
	scoped_cache_upload struct cache_upload *u = cache_upload_new(d, e);
	if (!u || io_write(u->fd, data, n, name, e) < 0)
		return -1;
	return cache_upload_commit(u, name, e);
}

int cache_dest_settle(struct cache_dest *d, struct err *e)
{
	if (!d->url.is_file || d->o.no_sync)
		return 0;
	scoped_fd int nars = openat(d->dirfd, "nar", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (nars < 0 && errno != ENOENT)
		return err_sys(e, "opening '%s/nar'", d->url.shown);
	if (nars >= 0 && durable_fd(nars, "nar", e) < 0)
		return err_wrap(e, "in '%s'", d->url.shown);
	return durable_fd(d->dirfd, d->url.shown, e);
}

const char *cache_dest_url(const struct cache_dest *d)
{
	return d->url.shown;
}

const char *cache_dest_param(const struct cache_dest *d, const char *name)
{
	return cache_url_param(&d->url, name);
}

/* Return how many bytes at the start of IS and of WHOLE are equal. */
static size_t common(const struct buf *is, const struct buf *whole)
{
	size_t n = 0;

	while (n < is->len && n < whole->len && is->data[n] == whole->data[n])
		n++;
	return n;
}

/*
 * Tell whether IS is the rest of an upload of WHOLE that was cut off: the start of WHOLE, perhaps
 * followed by zeroes for bytes that never reached the disk. A text of another store directory, even
 * a damaged one, is not; nor is WHOLE without its line feed, which is complete enough.
 */
static bool is_cut(const struct buf *is, const struct buf *whole)
{
	size_t n = common(is, whole);

	if (n == whole->len || (n + 1 == whole->len && n == is->len))
		return false;
	while (n < is->len && !is->data[n])
		n++;
	return n == is->len;
}

/* Remove the last line of B, which was cut off and has no line feed. */
static void drop_last_line(struct buf *b)
{
	while (b->len && b->data[b->len - 1] != '\n')
		b->data[--b->len] = '\0';
}

/* Check that B, the contents of nix-cache-info, is valid and of our store directory. */
static int check_text(struct cache_dest *d, const struct buf *b, struct err *e)
{
	scoped_cacheinfo struct cacheinfo info = {0};

	if (cacheinfo_parse(b->data ? b->data : "", b->len, &info, e) < 0)
		return err_wrap(e, "binary cache '%s'", d->url.shown);
	return cacheinfo_check(&info, d->url.shown, d->o.store_dir, e);
}

/* Check that the cache is of our store directory. Write nix-cache-info if it is missing or cut. */
static int check_info(struct cache_dest *d, struct err *e)
{
	static const char name[] = "nix-cache-info";
	scoped_buf struct buf b = BUF_INIT(CACHEINFO_MAX_BYTES), ours = BUF_INIT(PATH_MAX + 64);
	int rc = cache_dest_get(d, name, &b, e);

	/* Nix writes no more than this line. */
	if (rc < 0 || buf_addf(&ours, e, "StoreDir: %s\n", d->o.store_dir) < 0)
		return -1;
	if (rc == 0)
		return cache_dest_put(d, name, ours.data, ours.len, e);
	if (is_cut(&b, &ours)) {
		cache_note(&d->o, "'%s/%s' was cut off and is written anew", d->url.shown, name);
		return cache_dest_put(d, name, ours.data, ours.len, e);
	}
	if (check_text(d, &b, e) == 0)
		return 0;
	if (common(&b, &ours) < ours.len || b.data[b.len - 1] == '\n')
		return -1;
	/* It is of our store directory and contains more lines, of which the last was cut off. */
	err_clear(e);
	drop_last_line(&b);
	if (check_text(d, &b, e) < 0)
		return -1;
	cache_note(&d->o, "'%s/%s' was cut off and is written anew", d->url.shown, name);
	return cache_dest_put(d, name, b.data, b.len, e);
}

static int open_dest(struct cache_dest *d, const char *url, struct err *e)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, ERR_SYSTEM, "libcurl cannot be initialised");
	d->global = true;
	if (cache_url_parse(url, &d->url, e) < 0)
		return -1;
	if (d->url.is_file) {
		d->dirfd = io_mkdir_p(d->url.dir, 0755, e);
		if (d->dirfd < 0)
			return -1;
	} else {
		d->http = cache_http_new(&d->o, e);
		if (!d->http)
			return -1;
	}
	return check_info(d, e);
}

struct cache_dest *cache_dest_open(const char *url, const struct cache_options *o, struct err *e)
{
	scoped_cache_dest struct cache_dest *d = mem_new(1, sizeof *d, e);

	if (!d)
		return NULL;
	d->dirfd = -1;
	d->o = *o;
	cache_options_fill(&d->o);
	return open_dest(d, url, e) < 0 ? NULL : TAKE(d, NULL);
}

void cache_dest_free(struct cache_dest *d)
{
	if (!d)
		return;
	int saved = errno;
	http_free(d->http);
	cache_url_done(&d->url);
	if (d->dirfd >= 0)
		close(d->dirfd);
	if (d->global)
		curl_global_cleanup();
	free(d);
	errno = saved;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Servers that go on after they were refused: whoever refuses is not asked again, the error that
 * was set first stays, and everything ends.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/cache/cache.h"
#include "nar/http/http.h"
#include "nar/reader.h"
#include "nar/restore.h"
#include "tests/unit/httpd.h"
#include "tests/unit/nar_words.h"

#define BLOCK 16384
#define STALL_MS 500

static const struct http_options options = {
	.user_agent = "test",
	.connect_timeout_ms = 5000,
	.stall_timeout_ms = STALL_MS,
	.attempts = 2,
	.retry_ms = 1,
	.connections = 8,
};

/* ---- answers that do not end; the first part of the path says which ---- */

static const char zeros[BLOCK];

static bool send_chunks(int fd)
{
	char head[32];

	snprintf(head, sizeof head, "%x\r\n", BLOCK);
	while (httpd_send(fd, head) && httpd_send_n(fd, zeros, BLOCK) && httpd_send(fd, "\r\n"))
		;
	return false;
}

/* Blocks of deflate that are stored as they are. */
static bool send_gzip(int fd)
{
	static const unsigned char head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
	static const unsigned char block[5] = {0, BLOCK & 255, BLOCK >> 8, (BLOCK ^ 0xffff) & 255,
					       (BLOCK ^ 0xffff) >> 8};

	if (!httpd_send_n(fd, head, sizeof head))
		return false;
	while (httpd_send_n(fd, block, sizeof block) && httpd_send_n(fd, zeros, BLOCK))
		;
	return false;
}

static bool endless(int fd, const struct httpd_request *r, void *ctx)
{
	const char *p = r->path + 1;

	if (strcmp(p, "length") == 0)
		return httpd_send(fd, "HTTP/1.1 200 X\r\nContent-Length: 999999999999\r\n\r\n") &&
		       httpd_send_for_ever(fd, zeros, BLOCK);
	if (strcmp(p, "chunked") == 0)
		return httpd_send(fd, "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n") &&
		       send_chunks(fd);
	if (strcmp(p, "close") == 0)
		return httpd_send(fd, "HTTP/1.1 200 X\r\nConnection: close\r\n\r\n") &&
		       httpd_send_for_ever(fd, zeros, BLOCK);
	if (strcmp(p, "gzip") == 0)
		return httpd_send(fd, "HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\n\r\n") &&
		       send_gzip(fd);
	if (strcmp(p, "part") == 0)
		return httpd_send(fd, "HTTP/1.1 206 X\r\nContent-Range: bytes 7-8/9\r\n\r\n") &&
		       httpd_send_for_ever(fd, zeros, BLOCK);
	if (strcmp(p, "error") == 0)
		return httpd_send(fd, "HTTP/1.1 500 X\r\n\r\n") &&
		       httpd_send_for_ever(fd, zeros, BLOCK);
	if (strcmp(p, "missing") == 0)
		return httpd_send(fd, "HTTP/1.1 404 X\r\n\r\n") &&
		       httpd_send_for_ever(fd, zeros, BLOCK);
	if (strcmp(p, "redirect") == 0)
		return httpd_send(fd, "HTTP/1.1 302 X\r\nLocation: /redirect\r\n\r\n") &&
		       httpd_send_for_ever(fd, zeros, BLOCK);
	if (strcmp(p, "headers") == 0)
		return httpd_send(fd, "HTTP/1.1 200 X\r\n") &&
		       httpd_send_for_ever(fd, "X: y\r\n", 6);
	if (strcmp(p, "continue") == 0)
		return httpd_send_for_ever(fd, "HTTP/1.1 100 X\r\n\r\n", 18);
	return false;
}

/* ---- one transfer ---- */

struct script {
	struct http_transfer t;
	unsigned calls, pause_at, refuse_at; /* from 1; 0: never */
	unsigned refusals;
	bool ended;
	enum http_result result;
};

static int on_data(struct http_transfer *t, const void *data, size_t n, struct err *e)
{
	struct script *s = t->ctx;

	s->calls++;
	if (s->calls == s->pause_at)
		return 0;
	if (!s->refuse_at || s->calls < s->refuse_at)
		return 1;
	s->refusals++;
	return err_set(e, ERR_INPUT, "refused");
}

static void on_done(struct http_transfer *t, enum http_result r)
{
	struct script *s = t->ctx;

	assert_false(s->ended);
	s->ended = true;
	s->result = r;
}

static void run(struct http *h, struct script *s, const char *url)
{
	struct err e = ERR_INIT;

	s->t.url = s->t.what = url;
	s->t.data = on_data;
	s->t.done = on_done;
	s->t.ctx = s;
	assert_ok(&e, http_start(h, &s->t, &e));
	while (!s->ended) {
		if (s->t.paused) {
			usleep(2000); /* more has come, and is there at once when it goes on */
			http_resume(&s->t);
		}
		assert_ok(&e, http_step(h, 100, &e));
	}
}

static void who_has_refused_is_not_asked_again(void **state)
{
	static const char *const how[] = {"length", "chunked", "close", "gzip"};
	struct err e = ERR_INIT;
	struct httpd server;

	httpd_start(&server, endless, NULL);
	struct http *h = http_new(&options, &e);
	assert_non_null(h);
	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		scoped_free char *url = str_fmt(&e, "%s/%s", server.url, how[i]);

		for (unsigned at = 1; at < 12; at++)
			for (unsigned pause = 0; pause < at; pause++) {
				struct script s = {.pause_at = pause, .refuse_at = at};

				s.t.max_bytes = UINT64_MAX;
				s.t.is_short = strcmp(how[i], "gzip") == 0;
				run(h, &s, url);
				assert_int_equal(s.result, HTTP_FAILED);
				assert_int_equal(s.refusals, 1);
				assert_string_equal(s.t.err.msg, "refused");
			}
	}
	http_free(h);
	httpd_stop(&server);
}

static void what_is_too_long_is_refused_once(void **state)
{
	static const char *const how[] = {"length", "chunked", "close", "gzip"};
	struct err e = ERR_INIT;
	struct httpd server;

	httpd_start(&server, endless, NULL);
	struct http *h = http_new(&options, &e);
	assert_non_null(h);
	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		scoped_free char *url = str_fmt(&e, "%s/%s", server.url, how[i]);

		for (unsigned pause = 0; pause < 12; pause++) {
			struct script s = {.pause_at = pause};

			/* Within the block that comes before the break, at its end, after it. */
			s.t.max_bytes = (uint64_t)pause * BLOCK + pause % 3 * 100;
			s.t.max_bytes = pause ? s.t.max_bytes - 100 : 0;
			s.t.is_short = strcmp(how[i], "gzip") == 0;
			run(h, &s, url);
			assert_int_equal(s.result, HTTP_FAILED);
			assert_non_null(strstr(s.t.err.msg, "is longer than"));
			assert_true(s.t.taken_bytes <= s.t.max_bytes);
		}
	}
	http_free(h);
	httpd_stop(&server);
}

/* A GET, a HEAD and a PUT each, of what no caller wants. */
static void answers_without_an_end_have_one(void **state)
{
	static const struct {
		const char *how;
		enum http_result get;
		const char *text;
	} cases[] = {
		{"part", HTTP_FAILED, "sent another part"},
		{"error", HTTP_FAILED, "HTTP error 500"},
		{"missing", HTTP_MISSING, ""},
		{"redirect", HTTP_FAILED, "unable to "},
		{"headers", HTTP_FAILED, "unable to "},
		{"continue", HTTP_FAILED, "unable to "},
	};
	struct err e = ERR_INIT;
	struct httpd server;

	httpd_start(&server, endless, NULL);
	for (int is_short = 0; is_short < 2; is_short++)
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			struct http *h = http_new(&options, &e);
			scoped_free char *url = str_fmt(&e, "%s/%s", server.url, cases[i].how);
			struct script get = {.calls = 0}, put = {.calls = 0};

			assert_non_null(h);
			get.t.max_bytes = UINT64_MAX;
			get.t.is_short = is_short;
			run(h, &get, url);
			assert_int_equal(get.result, cases[i].get);
			assert_non_null(strstr(get.t.err.msg, cases[i].text));
			assert_int_equal(get.calls, 0);
			put.t.method = HTTP_PUT;
			put.t.content_type = "text/plain";
			put.t.put_data = zeros;
			put.t.put_bytes = sizeof zeros;
			run(h, &put, url);
			assert_int_equal(put.result, HTTP_FAILED);
			assert_non_null(strstr(put.t.err.msg, "unable to upload"));
			http_free(h);
		}
	httpd_stop(&server);
}

/* ---- caches ---- */

#define HASH_OF "%032u"
#define NAR_BYTES 1000000

/* What begins a file before it goes on with zeros for ever, and what its narinfo says of it. */
struct lie {
	const char *compression, *words;
	bool says_size;
};

static const struct lie lies[] = {
	{"none", "", true},
	{"none", "M ( type symlink target x )", true},
	{"none", "M ( type regular contents", true},
	{"xz", "M ( type symlink target x )", false},
	{"xz", "=%fd7zXZ%00%00%04%e6%d6%b4%46", true},
	{"xz", "=%fd7zXZ%00%00%04%e6%d6%b4%46%02%00%21%01%16%00%00%00%74%2f%e5%a3", false},
	{"gzip", "=%1f%8b%08%00%00%00%00%00%00%03", false},
	{"gzip", "=%1f%8b%08%00%00%00%00%00%00%03", true},
	{"bzip2", "=BZh9%31%41%59%26%53%59", false},
	{"zstd", "=%28%b5%2f%fd%04%58", false},
	{"zstd", "=%28%b5%2f%fd%04%58", true},
	{"lz4", "=%04%22%4d%18%64%40%a7", false},
	{"gzip", "=BZh9%31%41%59%26%53%59", false},
};

#define N_LIES (ARRAY_SIZE(lies) + ARRAY_SIZE(nar_cases))

/* Number I: one of LIES, then all NARs that the tests know, the good ones among them. */
static struct lie lie_of(size_t i)
{
	if (i < ARRAY_SIZE(lies))
		return lies[i];
	return (struct lie){"none", nar_cases[i - ARRAY_SIZE(lies)].words, false};
}

static bool send_lie(int fd, const struct lie *l)
{
	scoped_buf struct buf b = BUF_INIT(1 << 22);

	nar_words(&b, l->words);
	return httpd_send(fd, "HTTP/1.1 200 X\r\nConnection: close\r\n\r\n") &&
	       httpd_send_n(fd, b.data, b.len) && httpd_send_for_ever(fd, zeros, BLOCK);
}

static bool lying(int fd, const struct httpd_request *r, void *ctx)
{
	char text[1024];
	unsigned i;

	if (strcmp(r->path, "/nix-cache-info") == 0)
		return httpd_reply(fd, r, 200, "StoreDir: /nix/store\n", 21);
	if (sscanf(r->path, "/nar/%u", &i) != 1 && sscanf(r->path, "/%u.narinfo", &i) != 1)
		return httpd_reply(fd, r, 404, "", 0);
	const struct lie lie = lie_of(i);
	if (r->path[1] == 'n')
		return send_lie(fd, &lie);
	snprintf(text, sizeof text,
		 "StorePath: /nix/store/" HASH_OF "-x\nURL: nar/%u\nCompression: %s\n"
		 "NarHash: sha256:%052u\nNarSize: %u\n%s",
		 i, i, lie.compression, 0, NAR_BYTES, lie.says_size ? "FileSize: 700000\n" : "");
	return httpd_reply(fd, r, 200, text, strlen(text));
}

/* What becomes of what is fetched: how much of it is read before it is refused, and how slowly. */
struct reading {
	int dirfd;
	size_t most_bytes; /* 0: restore it */
	unsigned wait_us;  /* before each read */
	const struct nar_source *nar;
};

static ssize_t read_slowly(void *ctx, void *data, size_t n, struct err *e)
{
	struct reading *r = ctx;

	usleep(r->wait_us);
	return r->nar->read(r->nar->ctx, data, n, e);
}

static int consume(struct cache_item *item, const struct nar_source *nar, struct err *e)
{
	struct reading mine = *(struct reading *)item->ctx;
	const struct nar_source slow = {read_slowly, &mine};
	const char *path = item->info->info.store_path;
	char data[8192];
	size_t got = 0;

	mine.nar = nar;
	if (mine.most_bytes) {
		while (got < mine.most_bytes) {
			ssize_t n = slow.read(slow.ctx, data, sizeof data, e);

			if (n <= 0)
				return n < 0 ? -1 : 0;
			got += (size_t)n;
		}
		return err_set(e, ERR_INPUT, "refused");
	}
	scoped_nar_reader struct nar_reader *r = nar_reader_new_source(&slow, NULL, e);
	if (!r)
		return -1;
	return nar_restore(r, mine.dirfd, str_base(path), path, NAR_RESTORE_CANONICAL, e);
}

static void fetch(struct cache_set *s, size_t first, size_t n, struct reading *how)
{
	struct err e = ERR_INIT;
	struct cache_item items[N_LIES] = {{0}};

	for (size_t i = 0; i < n; i++) {
		char path[64];

		snprintf(path, sizeof path, "/nix/store/" HASH_OF "-x", (unsigned)(first + i));
		items[i].info = cache_find(s, path);
		assert_non_null(items[i].info);
		items[i].consume = consume;
		items[i].ctx = how;
	}
	assert_int_equal(cache_fetch(s, items, n, &e), -1);
	assert_true(err_is_set(&e) && *e.msg);
	for (size_t i = 0; i < n; i++)
		assert_false(items[i].done);
}

static void no_lie_is_restored(void **state)
{
	static const size_t most[] = {0, 1, 100000};
	static const unsigned wait_us[] = {0, 2000};
	struct err e = ERR_INIT;
	struct cache_options o = {
		.any_signature = true, .attempts = 2, .retry_ms = 1, .stall_timeout_ms = STALL_MS};
	char dir[] = "/tmp/test_http.XXXXXX";
	scoped_strv struct strv paths = STRV_INIT;
	struct httpd server;
	const char *url = server.url;

	assert_non_null(mkdtemp(dir));
	scoped_fd int dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	httpd_start(&server, lying, NULL);
	scoped_cache_set struct cache_set *s = cache_set_open(&url, 1, &o, &e);
	assert_ok(&e, s ? 0 : -1);
	for (unsigned i = 0; i < N_LIES; i++)
		assert_ok(&e, strv_addf(&paths, &e, "/nix/store/" HASH_OF "-x", i));
	assert_ok(&e, cache_query(s, (const char *const *)paths.items, paths.n, 0, &e));
	for (size_t m = 0; m < ARRAY_SIZE(most); m++)
		for (size_t w = 0; w < ARRAY_SIZE(wait_us); w++) {
			struct reading how = {dirfd, most[m], wait_us[w], NULL};

			for (size_t i = 0; i < N_LIES; i++)
				fetch(s, i, 1, &how);
			fetch(s, 0, N_LIES, &how);
		}
	httpd_stop(&server);
	/* Nothing of them is left: the directory is empty. */
	assert_int_equal(rmdir(dir), 0);
}

/* Narinfos that all come at the same time; each refers to more paths than may be asked for. */
#define AT_ONCE 96
#define REFS 50

static bool too_many(int fd, const struct httpd_request *r, void *ctx)
{
	scoped_buf struct buf b = BUF_INIT(65536);
	struct err e = ERR_INIT;
	unsigned i;

	if (strcmp(r->path, "/nix-cache-info") == 0)
		return httpd_reply(fd, r, 200, "StoreDir: /nix/store\n", 21);
	if (sscanf(r->path, "/%u.narinfo", &i) != 1)
		return httpd_reply(fd, r, 404, "", 0);
	usleep(20000);
	assert_ok(&e, buf_addf(&b, &e,
			       "StorePath: /nix/store/" HASH_OF "-x\nURL: nar/x\n"
			       "Compression: none\nNarHash: sha256:%052u\nNarSize: 1\nReferences:",
			       i, 0));
	for (unsigned k = 0; k < REFS; k++)
		assert_ok(&e, buf_addf(&b, &e, " " HASH_OF "-x", 1000 + i * REFS + k));
	assert_ok(&e, buf_adds(&b, "\n", &e));
	return httpd_reply(fd, r, 200, b.data, b.len);
}

static void a_limit_is_told_once(void **state)
{
	struct err e = ERR_INIT;
	struct cache_options o = {.any_signature = true, .paths_max = AT_ONCE + 1};
	scoped_strv struct strv paths = STRV_INIT;
	struct httpd server;
	const char *url = server.url;

	httpd_start(&server, too_many, NULL);
	scoped_cache_set struct cache_set *s = cache_set_open(&url, 1, &o, &e);
	assert_ok(&e, s ? 0 : -1);
	for (unsigned i = 0; i < AT_ONCE; i++)
		assert_ok(&e, strv_addf(&paths, &e, "/nix/store/" HASH_OF "-x", i));
	assert_err(&e, cache_query(s, (const char *const *)paths.items, paths.n, CACHE_CLOSURE, &e),
		   "caches are asked for more than 97 store paths");
	httpd_stop(&server);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_refused_is_not_asked_again),
		cmocka_unit_test(what_is_too_long_is_refused_once),
		cmocka_unit_test(answers_without_an_end_have_one),
		cmocka_unit_test(no_lie_is_restored),
		cmocka_unit_test(a_limit_is_told_once),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}

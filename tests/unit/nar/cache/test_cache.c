/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of the cache library that need no server; tests/cache/ has the rest.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/cache/bytepipe.h"
#include "nar/cache/cache.h"
#include "nar/cache/compress.h"
#include "nar/cache/dest.h"
#include "nar/cache/url.h"
#include "nar/cache/verify.h"
#include "nar/http/curl.h"
#include "nar/http/http_internal.h"
#include "nar/storepath.h"

/* ---- URLs ---- */

static void reads_urls(void **state)
{
	static const struct {
		const char *text, *dir, *base, *shown;
	} cases[] = {
		{"file:///a/b", "/a/b", "file:///a/b", "file:///a/b"},
		{"file:///a%20b//", "/a b", "file:///a%20b", "file:///a%20b"},
		{"file://localhost/a?x=1", "/a", "file://localhost/a", "file://localhost/a"},
		{"https://h/c/?priority=3", NULL, "https://h/c", "https://h/c"},
		{"http://h:8080", NULL, "http://h:8080", "http://h:8080"},
		{"http://user:secret@h/c", NULL, "http://user:secret@h/c", "http://h/c"},
	};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_cache_url struct cache_url u = {0};

		assert_ok(&e, cache_url_parse(cases[i].text, &u, &e));
		assert_string_equal(u.base, cases[i].base);
		assert_string_equal(u.shown, cases[i].shown);
		if (cases[i].dir)
			assert_string_equal(u.dir, cases[i].dir);
		else
			assert_null(u.dir);
	}
}

static void reads_parameters_of_urls(void **state)
{
	struct err e = ERR_INIT;
	scoped_cache_url struct cache_url u = {0};

	assert_ok(&e, cache_url_parse("file:///c?a=1&key=%2Fx%3d&a=2&empty=", &u, &e));
	assert_string_equal(cache_url_param(&u, "a"), "2");
	assert_string_equal(cache_url_param(&u, "key"), "/x=");
	assert_string_equal(cache_url_param(&u, "empty"), "");
	assert_null(cache_url_param(&u, "1"));
}

static void refuses_other_urls(void **state)
{
	static const char *const bad[] = {
		"",
		"/a",
		"ftp://h/c",
		"s3://bucket",
		"file://host/a",
		"file://",
		"http://",
		"http://h/c#x",
		"http://h/c d",
		"http://h/\nc",
		"file:///a%2",
		"file:///a%00",
		"file:///a%zz",
		"http://h/c?x",
		"http://h/c?x=%f",
		"http://secret:x@:y",
	};
	struct err e = ERR_INIT;
	struct cache_url u;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (cache_url_parse(bad[i], &u, &e) >= 0)
			fail_msg("accepted: '%s'", bad[i]);
		assert_null(strstr(e.msg, "secret"));
		assert_err(&e, -1, "the URL of a binary cache ");
	}
}

static void keeps_names_within_a_cache(void **state)
{
	static const char *const good[] = {"x", "nar/x.nar.xz", "a/b/c", "..a", "a..", "a/.b"};
	static const char *const bad[] = {"",       "/",   "/x",       "x/",   "a//b",
					  ".",      "..",  "../x",     "a/..", "a/./b",
					  "a/../b", "./x", "file:///x"};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_ok(&e, cache_url_check_name(good[i], &e));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_err(&e, cache_url_check_name(bad[i], &e), "is no name of a file");
}

/* ---- HTTP ---- */

static void reads_where_a_range_begins(void **state)
{
	static const struct {
		const char *line;
		uint64_t start;
	} cases[] = {
		{"Content-Range: bytes 7-9/10\r\n", 7},
		{"content-range:bytes 0-9/*\r\n", 0},
		{"Content-Range: bytes 123456789012-123456789013/9\r\n", 123456789012},
		{"Content-Range: bytes */10\r\n", UINT64_MAX},
		{"Content-Range: bytes 7\r\n", UINT64_MAX},
		{"Content-Range: bytes -7\r\n", UINT64_MAX},
		{"Content-Range: lines 7-9/10\r\n", UINT64_MAX},
		{"Content-Range: bytes 99999999999999999999-1/2\r\n", UINT64_MAX},
		{"Content-Range:", UINT64_MAX},
		{"Content-Length: 7\r\n", UINT64_MAX},
		{"\r\n", UINT64_MAX},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(http_range_start(cases[i].line, strlen(cases[i].line)),
				 cases[i].start);
}

static void knows_what_may_pass(void **state)
{
	static const long yes[] = {0, 408, 429, 500, 502, 503, 504};
	static const long no[] = {400, 401, 403, 404, 407, 410, 416, 418, 501, 505, 511};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		assert_true(curlcommon_is_transient(CURLE_OK, yes[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_false(curlcommon_is_transient(CURLE_OK, no[i]));
	assert_true(curlcommon_is_transient(CURLE_PARTIAL_FILE, 200));
	assert_true(curlcommon_is_transient(CURLE_COULDNT_CONNECT, 0));
	assert_true(curlcommon_is_transient(CURLE_OPERATION_TIMEDOUT, 0));
	assert_false(curlcommon_is_transient(CURLE_UNSUPPORTED_PROTOCOL, 302));
	assert_false(curlcommon_is_transient(CURLE_TOO_MANY_REDIRECTS, 302));
	assert_false(curlcommon_is_transient(CURLE_PEER_FAILED_VERIFICATION, 0));
	assert_false(curlcommon_is_transient(CURLE_FILE_COULDNT_READ_FILE, 0));
	assert_false(curlcommon_is_transient(CURLE_READ_ERROR, 0));
}

static void waits_longer_each_time(void **state)
{
	assert_int_equal(curlcommon_delay_ms(250, 1, 0, 0, 0), 250);
	assert_int_equal(curlcommon_delay_ms(250, 2, 500, 0, 0), 500);
	assert_int_equal(curlcommon_delay_ms(250, 4, 0, 0, 0), 2000);
	assert_true(curlcommon_delay_ms(250, 1, 0, 0, 255) > 250);
	assert_true(curlcommon_delay_ms(250, 1, 0, 0, 255) < 400);
	assert_int_equal(curlcommon_delay_ms(250, 1, 429, 0, 0), 5000);
	assert_int_equal(curlcommon_delay_ms(250, 1, 429, 7, 0), 7000);
	/* There is an end to it. */
	assert_int_equal(curlcommon_delay_ms(250, 4000000000u, 429, 0, 255), 60000);
	assert_int_equal(curlcommon_delay_ms(250, 1, 503, 4000000, 0), 60000);
}

static void reads_the_digests_of_files(void **state)
{
	static const struct {
		const char *line;
		bool is;
	} cases[] = {
		{"Repr-Digest: sha-256=:KysrKysrKysrKysrKysrKysrKysrKysrKysrKysrKys=:\r\n", true},
		{"repr-digest: md5=:AA==:, sha-256=:KysrKysrKysrKysrKysrKysrKysrKysrKysrKysrKys=:",
		 true},
		{"Digest: SHA-256=KysrKysrKysrKysrKysrKysrKysrKysrKysrKysrKys=\r\n", true},
		{"Digest: md5=AA==,SHA-256=KysrKysrKysrKysrKysrKysrKysrKysrKysrKysrKys=", true},
		{"x-amz-checksum-sha256: KysrKysrKysrKysrKysrKysrKysrKysrKysrKysrKys=\r\n", true},
		{"X-Checksum-Sha256: "
		 "2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b\r\n",
		 true},
		{"Repr-Digest: sha-256=KysrKysrKysrKysrKysrKysrKysrKysrKysrKysrKys=\r\n", false},
		{"Digest: sha-512=KysrKysrKysrKysrKysrKysrKysrKysrKysrKysrKys=\r\n", false},
		{"Digest: SHA-256=\r\n", false},
		{"Digest: SHA-256=AAAA\r\n", false},
		{"Digest:", false},
		{"X-Checksum-Sha256: 2b2b\r\n", false},
		{"ETag: \"KysrKysrKysrKysrKysrKysrKysrKysrKysrKysrKys=\"\r\n", false},
		{"\r\n", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned char sum[32] = {0}, want[32];

		memset(want, cases[i].is ? 0x2b : 0, sizeof want);
		if (http_digest(cases[i].line, strlen(cases[i].line), sum) != cases[i].is)
			fail_msg("'%s'", cases[i].line);
		assert_memory_equal(sum, want, sizeof sum);
	}
}

/* ---- pipes ---- */

#define PIPE_TEST_BYTES (8 << 20)

static unsigned char byte_at(size_t i)
{
	return (unsigned char)(i * 2654435761u >> 13);
}

struct piped {
	struct bytepipe pipe;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	unsigned wakes;
	bool right;
	struct err err;
};

static void on_wake(void *ctx)
{
	struct piped *p = ctx;

	pthread_mutex_lock(&p->lock);
	p->wakes++;
	pthread_cond_signal(&p->woken);
	pthread_mutex_unlock(&p->lock);
}

static void *read_all(void *ctx)
{
	struct piped *p = ctx;
	struct nar_source src = bytepipe_source(&p->pipe);
	unsigned char data[5003];
	size_t pos = 0;
	ssize_t n;

	p->right = true;
	while ((n = src.read(src.ctx, data, sizeof data, &p->err)) > 0)
		for (ssize_t i = 0; i < n; i++)
			p->right &= data[i] == byte_at(pos++);
	p->right &= pos == PIPE_TEST_BYTES;
	return NULL;
}

static void write_all(struct piped *p)
{
	unsigned char data[3001];

	for (size_t pos = 0; pos < PIPE_TEST_BYTES;) {
		size_t n = sizeof data;

		if (n > PIPE_TEST_BYTES - pos)
			n = PIPE_TEST_BYTES - pos;
		for (size_t i = 0; i < n; i++)
			data[i] = byte_at(pos + i);
		while (!bytepipe_write(&p->pipe, data, n)) {
			pthread_mutex_lock(&p->lock);
			while (!bytepipe_has_room(&p->pipe))
				pthread_cond_wait(&p->woken, &p->lock);
			pthread_mutex_unlock(&p->lock);
		}
		pos += n;
	}
}

static void pipes_bytes_between_threads(void **state)
{
	struct piped p = {.right = false};
	struct err e = ERR_INIT, why = ERR_INIT;
	pthread_t thread;

	pthread_mutex_init(&p.lock, NULL);
	pthread_cond_init(&p.woken, NULL);
	assert_ok(&e, bytepipe_init(&p.pipe, 16384, on_wake, &p, &e));
	for (int fails = 0; fails < 2; fails++) {
		bytepipe_reset(&p.pipe);
		assert_false(bytepipe_begun(&p.pipe));
		assert_int_equal(pthread_create(&thread, NULL, read_all, &p), 0);
		write_all(&p);
		if (fails)
			err_set(&why, ERR_SYSTEM, "the line is cut");
		bytepipe_end(&p.pipe, fails ? &why : NULL);
		pthread_join(thread, NULL);
		assert_true(bytepipe_begun(&p.pipe));
		assert_true(p.right);
		assert_int_equal(err_is_set(&p.err), fails);
	}
	assert_string_equal(p.err.msg, "the line is cut");
	bytepipe_done(&p.pipe);
}

/* ---- NARs and what narinfos say of them ---- */

#define STORE_FILE "/nix/store/69gd5pj9jqx2i4sqsplhg4s5svc9nd74-x"
#define CONTENTS "contents of a file\n"

struct fixture {
	struct buf nar, file;
	struct narinfo info;
	size_t pos;
};

static int add(void *ctx, const void *data, size_t n, struct err *e)
{
	return buf_add(ctx, data, n, e);
}

static ssize_t read_file(void *ctx, void *data, size_t n, struct err *e)
{
	struct fixture *f = ctx;

	if (n > f->file.len - f->pos)
		n = f->file.len - f->pos;
	if (n > 100)
		n = 100;
	memcpy(data, f->file.data + f->pos, n);
	f->pos += n;
	return (ssize_t)n;
}

static void add_field(struct buf *b, const char *text)
{
	static const char zeros[8];
	struct err e = ERR_INIT;
	uint64_t n = strlen(text);

	assert_ok(&e, buf_add(b, &n, sizeof n, &e)); /* little-endian, as all machines here */
	assert_ok(&e, buf_add(b, text, n, &e));
	assert_ok(&e, buf_add(b, zeros, -n & 7, &e));
}

static void fixture_init(struct fixture *f, enum compression c, bool executable)
{
	struct err e = ERR_INIT;
	const struct compress_options o = {.compression = c, .level = -1};

	*f = (struct fixture){.nar = BUF_INIT(1 << 20), .file = BUF_INIT(1 << 20)};
	add_field(&f->nar, "nix-archive-1");
	add_field(&f->nar, "(");
	add_field(&f->nar, "type");
	add_field(&f->nar, "regular");
	if (executable) {
		add_field(&f->nar, "executable");
		add_field(&f->nar, "");
	}
	add_field(&f->nar, "contents");
	add_field(&f->nar, CONTENTS);
	add_field(&f->nar, ")");
	struct nar_sink sink = {add, &f->file};
	scoped_compress struct compress *z = compress_new(&o, &sink, &e);
	assert_non_null(z);
	sink = compress_sink(z);
	assert_ok(&e, sink.write(sink.ctx, f->nar.data, f->nar.len, &e));
	assert_ok(&e, compress_finish(z, &f->info.file_hash, &f->info.file_size_bytes, &e));
	f->info.has_file_hash = true;
	f->info.nar_size_bytes = f->nar.len;
	assert_ok(&e, hash_bytes(HASH_SHA256, f->nar.data, f->nar.len, &f->info.nar_hash, &e));
	f->info.store_path = str_dup(STORE_FILE, &e);
	f->info.compression = str_dup(compression_name(c), &e);
	f->info.url = str_dup("nar/x", &e);
}

static void fixture_done(struct fixture *f)
{
	buf_done(&f->nar);
	buf_done(&f->file);
	narinfo_done(&f->info);
}
#define scoped_fixture __attribute__((cleanup(fixture_done)))

static int read_nar(struct fixture *f, bool by_ca, struct err *e)
{
	const struct nar_source file = {read_file, f};
	scoped_nar_verify struct nar_verify *v = nar_verify_new(&f->info, by_ca, &file, e);
	scoped_buf struct buf out = BUF_INIT(1 << 20);
	char data[37];
	ssize_t n;

	f->pos = 0;
	if (!v)
		return -1;
	struct nar_source nar = nar_verify_source(v);
	assert_false(nar_verify_begun(v));
	while ((n = nar.read(nar.ctx, data, sizeof data, e)) > 0)
		if (buf_add(&out, data, (size_t)n, e) < 0)
			return -1;
	assert_true(nar_verify_begun(v));
	assert_int_equal(nar_verify_ended(v), n == 0);
	assert_int_equal(nar_verify_error(v) != NULL, n < 0);
	assert_true(out.len <= f->info.nar_size_bytes);
	if (n < 0) {
		/* And so it stays. */
		struct err again = ERR_INIT;
		assert_int_equal(nar.read(nar.ctx, data, sizeof data, &again), -1);
		return -1;
	}
	assert_int_equal(out.len, f->nar.len);
	assert_memory_equal(out.data, f->nar.data, out.len);
	assert_int_equal(nar.read(nar.ctx, data, sizeof data, e), 0);
	return 0;
}

static void gives_what_is_right(void **state)
{
	for (int c = 0; c < COMPRESSION_COUNT; c++) {
		struct err e = ERR_INIT;
		scoped_fixture struct fixture f;

		fixture_init(&f, (enum compression)c, false);
		assert_ok(&e, read_nar(&f, false, &e));
		/* The least that a narinfo has to say. */
		f.info.has_file_hash = false;
		f.info.file_size_bytes = 0;
		assert_ok(&e, read_nar(&f, false, &e));
	}
}

static void refuses_what_is_not_as_said(void **state)
{
	for (int c = 0; c < COMPRESSION_COUNT; c++) {
		struct err e = ERR_INIT;
		scoped_fixture struct fixture f;

		fixture_init(&f, (enum compression)c, false);
		f.info.nar_hash.bytes[3] ^= 1;
		assert_err(&e, read_nar(&f, false, &e),
			   "hash mismatch importing path '" STORE_FILE);
		f.info.nar_hash.bytes[3] ^= 1;
		f.info.file_hash.bytes[31] ^= 1;
		assert_err(&e, read_nar(&f, false, &e), "file hash mismatch importing path");
		f.info.file_hash.bytes[31] ^= 1;
		f.info.nar_size_bytes++;
		assert_err(&e, read_nar(&f, false, &e), "size mismatch importing path");
		f.info.nar_size_bytes -= 2;
		assert_err(&e, read_nar(&f, false, &e), "unpacks to more than");
		f.info.nar_size_bytes++;
		f.info.file_size_bytes++;
		assert_err(&e, read_nar(&f, false, &e), "file size mismatch importing path");
		f.info.file_size_bytes -= 2;
		assert_err(&e, read_nar(&f, false, &e), "is longer than");
		f.info.file_size_bytes++;
		assert_ok(&e, read_nar(&f, false, &e));
	}
}

static void ca_of(struct fixture *f, enum ca_method m, enum hash_algo a, const void *data, size_t n)
{
	struct err e = ERR_INIT;
	struct hash h;

	assert_ok(&e, hash_bytes(a, data, n, &h, &e));
	free(f->info.ca);
	f->info.ca = storepath_ca_text(m, &h, &e);
	assert_non_null(f->info.ca);
	assert_true(nar_verify_knows_ca(&f->info));
}

static void compares_the_hash_of_content_addressed_paths(void **state)
{
	static const char contents[] = CONTENTS;

	for (int executable = 0; executable < 2; executable++) {
		struct err e = ERR_INIT;
		scoped_fixture struct fixture f;

		fixture_init(&f, COMPRESSION_GZIP, executable);
		assert_false(nar_verify_knows_ca(&f.info));
		for (int a = 0; a < HASH_ALGO_COUNT; a++) {
			if (!hash_algo_works((enum hash_algo)a))
				continue;
			ca_of(&f, CA_FLAT, (enum hash_algo)a, contents, sizeof contents - 1);
			assert_ok(&e, read_nar(&f, true, &e));
			ca_of(&f, CA_FLAT, (enum hash_algo)a, contents, sizeof contents - 2);
			assert_err(&e, read_nar(&f, true, &e), "ca hash mismatch importing path");
			ca_of(&f, CA_NAR, (enum hash_algo)a, f.nar.data, f.nar.len);
			assert_ok(&e, read_nar(&f, true, &e));
			ca_of(&f, CA_NAR, (enum hash_algo)a, contents, sizeof contents - 1);
			assert_err(&e, read_nar(&f, true, &e), "ca hash mismatch importing path");
			/* What is signed is believed for that. */
			assert_ok(&e, read_nar(&f, false, &e));
		}
		ca_of(&f, CA_TEXT, HASH_SHA256, contents, sizeof contents - 1);
		assert_ok(&e, read_nar(&f, true, &e));
		assert_ok(&e, strv_add(&f.info.refs, str_base(STORE_FILE), &e));
		assert_false(nar_verify_knows_ca(&f.info));
		strv_done(&f.info.refs);
		assert_true(nar_verify_knows_ca(&f.info));
		free(f.info.ca);
		f.info.ca = str_dup("fixed:git:md5:3y8bwfr609h3lh9ch0izcqq7fl", &e);
		assert_false(nar_verify_knows_ca(&f.info));
	}
}

/* ---- a cache in a directory ---- */

static void writes_files_whole_or_not_at_all(void **state)
{
	struct err e = ERR_INIT;
	const struct cache_options o = {.store_dir = "/nix/store"};
	char dir[] = "/tmp/test_cache.XXXXXX";
	scoped_buf struct buf b = BUF_INIT(1000);
	struct hash h;

	assert_non_null(mkdtemp(dir));
	scoped_free char *url = str_fmt(&e, "file://%s/new?compression=zstd", dir);
	{
		scoped_cache_dest struct cache_dest *d = cache_dest_open(url, &o, &e);

		assert_ok(&e, d ? 0 : -1);
		assert_string_equal(cache_dest_param(d, "compression"), "zstd");
		assert_null(cache_dest_param(d, "secret-key"));
		assert_int_equal(cache_dest_get(d, "nix-cache-info", &b, &e), 1);
		assert_string_equal(b.data, "StoreDir: /nix/store\n");
		assert_int_equal(cache_dest_compare(d, "nar/x.nar", 3, NULL, &e), CACHE_NONE);
		assert_ok(&e, cache_dest_put(d, "nar/x.nar", "one", 3, &e));
		assert_ok(&e, cache_dest_put(d, "nar/x.nar", "three", 5, &e));
		assert_int_equal(cache_dest_compare(d, "nar/x.nar", 3, NULL, &e), CACHE_DAMAGED);
		assert_int_equal(cache_dest_compare(d, "nar/x.nar", 5, NULL, &e), CACHE_SAME);
		assert_ok(&e, hash_bytes(HASH_SHA256, "three", 5, &h, &e));
		assert_int_equal(cache_dest_compare(d, "nar/x.nar", 5, &h, &e), CACHE_SAME);
		h.bytes[31] ^= 1;
		assert_int_equal(cache_dest_compare(d, "nar/x.nar", 5, &h, &e), CACHE_DAMAGED);
		assert_err(&e, cache_dest_compare(d, "../x", 5, &h, &e), "is no name of a file");
		buf_reset(&b);
		assert_int_equal(cache_dest_get(d, "nar/x.nar", &b, &e), 1);
		assert_string_equal(b.data, "three");
		struct cache_upload *u = cache_upload_new(d, &e);
		assert_non_null(u);
		assert_ok(&e, io_write(cache_upload_fd(u), "half", 4, "x", &e));
		cache_upload_free(u);
		assert_err(&e, cache_dest_put(d, "../x", "", 0, &e), "is no name of a file");
		assert_err(&e, cache_dest_put(d, "nar", "", 0, &e), "creating 'file:");
	}
	/* Nothing that is temporary is left. */
	scoped_free char *new = str_fmt(&e, "%s/new", dir);
	scoped_dir DIR *d = opendir(new);
	unsigned entries = 0;
	for (struct dirent *x; (x = readdir(d));)
		entries += x->d_name[0] != '.' || strncmp(x->d_name, ".tmp", 4) == 0;
	assert_int_equal(entries, 2);
	const struct cache_options other = {.store_dir = "/other"};
	assert_null(cache_dest_open(url, &other, &e));
	assert_err(&e, -1, "is for Nix stores with prefix '/nix/store', not '/other'");
	assert_ok(&e, io_rmtree(AT_FDCWD, dir, dir, &e));
}

static int open_and_read_info(const char *url, struct buf *ret, struct err *e)
{
	const struct cache_options o = {.store_dir = "/nix/store"};
	scoped_cache_dest struct cache_dest *d = cache_dest_open(url, &o, e);

	buf_reset(ret);
	return d && cache_dest_get(d, "nix-cache-info", ret, e) == 1 ? 0 : -1;
}

static void writes_a_nix_cache_info_anew_that_was_cut_off(void **state)
{
	static const char ours[] = "StoreDir: /nix/store\n";
	static const char more[] = "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n";
	static const char *const others[] = {"StoreDir: /nix\n", "StoreDir: /nix/storage",
					     "StoreDir: /nix/stor\nPriority: x", "StoreDir: x",
					     "StoreDir: /nix/store\nPriority: x\n"};
	struct err e = ERR_INIT;
	char dir[] = "/tmp/test_cache.XXXXXX";
	scoped_buf struct buf b = BUF_INIT(1000), text = BUF_INIT(1000);

	assert_non_null(mkdtemp(dir));
	scoped_free char *url = str_fmt(&e, "file://%s", dir);
	scoped_fd int fd = open(dir, O_RDONLY | O_DIRECTORY);
	for (size_t n = 0; n <= strlen(more); n++)
		for (size_t zeros = 0; zeros < 2; zeros++) {
			unlinkat(fd, "nix-cache-info", 0);
			buf_reset(&text);
			assert_ok(&e, buf_add(&text, more, n, &e));
			assert_ok(&e, buf_add(&text, "\0\0\0", zeros * 3, &e));
			assert_ok(&e, io_write_file(fd, "nix-cache-info", 0644, text.data, text.len,
						    &e));
			/* A line of one word more means nothing, and is left as it is. */
			assert_ok(&e, open_and_read_info(url, &b, &e));
			assert_true(str_starts(
				b.data, n + 2 < strlen(ours) ? ours : "StoreDir: /nix/store"));
			assert_ok(&e, open_and_read_info(url, &b, &e));
		}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		unlinkat(fd, "nix-cache-info", 0);
		assert_ok(&e, io_write_file(fd, "nix-cache-info", 0644, others[i],
					    strlen(others[i]), &e));
		assert_err(&e, open_and_read_info(url, &b, &e), "binary cache 'file://");
	}
	assert_ok(&e, io_rmtree(AT_FDCWD, dir, dir, &e));
}

static void needs_a_cache_that_can_be_used(void **state)
{
	struct err e = ERR_INIT;
	const struct cache_options o = {.store_dir = NULL};
	static const char *const urls[] = {"file:///nonexistent/cache"};

	assert_null(cache_set_open(NULL, 0, &o, &e));
	assert_err(&e, -1, "no binary cache is given");
	assert_null(cache_set_open(urls, 1, &o, &e));
	assert_err(&e, -1, "opening binary cache 'file:///nonexistent/cache'");
}

/* A derivation that refers to the next of a chain, by I and I + 1. */
static void put_link(struct cache_dest *d, unsigned i)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1000);
	char name[64];

	snprintf(name, sizeof name, "%032u.narinfo", i);
	assert_ok(&e, buf_addf(&b, &e,
			       "StorePath: /nix/store/%032u-x.drv\nURL: x.nar\nCompression: none\n"
			       "NarHash: sha256:%052u\nNarSize: 1\nReferences: %032u-x.drv\n",
			       i, 0, i + 1));
	assert_ok(&e, cache_dest_put(d, name, b.data, b.len, &e));
}

static void bounds_what_strangers_refer_to(void **state)
{
	struct err e = ERR_INIT;
	struct cache_options o = {.store_dir = "/nix/store"};
	static const char *const first[] = {"/nix/store/00000000000000000000000000000000-x.drv"};
	char dir[] = "/tmp/test_cache.XXXXXX";

	assert_non_null(mkdtemp(dir));
	scoped_free char *url = str_fmt(&e, "file://%s?trusted=1", dir);
	scoped_cache_dest struct cache_dest *d = cache_dest_open(url, &o, &e);
	assert_non_null(d);
	for (unsigned i = 0; i < 9; i++)
		put_link(d, i);
	for (o.paths_max = 9; o.paths_max <= 10; o.paths_max++) {
		scoped_cache_set struct cache_set *s =
			cache_set_open((const char *const *)&url, 1, &o, &e);

		assert_non_null(s);
		if (o.paths_max == 10) /* the last is in no cache */
			assert_ok(&e, cache_query(s, first, 1, CACHE_DERIVATIONS, &e));
		else
			assert_err(&e, cache_query(s, first, 1, CACHE_DERIVATIONS, &e),
				   "caches are asked for more than 9 store paths");
	}
	assert_ok(&e, io_rmtree(AT_FDCWD, dir, dir, &e));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_urls),
		cmocka_unit_test(reads_parameters_of_urls),
		cmocka_unit_test(refuses_other_urls),
		cmocka_unit_test(keeps_names_within_a_cache),
		cmocka_unit_test(reads_where_a_range_begins),
		cmocka_unit_test(reads_the_digests_of_files),
		cmocka_unit_test(knows_what_may_pass),
		cmocka_unit_test(waits_longer_each_time),
		cmocka_unit_test(pipes_bytes_between_threads),
		cmocka_unit_test(gives_what_is_right),
		cmocka_unit_test(refuses_what_is_not_as_said),
		cmocka_unit_test(compares_the_hash_of_content_addressed_paths),
		cmocka_unit_test(writes_files_whole_or_not_at_all),
		cmocka_unit_test(writes_a_nix_cache_info_anew_that_was_cut_off),
		cmocka_unit_test(needs_a_cache_that_can_be_used),
		cmocka_unit_test(bounds_what_strangers_refer_to),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "hook/base/subprocess.h"
#include "hook/nonix/upload.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/cache/decompress.h"
#include "nar/cache/dest.h"
#include "nar/dump.h"
#include "nar/narinfo.h"
#include "tests/unit/httpd.h"

#define A "/nix/store/00000000000000000000000000000000-a"
#define B "/nix/store/11111111111111111111111111111111-b"
#define INPUT "/nix/store/22222222222222222222222222222222-input"
#define DRV "/nix/store/33333333333333333333333333333333-a.drv"
/* Made by `nix-store --generate-binary-cache-key`. */
#define SECRET    \
	"test-1:" \
	"ifKCwHwJXbMkGY4h9IKyqPmh5wvu/fEQpidYem1I/rkJW0nxnzzjh+NDyTQCmSrdMxRfkNMbrnEWwOgzGe4DcA=="

static char root[] = "/tmp/test_build_publish.XXXXXX";
static struct store st;
static struct cache_dest *dest;
static char *url;
static struct secretkeys no_keys = SECRETKEYS_INIT;

static void in_root(const char *name, char path[4096])
{
	snprintf(path, 4096, "%s/%s", root, name);
}

/* An output of the build: PATH, a file with CONTENTS, which refers to REFS. */
static struct nar_digest make(const char *path, const char *contents)
{
	struct err e = ERR_INIT;
	struct nar_digest d;
	char dir[4096];

	in_root("store", dir);
	scoped_fd int fd = io_opendir(AT_FDCWD, dir, &e);
	assert_ok(&e, fd);
	unlinkat(fd, str_base(path), 0);
	assert_ok(&e, io_write_file(fd, str_base(path), 0444, contents, strlen(contents), &e));
	assert_ok(&e, nar_digest(&(struct nar_tree){fd, str_base(path), path, NAR_DEPTH_MAX}, NULL,
				 &d, &e));
	return d;
}

static void add_path(const char *path, const char *contents, const char *refs)
{
	struct err e = ERR_INIT;
	scoped_strv struct strv v = STRV_INIT;
	const struct nar_digest d = make(path, contents);

	assert_ok(&e, strv_split(&v, refs, " ", &e));
	const struct store_registration reg = {
		.path = path,
		.nar_sha256 = d.sha256,
		.nar_size_bytes = d.size_bytes,
		.deriver = DRV,
		.refs = &v,
	};
	assert_ok(&e, store_mem_add(&st, &reg, &e));
}

static int setup(void **state)
{
	struct err e = ERR_INIT;
	char path[4096];
	struct cache_options o = {.store_dir = NULL};

	log_set_level(LOG_ERROR);
	memcpy(root + sizeof root - 7, "XXXXXX", 6);
	if (!mkdtemp(root))
		return -1;
	in_root("store", path);
	if (mkdir(path, 0755) < 0)
		return -1;
	assert_ok(&e, store_open_mem(&st, "/nix/store", path, root, &e));
	url = str_fmt(&e, "file://%s/cache", root);
	dest = url ? cache_dest_open(url, &o, &e) : NULL;
	assert_ok(&e, dest ? 0 : -1);
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	store_done(&st);
	cache_dest_free(dest);
	free(url);
	return io_rmtree(AT_FDCWD, root, root, &e);
}

static int publish(enum compression c, const struct secretkeys *keys, bool deriver,
		   const char *paths, struct err *e)
{
	scoped_strv struct strv v = STRV_INIT;
	const struct upload p = {
		.dest = dest,
		.compress = {.compression = c, .level = -1},
		.secret_keys = keys,
		.store = &st,
		.deriver = deriver,
	};

	assert_ok(e, strv_split(&v, paths, " ", e));
	return upload_paths(&p, &v, e);
}

static void read_narinfo(const char *path, struct narinfo *ret)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf text = BUF_INIT(NARINFO_MAX_BYTES);
	scoped_free char *name = str_fmt(&e, "%.32s.narinfo", str_base(path));

	assert_int_equal(cache_dest_get(dest, name, &text, &e), 1);
	assert_ok(&e, narinfo_parse(text.data, text.len, "/nix/store", name, ret, &e));
}

static ssize_t read_fd(void *ctx, void *data, size_t n, struct err *e)
{
	return io_read(*(const int *)ctx, data, n, "a NAR", e);
}

/* The NAR that N names has the hash and the size that it says, before and after decompression. */
static void check_nar(const struct narinfo *n)
{
	struct err e = ERR_INIT;
	struct hash_ctx ctx = {.started = false};
	struct hash is;
	enum compression c;
	char path[4096], data[65536];
	uint64_t size = 0;
	ssize_t got;

	snprintf(path, sizeof path, "%s/cache/%s", root, n->url);
	scoped_fd int fd = open(path, O_RDONLY);
	struct stat file;
	assert_true(fd >= 0 && fstat(fd, &file) == 0);
	assert_int_equal(file.st_size, n->file_size_bytes);
	assert_ok(&e, compression_parse(n->compression, &c, &e));
	const struct nar_source from = {read_fd, &fd};
	scoped_decompress struct decompress *d = decompress_new(c, &from, UINT64_MAX, &e);
	assert_non_null(d);
	const struct nar_source nar = decompress_source(d);
	assert_ok(&e, hash_start(&ctx, HASH_SHA256, &e));
	while ((got = nar.read(nar.ctx, data, sizeof data, &e)) > 0) {
		size += (uint64_t)got;
		assert_ok(&e, hash_update(&ctx, data, (size_t)got, &e));
	}
	assert_ok(&e, got);
	assert_ok(&e, hash_finish(&ctx, &is, &e));
	assert_true(hash_equal(&is, &n->nar_hash));
	assert_int_equal(size, n->nar_size_bytes);
}

static void writes_nars_and_what_is_said_of_them(void **state)
{
	static const enum compression all[] = {COMPRESSION_XZ, COMPRESSION_ZSTD, COMPRESSION_NONE};
	struct err e = ERR_INIT;

	add_path(INPUT, "input", "");
	add_path(A, "a", INPUT " " A);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		scoped_narinfo struct narinfo n = {0};
		char path[4096];

		in_root("cache/00000000000000000000000000000000.narinfo", path);
		unlink(path);
		assert_ok(&e, publish(all[i], &no_keys, true, A, &e));
		read_narinfo(A, &n);
		assert_string_equal(n.store_path, A);
		assert_string_equal(n.compression, compression_name(all[i]));
		assert_int_equal(n.refs.n, 2);
		assert_string_equal(n.refs.items[0], str_base(A));
		assert_string_equal(n.refs.items[1], str_base(INPUT));
		assert_string_equal(n.deriver, str_base(DRV));
		assert_int_equal(n.sigs.n, 0);
		assert_true(n.has_file_hash);
		check_nar(&n);
	}
}

static void signs_with_each_key(void **state)
{
	struct err e = ERR_INIT;
	scoped_secretkeys struct secretkeys keys = SECRETKEYS_INIT;
	scoped_narinfo struct narinfo n = {0};
	scoped_ed25519_keys struct ed25519_keys trusted = ED25519_KEYS_INIT;
	char file[4096];

	in_root("key", file);
	assert_ok(&e, io_write_file(AT_FDCWD, file, 0400, SECRET "\n", strlen(SECRET "\n"), &e));
	assert_ok(&e, secretkeys_read(&keys, file, &e));
	assert_ok(&e, ed25519_keys_add(&trusted,
				       "test-1:CVtJ8Z8844fjQ8k0Apkq3TMUX5DTG65xFsDoMxnuA3A=", &e));
	add_path(A, "a", "");
	assert_ok(&e, publish(COMPRESSION_NONE, &keys, false, A, &e));
	read_narinfo(A, &n);
	assert_int_equal(n.sigs.n, 1);
	assert_int_equal(narinfo_check_signed(&n, &trusted, &e), 1);
	assert_null(n.deriver);
}

static void leaves_what_is_there(void **state)
{
	struct err e = ERR_INIT;
	scoped_narinfo struct narinfo before = {0}, after = {0};

	add_path(A, "one", "");
	assert_ok(&e, publish(COMPRESSION_NONE, &no_keys, true, A, &e));
	read_narinfo(A, &before);
	/* Another build of it. */
	store_done(&st);
	char path[4096];
	in_root("store", path);
	assert_ok(&e, store_open_mem(&st, "/nix/store", path, root, &e));
	add_path(A, "another", "");
	assert_ok(&e, publish(COMPRESSION_NONE, &no_keys, true, A, &e));
	read_narinfo(A, &after);
	assert_true(hash_equal(&before.nar_hash, &after.nar_hash));
}

static void refuses_what_has_changed_since(void **state)
{
	struct err e = ERR_INIT;
	char path[4096];

	add_path(A, "a", "");
	make(A, "b");
	assert_err(&e, publish(COMPRESSION_NONE, &no_keys, true, A, &e), "has changed since");
	in_root("cache/00000000000000000000000000000000.narinfo", path);
	assert_int_equal(access(path, F_OK), -1);
}

/* The order in which names came into the cache. */
static void what_is_referred_to_comes_first(void **state)
{
	struct err e = ERR_INIT;
	scoped_fd int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	_Alignas(struct inotify_event) char events[16384];
	const char *a = NULL, *b = NULL;
	char path[4096];
	ssize_t n;

	add_path(B, "b", "");
	add_path(A, "a", B);
	in_root("cache", path);
	assert_true(inotify_add_watch(watch, path, IN_MOVED_TO | IN_CREATE) >= 0);
	assert_ok(&e, publish(COMPRESSION_NONE, &no_keys, true, A " " B, &e));
	n = read(watch, events, sizeof events);
	assert_true(n > 0);
	for (const char *p = events; p < events + n;) {
		const struct inotify_event *ev = (const struct inotify_event *)(const void *)p;

		if (ev->len && str_eq(ev->name, "00000000000000000000000000000000.narinfo"))
			a = p;
		if (ev->len && str_eq(ev->name, "11111111111111111111111111111111.narinfo"))
			b = p;
		p += sizeof *ev + ev->len;
	}
	assert_true(a && b && b < a);
}

/* ---- what a power cut would leave: the calls that matter, in their order ---- */

static char calls[64];

static void note(char c)
{
	const size_t n = strlen(calls);

	if (n + 1 < sizeof calls)
		calls[n] = c;
}

/* In place of libc's: a file, or a directory. */
int fsync(int fd)
{
	struct stat is;

	assert_int_equal(fstat(fd, &is), 0);
	note(S_ISDIR(is.st_mode) ? 'd' : 'f');
	return 0;
}

/* A NAR or a narinfo gets its name. */
int renameat(int from_dirfd, const char *from, int to_dirfd, const char *to)
{
	note(strncmp(to, "nar/", 4) == 0 ? 'N' : 'I');
	return (int)syscall(SYS_renameat2, from_dirfd, from, to_dirfd, to, 0);
}

/* As if no directory of a test were in memory. */
int fstatfs(int fd, struct statfs *fs)
{
	*fs = (struct statfs){.f_type = EXT4_SUPER_MAGIC};
	return 0;
}

static void nars_are_on_the_disk_before_narinfos(void **state)
{
	struct err e = ERR_INIT;

	add_path(A, "aaa", "");
	add_path(B, "bbb", A);
	memset(calls, 0, sizeof calls);
	assert_ok(&e, publish(COMPRESSION_NONE, &no_keys, false, A " " B, &e));
	assert_string_equal(calls, "fNfNddfIfI");
}

static void nothing_is_waited_for_if_not_wanted(void **state)
{
	const struct cache_options o = {.no_sync = true};
	struct err e = ERR_INIT;

	cache_dest_free(dest);
	dest = cache_dest_open(url, &o, &e);
	assert_ok(&e, dest ? 0 : -1);
	add_path(A, "aaa", "");
	memset(calls, 0, sizeof calls);
	assert_ok(&e, publish(COMPRESSION_NONE, &no_keys, false, A, &e));
	assert_string_equal(calls, "NI");
}

/* ---- damaged files at the target ---- */

#define NARINFO_A "cache/00000000000000000000000000000000.narinfo"

static void read_key(struct secretkeys *keys)
{
	struct err e = ERR_INIT;
	char file[4096];

	in_root("key", file);
	assert_ok(&e, io_write_file(AT_FDCWD, file, 0400, SECRET, strlen(SECRET), &e));
	assert_ok(&e, secretkeys_read(keys, file, &e));
}

static void get_file(const char *name, struct buf *ret)
{
	struct err e = ERR_INIT;
	char path[4096];

	in_root(name, path);
	buf_reset(ret);
	assert_ok(&e, io_read_file(AT_FDCWD, path, ret, &e));
}

/* N bytes of B, the byte at FLIPPED turned round; SIZE_MAX: none. */
static void put_file(const char *name, const struct buf *b, size_t n, size_t flipped)
{
	struct err e = ERR_INIT;
	char path[4096];

	in_root(name, path);
	unlink(path);
	if (flipped < n)
		b->data[flipped] ^= 1;
	assert_ok(&e, io_write_file(AT_FDCWD, path, 0644, b->data, n, &e));
	if (flipped < n)
		b->data[flipped] ^= 1;
}

static void assert_file(const char *name, const struct buf *want)
{
	scoped_buf struct buf is = BUF_INIT(1 << 20);

	get_file(name, &is);
	assert_string_equal(is.data, want->data);
	assert_int_equal(is.len, want->len);
}

static void writes_a_narinfo_anew_that_was_cut_off(void **state)
{
	struct err e = ERR_INIT;
	scoped_secretkeys struct secretkeys keys = SECRETKEYS_INIT;
	scoped_buf struct buf good = BUF_INIT(1 << 20);

	read_key(&keys);
	add_path(INPUT, "input", "");
	add_path(A, "a", INPUT);
	assert_ok(&e, publish(COMPRESSION_NONE, &keys, false, A, &e));
	get_file(NARINFO_A, &good);
	for (size_t n = 0; n < good.len; n++) {
		put_file(NARINFO_A, &good, n, SIZE_MAX);
		assert_ok(&e, publish(COMPRESSION_NONE, &keys, false, A, &e));
		assert_file(NARINFO_A, &good);
	}
	/* Of the same contents, but with another reference, and another size. */
	put_file(NARINFO_A, &good, good.len,
		 (size_t)(strstr(good.data, "References: 2") - good.data) + 13);
	assert_ok(&e, publish(COMPRESSION_NONE, &keys, false, A, &e));
	assert_file(NARINFO_A, &good);
	put_file(NARINFO_A, &good, good.len,
		 (size_t)(strstr(good.data, "NarSize: ") - good.data) + 9);
	assert_ok(&e, publish(COMPRESSION_NONE, &keys, false, A, &e));
	assert_file(NARINFO_A, &good);
}

static void writes_a_nar_anew_that_was_cut_off(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf good = BUF_INIT(1 << 20), narinfo = BUF_INIT(1 << 20);
	scoped_narinfo struct narinfo n = {0};
	char nar[256], path[4096];

	add_path(A, "a", "");
	assert_ok(&e, publish(COMPRESSION_NONE, &no_keys, false, A, &e));
	read_narinfo(A, &n);
	snprintf(nar, sizeof nar, "cache/%s", n.url);
	get_file(NARINFO_A, &narinfo);
	get_file(nar, &good);
	/* With its narinfo, and without. */
	for (int without = 0; without < 2; without++)
		for (size_t len = 0; len <= good.len; len++) {
			put_file(nar, &good, len, len == good.len ? 30 : SIZE_MAX);
			in_root(NARINFO_A, path);
			if (without)
				unlink(path);
			assert_ok(&e, publish(COMPRESSION_NONE, &no_keys, false, A, &e));
			assert_file(NARINFO_A, &narinfo);
			scoped_buf struct buf is = BUF_INIT(1 << 20);
			get_file(nar, &is);
			assert_int_equal(is.len, good.len);
			assert_memory_equal(is.data, good.data, good.len);
		}
	in_root(nar, path);
	unlink(path);
	assert_ok(&e, publish(COMPRESSION_NONE, &no_keys, false, A, &e));
	check_nar(&n);
}

static void signs_what_lost_its_signature(void **state)
{
	struct err e = ERR_INIT;
	scoped_secretkeys struct secretkeys keys = SECRETKEYS_INIT;
	scoped_narinfo struct narinfo first = {0}, second = {0};

	read_key(&keys);
	add_path(A, "a", "");
	assert_ok(&e, publish(COMPRESSION_NONE, &no_keys, false, A, &e));
	read_narinfo(A, &first);
	assert_int_equal(first.sigs.n, 0);
	/* Its NAR stays, whatever this one would be compressed by. */
	assert_ok(&e, publish(COMPRESSION_XZ, &keys, false, A, &e));
	read_narinfo(A, &second);
	assert_int_equal(second.sigs.n, 1);
	assert_string_equal(second.url, first.url);
	check_nar(&second);
}

/* ---- a server that dies in the middle of an upload ---- */

struct target {
	atomic_uint dies_at; /* from this request on; 0: never */
	atomic_uint n;
	bool keeps_part, no_length, wrong_digest;
	atomic_uint puts;
};

static bool reply_with_file(int fd, const struct httpd_request *r, const struct target *t)
{
	scoped_buf struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	char path[4096], head[512];

	snprintf(path, sizeof path, "%s/web%s", root, r->path);
	if (io_read_file(AT_FDCWD, path, &b, &e) < 0)
		return httpd_reply(fd, r, 404, "", 0);
	if (strcmp(r->method, "HEAD") != 0)
		return httpd_reply(fd, r, 200, b.data, b.len);
	snprintf(head, sizeof head, "HTTP/1.1 200 X\r\n%s: %zu\r\n%s\r\n",
		 t->no_length ? "X-No-Length" : "Content-Length", b.len,
		 t->wrong_digest
			 ? "Digest: SHA-256=KysrKysrKysrKysrKysrKysrKysrKysrKysrKysrKys=\r\n"
			 : "");
	return httpd_send(fd, head) && !t->no_length;
}

static bool keep_body(int fd, const struct httpd_request *r, bool dies, const struct target *t)
{
	char *data = calloc(1, r->body_bytes + 1);
	char path[4096];
	struct err e = ERR_INIT;

	assert_non_null(data);
	assert_true(httpd_body(fd, r, data));
	snprintf(path, sizeof path, "%s/web%s", root, r->path);
	if (!dies || t->keeps_part) {
		unlink(path);
		assert_ok(&e, io_write_file(AT_FDCWD, path, 0644, data,
					    dies ? r->body_bytes / 2 : r->body_bytes, &e));
	}
	free(data);
	return !dies && httpd_reply(fd, r, 201, "", 0);
}

static bool be_target(int fd, const struct httpd_request *r, void *ctx)
{
	struct target *t = ctx;
	const bool dies = atomic_fetch_add(&t->n, 1) + 1 >= t->dies_at && t->dies_at;

	if (strcmp(r->method, "PUT") == 0) {
		atomic_fetch_add(&t->puts, 1);
		return keep_body(fd, r, dies, t);
	}
	return !dies && reply_with_file(fd, r, t);
}

static int publish_to(const char *web, const char *paths, struct err *e)
{
	const struct cache_options o = {.attempts = 1, .retry_ms = 1};
	scoped_cache_dest struct cache_dest *d = cache_dest_open(web, &o, e);
	scoped_strv struct strv v = STRV_INIT;
	const struct upload p = {
		.dest = d,
		.compress = {.compression = COMPRESSION_NONE, .level = -1},
		.secret_keys = &no_keys,
		.store = &st,
	};

	if (!d)
		return -1;
	assert_ok(e, strv_split(&v, paths, " ", e));
	return upload_paths(&p, &v, e);
}

/* What the server has is what is published into a directory. */
static void assert_same_as_file(void)
{
	struct err e = ERR_INIT;
	char command[9000];

	assert_ok(&e, publish(COMPRESSION_NONE, &no_keys, false, A " " B, &e));
	snprintf(command, sizeof command, "%s/cache", root);
	scoped_free char *web = str_fmt(&e, "%s/web", root);
	char *const argv[] = {(char *)"diff", (char *)"-r", command, web, NULL};
	assert_ok(&e, subprocess_run(argv, NULL, 0, NULL, &e));
}

static void empty_web(void)
{
	struct err e = ERR_INIT;
	char path[4096];

	in_root("web", path);
	assert_ok(&e, io_rmtree(AT_FDCWD, path, path, &e));
	assert_int_equal(mkdir(path, 0755), 0);
	in_root("web/nar", path);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void goes_on_after_a_target_that_died(void **state)
{
	struct err e = ERR_INIT;
	struct httpd server;
	unsigned failures = 0;

	add_path(B, "b", "");
	add_path(A, "a", B);
	for (int keeps = 0; keeps < 2; keeps++)
		for (unsigned k = 1; k <= 16; k++) {
			struct target t = {.dies_at = k, .keeps_part = keeps};

			empty_web();
			httpd_start(&server, be_target, &t);
			if (publish_to(server.url, A " " B, &e) < 0) {
				failures++;
				err_clear(&e);
			}
			atomic_store(&t.dies_at, 0);
			assert_ok(&e, publish_to(server.url, A " " B, &e));
			httpd_stop(&server);
			assert_same_as_file();
		}
	assert_true(failures > 10);
}

static void compares_by_what_a_server_says(void **state)
{
	struct err e = ERR_INIT;
	struct httpd server;
	struct target t = {.dies_at = 0};

	add_path(B, "b", "");
	add_path(A, "a", B);
	empty_web();
	httpd_start(&server, be_target, &t);
	assert_ok(&e, publish_to(server.url, A " " B, &e));
	assert_int_equal(t.puts, 5);
	assert_ok(&e, publish_to(server.url, A " " B, &e));
	assert_int_equal(t.puts, 5);
	/* Nothing is said of the NARs: there they are, for all that is known. */
	t.no_length = true;
	assert_ok(&e, publish_to(server.url, A " " B, &e));
	assert_int_equal(t.puts, 5);
	t.no_length = false;
	t.wrong_digest = true;
	assert_ok(&e, publish_to(server.url, A " " B, &e));
	assert_int_equal(t.puts, 9);
	httpd_stop(&server);
	assert_same_as_file();
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(writes_nars_and_what_is_said_of_them),
		CASE(signs_with_each_key),
		CASE(leaves_what_is_there),
		CASE(refuses_what_has_changed_since),
		CASE(what_is_referred_to_comes_first),
		CASE(nars_are_on_the_disk_before_narinfos),
		CASE(nothing_is_waited_for_if_not_wanted),
		CASE(writes_a_narinfo_anew_that_was_cut_off),
		CASE(writes_a_nar_anew_that_was_cut_off),
		CASE(signs_what_lost_its_signature),
		CASE(goes_on_after_a_target_that_died),
		CASE(compares_by_what_a_server_says),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("build_publish", tests, NULL, NULL);
}

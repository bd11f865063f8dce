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

#include "hook/build_publish.h"
#include "hook/log.h"
#include "nar/decompress.h"
#include "nar/dump.h"
#include "nar/io.h"
#include "nar/narinfo.h"
#include "nar/scope.h"

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
	assert_ok(&e, nar_digest(fd, str_base(path), path, NULL, &d, &e));
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
	const struct publish p = {
		.dest = dest,
		.compress = {.compression = c, .level = -1},
		.secret_keys = keys,
		.store = &st,
		.deriver = deriver,
	};

	assert_ok(e, strv_split(&v, paths, " ", e));
	return publish_paths(&p, &v, e);
}

static void read_narinfo(const char *path, struct narinfo *ret)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf text = BUF_INIT(NARINFO_MAX_BYTES);
	scoped_free char *name = str_fmt(&e, "%.32s.narinfo", str_base(path));

	assert_int_equal(cache_dest_get(dest, name, &text, &e), 1);
	assert_ok(&e, narinfo_parse(text.data, text.len, "/nix/store", name, ret, &e));
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
	const struct nar_source from = source_of_fd(&fd);
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
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("build_publish", tests, NULL, NULL);
}

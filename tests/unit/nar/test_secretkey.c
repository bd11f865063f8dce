/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys from files, and that nothing of them is left in memory. A child process makes the key, so
 * that this process has it only from the reader; it knows the key by its bits turned round.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/ed25519.h"
#include "nar/hash.h"
#include "nar/secretkey.h"

#define TEXT_MAX 128

/*
 * What is looked for: so many bytes are in no memory by chance. They are from the middle of the
 * key, as malloc() writes over the beginning of what is freed.
 */
#define FIRST_RAW 8
#define FIRST_BASE64 40
struct turned {
	unsigned char raw[24], base64[24];
};

static char file[64];

static int setup(void **state)
{
	strcpy(file, "/tmp/test_secretkey.XXXXXX");
	int fd = mkstemp(file);

	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	return unlink(file);
}

static void write_key(int to, const char *before, const char *after, size_t n_after)
{
	unsigned char key[ED25519_SECRET_BYTES];
	char text[TEXT_MAX];
	struct turned t;
	scoped_fd int fd = open(file, O_WRONLY | O_TRUNC);

	if (getrandom(key, sizeof key, 0) != sizeof key)
		_exit(1);
	base64_encode(key, sizeof key, text);
	for (size_t i = 0; i < sizeof t.raw; i++) {
		t.raw[i] = key[FIRST_RAW + i] ^ 0xff;
		t.base64[i] = (unsigned char)text[FIRST_BASE64 + i] ^ 0xff;
	}
	if (io_write_all(fd, before, strlen(before)) < 0 ||
	    io_write_all(fd, text, strlen(text)) < 0 || io_write_all(fd, after, n_after) < 0 ||
	    io_write_all(to, &t, sizeof t) < 0)
		_exit(1);
	_exit(0);
}

/* Have FILE contain a new key between BEFORE and AFTER. */
static void make_key(const char *before, const char *after, size_t n_after, struct turned *ret)
{
	int p[2], status;

	assert_int_equal(pipe(p), 0);
	pid_t pid = fork();
	if (pid == 0)
		write_key(p[1], before, after, n_after);
	close(p[1]);
	assert_int_equal(read(p[0], ret, sizeof *ret), sizeof *ret);
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static bool is_turned(const unsigned char *p, const unsigned char *turned, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((p[i] ^ turned[i]) != 0xff)
			return false;
	return true;
}

/* How often what T describes is in the N bytes at P. */
static unsigned count_in(const unsigned char *p, size_t n, const struct turned *t)
{
	unsigned found = 0;

	for (size_t i = 0; i + sizeof t->raw <= n; i++)
		found += is_turned(p + i, t->raw, sizeof t->raw) ||
			 is_turned(p + i, t->base64, sizeof t->base64);
	return found;
}

/* How often what T describes is from address FROM to TO. */
static unsigned count_between(int mem, unsigned long from, unsigned long to, const struct turned *t)
{
	static unsigned char piece[65536];
	const size_t overlap = sizeof t->raw - 1;
	unsigned found = 0;
	ssize_t n;

	for (; from + overlap < to; from += (size_t)n - overlap) {
		size_t want = to - from < sizeof piece ? to - from : sizeof piece;

		n = pread(mem, piece, want, (off_t)from);
		if (n <= (ssize_t)overlap)
			break;
		found += count_in(piece, (size_t)n, t);
		explicit_bzero(piece, sizeof piece);
	}
	return found;
}

/*
 * How often what T describes is in the memory that this process can write. Allocates nothing: that
 * would overwrite what was freed. What a sanitizer has mapped for itself is terabytes.
 */
static unsigned count_in_memory(const struct turned *t)
{
	static char maps[1 << 20];
	scoped_fd int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	scoped_fd int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned long from, to;
	unsigned found = 0;
	size_t len = 0;
	char mode[8];
	ssize_t n;

	assert_true(fd >= 0 && mem >= 0);
	while ((n = read(fd, maps + len, sizeof maps - 1 - len)) > 0)
		len += (size_t)n;
	maps[len] = '\0';
	for (const char *line = maps; *line; line += strcspn(line, "\n") + 1)
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 && mode[1] == 'w' &&
		    to - from <= 1ul << 30)
			found += count_between(mem, from, to, t);
	return found;
}

static void reads_and_wipes_a_key(void **state)
{
	struct secretkeys keys = SECRETKEYS_INIT;
	struct err e = ERR_INIT;
	struct turned t;

	for (int i = 0; i < 20; i++) {
		make_key("test-1:", " \r\n\n", 4, &t);
		assert_ok(&e, secretkeys_read(&keys, file, &e));
		assert_int_equal(keys.n, i + 1);
		assert_memory_equal(keys.items[i], "test-1:", 7);
		scoped_free char *sig = ed25519_sign(keys.items[i], "data", 4, &e);
		assert_non_null(sig);
		/* In its block, and nowhere else. */
		assert_int_equal(count_in_memory(&t), 1);
	}
	secretkeys_done(&keys);
	assert_int_equal(keys.n, 0);
	assert_int_equal(count_in_memory(&t), 0);
	secretkeys_done(&keys);
}

static void wipes_what_is_no_key(void **state)
{
	static char much[SECRETKEY_FILE_MAX];
	const struct {
		const char *before, *after;
		size_t n;
		const char *text;
	} cases[] = {
		{"test-1:", "AAAA", 4, "secret key is not valid"},
		{"test-1:AAAA", "", 0, "secret key is not valid"},
		{"test-1", "", 0, "key is corrupt"},
		{":", "", 0, "key is corrupt"},
		{"test-1:", "\0x", 2, "key is corrupt"},
		{"test-1:", "\nx", 2, "secret key is not valid"},
		{"test-1:", much, sizeof much, "larger than the limit of 4096 bytes"},
	};
	scoped_secretkeys struct secretkeys keys = SECRETKEYS_INIT;
	struct err e = ERR_INIT;
	struct turned t;

	memset(much, ' ', sizeof much);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make_key(cases[i].before, cases[i].after, cases[i].n, &t);
		int rc = secretkeys_read(&keys, file, &e);
		assert_non_null(strstr(e.msg, file));
		assert_non_null(strstr(e.msg, "the secret key: "));
		assert_int_equal(count_in_memory(&t), 0);
		assert_err(&e, rc, cases[i].text);
		assert_int_equal(keys.n, 0);
	}
}

static void says_which_file_cannot_be_read(void **state)
{
	scoped_secretkeys struct secretkeys keys = SECRETKEYS_INIT;
	struct err e = ERR_INIT;

	assert_err(&e, secretkeys_read(&keys, "/nonexistent/key", &e),
		   "the secret key: opening '/nonexistent/key': No such file");
	assert_err(&e, secretkeys_read(&keys, "/tmp", &e), "the secret key: '/tmp' is a directory");
	assert_err(&e, secretkeys_read(&keys, "/dev/null", &e), "key is corrupt");
	assert_int_equal(keys.n, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(reads_and_wipes_a_key),
		CASE(wipes_what_is_no_key),
		CASE(says_which_file_cannot_be_read),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("secretkey", tests, NULL, NULL);
}

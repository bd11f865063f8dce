/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The main() of a fuzz target where libFuzzer is not at hand (gcc, `make check`).
 *
 *	fuzz_x                  replay corpus/x and the shared vectors of x, as TAP
 *	fuzz_x FILE|DIR...      replay these
 *
 * Each seed runs as it is, cut at every length (of large ones at some), and with some of its bytes
 * changed, always in the same way: no fuzzing, but a parser that reads past its end or trips over a
 * damaged file is found by the ordinary tests already, above all under the sanitizers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "tests/fuzz/fuzz.h"

#include "nar/base/banned.h"

#define SEED_MAX_BYTES (16 << 20)
#define CUTS_MAX 512
#define CHANGES 256
#define PREFIX "fuzz_"

static unsigned cases;
static const char *current = "nothing yet"; /* for the message of a crash */

static void report(void)
{
	if (current)
		fprintf(stderr, "the last seed was '%s'\n", current);
}

/* A copy of its own, so that AddressSanitizer sees each byte past the end. */
static int run(const char *data, size_t n, struct err *e)
{
	scoped_free uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		return err_memory(e);
	if (n)
		memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	return 0;
}

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static int run_seed(struct buf *b, struct err *e)
{
	size_t step = b->len / CUTS_MAX + 1;
	uint32_t x = 2463534242u;

	if (run(b->data, b->len, e) < 0)
		return -1;
	for (size_t n = 0; n < b->len; n += step)
		if (run(b->data, n, e) < 0)
			return -1;
	for (int i = 0; b->len && i < CHANGES; i++) {
		size_t at = next_random(&x) % b->len;
		char was = b->data[at];

		b->data[at] =
			(char)(i % 2 ? was ^ (1 << next_random(&x) % 8) : (int)next_random(&x));
		if (run(b->data, b->len, e) < 0)
			return -1;
		b->data[at] = was;
	}
	return 0;
}

static int replay_file(int dirfd, const char *name, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(SEED_MAX_BYTES);

	current = name;
	if (io_read_file(dirfd, name, &b, e) < 0 || run_seed(&b, e) < 0)
		return -1;
	printf("ok %u - %s\n", ++cases, name);
	fflush(stdout);
	return 0;
}

static int replay_dir(const char *path, struct err *e)
{
	scoped_dir DIR *d = opendir(path);
	scoped_strv struct strv names = STRV_INIT;
	struct dirent *de;

	if (!d)
		return err_sys(e, "opening directory '%s'", path);
	while ((de = readdir(d)))
		if (de->d_name[0] != '.' && strv_add(&names, de->d_name, e) < 0)
			return -1;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		if (replay_file(dirfd(d), names.items[i], e) < 0)
			return -1;
	if (!names.n)
		return err_set(e, ERR_INPUT, "no seeds in '%s'", path);
	return 0;
}

static int replay(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, "opening '%s'", path);
	return S_ISDIR(st.st_mode) ? replay_dir(path, e) : replay_file(AT_FDCWD, path, e);
}

/* Real files of some formats are kept beside the project, where they are used in place. */
static int replay_shared(const char *parser, const char *top, struct err *e)
{
	static const struct {
		const char *parser, *dir;
	} vectors[] = {{"drv", "derivation"}, {"nar", "nar"}};
	const char *shared = getenv("NIH_SHARED"), *strict = getenv("TEST_STRICT");

	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		if (!str_eq(vectors[i].parser, parser))
			continue;
		scoped_free char *dir =
			shared ? str_fmt(e, "%s/vectors/%s", shared, vectors[i].dir)
			       : str_fmt(e, "%s/../shared/vectors/%s", top, vectors[i].dir);
		if (!dir)
			return -1;
		if (access(dir, F_OK) == 0)
			return replay_dir(dir, e);
		if (strict && str_eq(strict, "1"))
			return err_set(e, ERR_INPUT, "there is no '%s'", dir);
		printf("ok %u # SKIP there is no '%s'\n", ++cases, dir);
	}
	return 0;
}

static int replay_all(const char *program, struct err *e)
{
	const char *base = str_base(program), *top = getenv("top_srcdir");

	if (!top)
		top = ".";
	/* libtool and gdb may put words before it. */
	base = strstr(base, PREFIX);
	if (!base)
		return err_set(e, ERR_INPUT, "'%s' is not called " PREFIX "<parser>", program);
	const char *parser = base + strlen(PREFIX);
	scoped_free char *dir = str_fmt(e, "%s/tests/fuzz/corpus/%s", top, parser);
	if (!dir || replay_dir(dir, e) < 0)
		return -1;
	return replay_shared(parser, top, e);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	int rc = 0;

	atexit(report);
	if (argc < 2)
		rc = replay_all(argv[0], &e);
	for (int i = 1; i < argc && rc == 0; i++)
		rc = replay(argv[i], &e);
	if (rc < 0) {
		printf("not ok %u - %s\n", ++cases, e.msg);
	} else {
		current = NULL;
	}
	printf("1..%u\n", cases);
	return rc < 0;
}

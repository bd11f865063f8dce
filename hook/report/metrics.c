/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/report/metrics.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/report/rows.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* How often the lock is tried for, a hundredth of a second apart. */
#define LOCK_TRIES 100
#define LOCK_PAUSE_MS 10

/* What adds to a series. */
enum source {
	BUILDS,    /* 1, where the build ended as `arg` says */
	NUMBER,    /* the report's number `arg` */
	WORK,      /* the time of the build without waiting */
	RETRIES,   /* tries after the first */
	TIME_LE,   /* 1, where the time is at most `arg` seconds; 0: always where it is known */
	MEMORY,    /* peak of memory */
	MEMORY_LE, /* 1, where that is at most `arg` MiB; 0: always where it is known */
	LAST,      /* when a build ended last */
};

static const struct series {
	const char *name, *labels;
	enum source source;
	uint64_t arg;
	bool seconds; /* counted in microseconds, printed as seconds */
} table[] = {
#define END(name, end)                                                                \
	{                                                                             \
		"nix_oci_hook_builds_total", "{end=\"" name "\"}", BUILDS, end, false \
	}
	END("success", REPORT_SUCCESS),
	END("exit", REPORT_EXITED),
	END("signal", REPORT_SIGNALED),
	END("oom", REPORT_OOM),
	END("timeout", REPORT_TIMEOUT),
	END("silence", REPORT_SILENCE),
	END("flood", REPORT_FLOODED),
	END("refused", REPORT_REFUSED),
	END("stopped", REPORT_STOPPED),
	END("error", REPORT_ERROR),
#define WAIT(what, number)                                                                    \
	{                                                                                     \
		"nix_oci_hook_wait_seconds_total", "{for=\"" what "\"}", NUMBER, number, true \
	}
	WAIT("slot", REPORT_WAIT_SLOT_US),
	WAIT("memory", REPORT_WAIT_MEMORY_US),
	WAIT("inputs", REPORT_WAIT_INPUTS_US),
#define CPU(mode, number)                                                                     \
	{                                                                                     \
		"nix_oci_hook_cpu_seconds_total", "{mode=\"" mode "\"}", NUMBER, number, true \
	}
	CPU("user", REPORT_CPU_USER_US),
	CPU("system", REPORT_CPU_SYSTEM_US),
#define IO(what, number)                                                                         \
	{                                                                                        \
		"nix_oci_hook_io_bytes_total", "{direction=\"" what "\"}", NUMBER, number, false \
	}
	IO("read", REPORT_IO_READ_BYTES),
	IO("written", REPORT_IO_WRITTEN_BYTES),
	{"nix_oci_hook_outputs_bytes_total", "", NUMBER, REPORT_OUTPUTS_BYTES, false},
	{"nix_oci_hook_log_bytes_total", "", NUMBER, REPORT_LOG_BYTES, false},
	{"nix_oci_hook_retries_total", "", RETRIES, 0, false},
#define TIME(le, seconds)                                                                       \
	{                                                                                       \
		"nix_oci_hook_build_seconds_bucket", "{le=\"" le "\"}", TIME_LE, seconds, false \
	}
	TIME("1", 1),
	TIME("10", 10),
	TIME("60", 60),
	TIME("300", 300),
	TIME("1800", 1800),
	TIME("7200", 7200),
	TIME("+Inf", 0),
	{"nix_oci_hook_build_seconds_sum", "", WORK, 0, true},
	{"nix_oci_hook_build_seconds_count", "", TIME_LE, 0, false},
#define MIB(le, mib)                                                                               \
	{                                                                                          \
		"nix_oci_hook_build_memory_bytes_bucket", "{le=\"" le "\"}", MEMORY_LE, mib, false \
	}
	MIB("67108864", 64),
	MIB("268435456", 256),
	MIB("1073741824", 1024),
	MIB("4294967296", 4096),
	MIB("17179869184", 16384),
	MIB("+Inf", 0),
	{"nix_oci_hook_build_memory_bytes_sum", "", MEMORY, 0, false},
	{"nix_oci_hook_build_memory_bytes_count", "", MEMORY_LE, 0, false},
	{"nix_oci_hook_last_end_timestamp_seconds", "", LAST, 0, true},
};
static_assert(ARRAY_SIZE(table) <= METRICS_SERIES_MAX, "room for all series");

/* What is said of each family, before its first series. */
static const struct family {
	const char *name, *type, *help;
} families[] = {
	{"nix_oci_hook_builds_total", "counter", "Builds by how they ended."},
	{"nix_oci_hook_wait_seconds_total", "counter", "Time that builds waited."},
	{"nix_oci_hook_cpu_seconds_total", "counter", "Processor time of builds."},
	{"nix_oci_hook_io_bytes_total", "counter", "Bytes from and to disks."},
	{"nix_oci_hook_outputs_bytes_total", "counter", "NAR sizes of outputs."},
	{"nix_oci_hook_log_bytes_total", "counter", "Sizes of logs."},
	{"nix_oci_hook_retries_total", "counter", "Tries of builds after their first."},
	{"nix_oci_hook_build_seconds", "histogram", "Time of builds, without waiting."},
	{"nix_oci_hook_build_memory_bytes", "histogram", "Peak memory of builds, where counted."},
	{"nix_oci_hook_last_end_timestamp_seconds", "gauge", "When a build ended last."},
};

/* ---- adding ---- */

static bool within(uint64_t n, uint64_t bound, uint64_t unit)
{
	return n != REPORT_UNKNOWN && (bound == 0 || n <= bound * unit);
}

static uint64_t known_or_0(uint64_t n)
{
	return n == REPORT_UNKNOWN ? 0 : n;
}

static uint64_t end_us(const struct report *r)
{
	return known_or_0(r->n[REPORT_START_US]) + known_or_0(r->n[REPORT_WALL_US]);
}

/* What R adds to S. */
static uint64_t share(const struct series *s, const struct report *r)
{
	const uint64_t memory = r->n[REPORT_MEMORY_PEAK_BYTES], tries = r->n[REPORT_TRIES];

	switch (s->source) {
	case BUILDS:
		return r->end == (enum report_end)s->arg;
	case NUMBER:
		return known_or_0(r->n[s->arg]);
	case WORK:
		return known_or_0(row_work_us(r));
	case RETRIES:
		return tries == REPORT_UNKNOWN || tries < 2 ? 0 : tries - 1;
	case TIME_LE:
		return within(row_work_us(r), s->arg, 1000000);
	case MEMORY:
		return known_or_0(memory);
	case MEMORY_LE:
		return within(memory, s->arg, 1 << 20);
	case LAST:
		break;
	}
	return 0;
}

void metrics_add(struct metrics *m, const struct report *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].source == LAST) {
			if (end_us(r) > m->n[i])
				m->n[i] = end_us(r);
		} else if (__builtin_add_overflow(m->n[i], share(&table[i], r), &m->n[i])) {
			m->n[i] = UINT64_MAX;
		}
	}
}

/* ---- text ---- */

/* NAME is of the family F: the same, or with what a histogram puts behind it. */
static bool is_of(const struct family *f, const char *name)
{
	const size_t n = strlen(f->name);

	if (strncmp(f->name, name, n) != 0)
		return false;
	return !name[n] || str_eq(name + n, "_bucket") || str_eq(name + n, "_sum") ||
	       str_eq(name + n, "_count");
}

static int print_number(const struct series *s, uint64_t n, struct buf *b, struct err *e)
{
	if (!s->seconds)
		return buf_addf(b, e, "%llu\n", (unsigned long long)n);
	return buf_addf(b, e, "%llu.%06llu\n", (unsigned long long)(n / 1000000),
			(unsigned long long)(n % 1000000));
}

int metrics_print(const struct metrics *m, struct buf *b, struct err *e)
{
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct family *f = &families[i];

		if (buf_addf(b, e, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
			     f->type) < 0)
			return -1;
		for (; at < ARRAY_SIZE(table) && is_of(f, table[at].name); at++)
			if (buf_addf(b, e, "%s%s ", table[at].name, table[at].labels) < 0 ||
			    print_number(&table[at], m->n[at], b, e) < 0)
				return -1;
	}
	assert(at == ARRAY_SIZE(table));
	return 0;
}

/* "12.345678", of exactly six digits behind the point where S is counted so. */
static bool parse_number(const struct series *s, const char *text, size_t len, uint64_t *ret)
{
	const char *point = memchr(text, '.', len);
	uint64_t whole, part;

	if (!s->seconds)
		return num_parse_u64(text, len, UINT64_MAX, ret);
	if (!point || len - (size_t)(point - text) != 7 ||
	    !num_parse_u64(text, (size_t)(point - text), UINT64_MAX / 1000000 - 1, &whole) ||
	    !num_parse_u64(point + 1, 6, 999999, &part))
		return false;
	*ret = whole * 1000000 + part;
	return true;
}

static void parse_line(const char *line, size_t len, struct metrics *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct series *s = &table[i];
		const size_t name = strlen(s->name), labels = strlen(s->labels);
		const size_t n = name + labels;

		if (len > n && line[n] == ' ' && memcmp(line, s->name, name) == 0 &&
		    memcmp(line + name, s->labels, labels) == 0 &&
		    parse_number(s, line + n + 1, len - n - 1, &m->n[i]))
			return;
	}
}

void metrics_parse(const char *text, size_t len, struct metrics *m)
{
	const char *end = text + len;

	*m = (struct metrics){{0}};
	while (text < end) {
		const char *lf = memchr(text, '\n', (size_t)(end - text));
		const size_t n = (size_t)((lf ? lf : end) - text);

		parse_line(text, n, m);
		text += n + (lf != NULL);
	}
}

/* ---- the file ---- */

/*
 * Open PATH, whose lock is ours then, as it is at PATH: while one waited for the lock, its holder
 * has replaced the file. Returns -1 with *E.
 */
static int open_locked(const char *path, struct err *e)
{
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		scoped_fd int fd =
			open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
		struct stat ours, there;

		if (fd < 0)
			return err_sys(e, "opening '%s' (see 'metrics-file')", path);
		if (fstat(fd, &ours) < 0 || !S_ISREG(ours.st_mode))
			return err_set(e, ERR_SYSTEM,
				       "'%s' is not a regular file (see 'metrics-file')", path);
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 && lstat(path, &there) == 0 &&
		    there.st_dev == ours.st_dev && there.st_ino == ours.st_ino)
			return TAKE(fd, -1);
		io_pause_ms(LOCK_PAUSE_MS);
	}
	return err_set(e, ERR_SYSTEM, "another process holds the lock of '%s'", path);
}

static int replace(const char *path, const struct buf *b, struct err *e)
{
	/* The collector reads what ends in ".prom". Who has the lock may use this name. */
	scoped_free char *new = str_fmt(e, "%s.new", path);

	if (!new)
		return -1;
	if (unlink(new) < 0 && errno != ENOENT)
		return err_sys(e, "removing '%s'", new);
	if (io_write_file(AT_FDCWD, new, 0644, b->data, b->len, e) < 0) {
		unlink(new);
		return -1;
	}
	return rename(new, path) < 0 ? err_sys(e, "renaming '%s'", new) : 0;
}

int metrics_update(const struct conf *c, const struct report *r, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(METRICS_MAX);
	struct metrics m;

	if (!c->metrics_file || !c->metrics_file[0])
		return 0;
	scoped_fd int fd = open_locked(c->metrics_file, e);
	if (fd < 0 || buf_read_fd(&b, fd, c->metrics_file, e) < 0)
		return -1;
	metrics_parse(b.data ? b.data : "", b.len, &m);
	buf_reset(&b);
	metrics_add(&m, r);
	return metrics_print(&m, &b, e) < 0 ? -1 : replace(c->metrics_file, &b, e);
}

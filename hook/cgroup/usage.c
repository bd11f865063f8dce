/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cgroup/usage.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* io.stat has a line of about 100 bytes for each device. */
#define FILE_MAX (1 << 20)
#define NSEC_PER_USEC 1000
#define DEPTH_MAX 32 /* groups below a build's own */

/* Which number of a file's text counts. */
enum form {
	WHOLE,    /* the text is the number */
	AFTER,    /* the number that follows WORD on the line that begins with WORD */
	SUM,      /* of v1's `8:0 WORD N`, or of v2's `8:0 ... WORD=N ...`, over all lines */
	PRESSURE, /* total=N on the line that begins with WORD */
};

static const struct source {
	size_t offset; /* of the value in struct cgroup_usage */
	const char *file;
	enum form form;
	const char *word;
	unsigned divide; /* by this, to have the value's unit */
} sources[] = {
#define VALUE(member) offsetof(struct cgroup_usage, member)
	{VALUE(memory_bytes), "memory.current", WHOLE, "", 1},
	{VALUE(memory_bytes), "memory.usage_in_bytes", WHOLE, "", 1},
	{VALUE(memory_peak_bytes), "memory.peak", WHOLE, "", 1},
	{VALUE(memory_peak_bytes), "memory.max_usage_in_bytes", WHOLE, "", 1},
	{VALUE(swap_peak_bytes), "memory.swap.peak", WHOLE, "", 1},
	{VALUE(cpu_user_usec), "cpuacct.usage_user", WHOLE, "", NSEC_PER_USEC},
	{VALUE(cpu_user_usec), "cpu.stat", AFTER, "user_usec", 1},
	{VALUE(cpu_system_usec), "cpuacct.usage_sys", WHOLE, "", NSEC_PER_USEC},
	{VALUE(cpu_system_usec), "cpu.stat", AFTER, "system_usec", 1},
	{VALUE(io_read_bytes), "io.stat", SUM, "rbytes", 1},
	{VALUE(io_read_bytes), "blkio.throttle.io_service_bytes_recursive", SUM, "Read", 1},
	{VALUE(io_written_bytes), "io.stat", SUM, "wbytes", 1},
	{VALUE(io_written_bytes), "blkio.throttle.io_service_bytes_recursive", SUM, "Write", 1},
	{VALUE(pids_peak), "pids.peak", WHOLE, "", 1},
	{VALUE(memory_pressure.some_usec), "memory.pressure", PRESSURE, "some", 1},
	{VALUE(memory_pressure.full_usec), "memory.pressure", PRESSURE, "full", 1},
	{VALUE(io_pressure.some_usec), "io.pressure", PRESSURE, "some", 1},
	{VALUE(io_pressure.full_usec), "io.pressure", PRESSURE, "full", 1},
	{VALUE(cpu_pressure.some_usec), "cpu.pressure", PRESSURE, "some", 1},
	{VALUE(cpu_pressure.full_usec), "cpu.pressure", PRESSURE, "full", 1},
#undef VALUE
};

/* The word of at most END - *P bytes at *P, which moves behind the word and the blanks after it. */
static size_t take_word(const char **p, const char *end, const char **ret)
{
	size_t n;

	*ret = *p;
	while (*p < end && **p != ' ')
		++*p;
	n = (size_t)(*p - *ret);
	while (*p < end && **p == ' ')
		++*p;
	return n;
}

static bool is_word(const char *s, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(s, word, n) == 0;
}

/* The number of a field `KEY=N`. */
static bool field_value(const char *field, size_t n, const char *key, uint64_t *ret)
{
	const size_t len = strlen(key);

	return n > len && memcmp(field, key, len) == 0 && field[len] == '=' &&
	       num_parse_u64(field + len + 1, n - len - 1, UINT64_MAX, ret);
}

/* The number that S says on its line from P to END. */
static bool line_value(const struct source *s, const char *p, const char *end, uint64_t *ret)
{
	const char *word;
	size_t n = take_word(&p, end, &word);

	if (s->form == WHOLE)
		return num_parse_u64(word, n, UINT64_MAX, ret);
	if (s->form != SUM && !is_word(word, n, s->word))
		return false;
	while (p < end) {
		const bool named = s->form == AFTER || is_word(word, n, s->word);

		n = take_word(&p, end, &word);
		if (named && s->form != PRESSURE && num_parse_u64(word, n, UINT64_MAX, ret))
			return true;
		if (field_value(word, n, s->form == PRESSURE ? "total" : s->word, ret))
			return true;
	}
	return false;
}

static struct cgroup_value text_value(const struct source *s, const char *text)
{
	struct cgroup_value v = {0};

	/* A group that did no I/O yet has an empty io.stat. */
	v.known = s->form == SUM;
	for (const char *p = text; *p;) {
		const char *end = strchrnul(p, '\n');
		uint64_t n;

		if (line_value(s, p, end, &n) && !__builtin_add_overflow(v.n, n, &v.n)) {
			v.known = true;
			if (s->form != SUM)
				break;
		}
		p = *end ? end + 1 : end;
	}
	v.n /= s->divide;
	return v;
}

static struct cgroup_value read_value(int dirfd, const struct source *s)
{
	scoped_buf struct buf b = BUF_INIT(FILE_MAX);
	struct err ignored = ERR_INIT;

	if (io_read_file(dirfd, s->file, &b, &ignored) < 0 || buf_addc(&b, '\0', &ignored) < 0)
		return (struct cgroup_value){0};
	return text_value(s, b.data);
}

/* What is counted in a group, and in those below it that are there. */
struct event {
	struct source with_below; /* counts what happens below as well; no file: nothing does */
	struct source own;        /* counts what happens in the group itself */
};

static const struct event oom_kill = {
	{0, "memory.events", AFTER, "oom_kill", 1},     /* v2 */
	{0, "memory.oom_control", AFTER, "oom_kill", 1} /* v1 */
};
/* runc has a group below with the limit, in which the refusal counts (v1, and v2 before 6.11). */
static const struct event pids_refused = {{0}, {0, "pids.events", AFTER, "max", 1}};

static void add_events(const struct event *ev, int dirfd, unsigned depth, struct cgroup_value *sum);

/* Open a directory stream of its own for DIRFD. */
static DIR *list_directory(int dirfd)
{
	const int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	return d;
}

static void add_events_below(const struct event *ev, int dirfd, unsigned depth,
			     struct cgroup_value *sum)
{
	scoped_dir DIR *d = list_directory(dirfd);

	for (const struct dirent *de; d && (de = readdir(d));) {
		if (de->d_type != DT_DIR || str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
			continue;
		scoped_fd int sub =
			openat(dirfd, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			add_events(ev, sub, depth, sum);
	}
}

static void add_events(const struct event *ev, int dirfd, unsigned depth, struct cgroup_value *sum)
{
	struct cgroup_value v = {0};

	if (ev->with_below.file)
		v = read_value(dirfd, &ev->with_below);
	const bool own = !v.known;
	if (own)
		v = read_value(dirfd, &ev->own);
	sum->n += v.n;
	sum->known = sum->known || v.known;
	if (own && v.known && depth > 0)
		add_events_below(ev, dirfd, depth - 1, sum);
}

/* Tell whether DIR is below another one of DIRS. */
static bool is_below_one(const char *dir, const struct strv *dirs)
{
	for (size_t i = 0; i < dirs->n; i++)
		if (str_starts(dir, dirs->items[i]) && dir[strlen(dirs->items[i])] == '/')
			return true;
	return false;
}

static struct cgroup_value count_events(const struct event *ev, const struct strv *dirs)
{
	struct cgroup_value sum = {0};

	for (size_t i = 0; i < dirs->n; i++) {
		if (is_below_one(dirs->items[i], dirs))
			continue;
		scoped_fd int fd = open(dirs->items[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			add_events(ev, fd, DEPTH_MAX, &sum);
	}
	return sum;
}

struct cgroup_value cgroup_oom_kills(const struct strv *dirs)
{
	return count_events(&oom_kill, dirs);
}

static_assert(ARRAY_SIZE(sources) <= 32, "there are more sources than bits");

/*
 * Return the set of sources, as bits, whose file is in the group's directory DIRFD. One look at a
 * directory costs less than to try all files: with v1 each of several has a few of them.
 */
static uint32_t sources_in(int dirfd)
{
	scoped_dir DIR *d = list_directory(dirfd);
	uint32_t set = 0;

	for (const struct dirent *de; d && (de = readdir(d));)
		for (size_t k = 0; k < ARRAY_SIZE(sources); k++)
			if (str_eq(de->d_name, sources[k].file))
				set |= 1u << k;
	return set;
}

void cgroup_usage_read(const struct strv *dirs, struct cgroup_usage *ret)
{
	*ret = (struct cgroup_usage){0};
	for (size_t i = 0; i < dirs->n; i++) {
		scoped_fd int fd = open(dirs->items[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		const uint32_t there = fd < 0 ? 0 : sources_in(fd);

		for (size_t k = 0; k < ARRAY_SIZE(sources); k++) {
			struct cgroup_value *v = (void *)((char *)ret + sources[k].offset);

			if (there & 1u << k && !v->known)
				*v = read_value(fd, &sources[k]);
		}
	}
	ret->oom_kills = cgroup_oom_kills(dirs);
	ret->pids_refused = count_events(&pids_refused, dirs);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What earlier builds needed. It is derived from the journal, not kept in a database of its own:
 * so there is one file to look at, to bound, to copy to another machine and to remove, and nothing
 * that could disagree with it. The price is to read its end before a build whose memory is to be
 * known, so only so much of it is read as takes a few milliseconds; and of that only lines in which
 * the name occurs are parsed.
 */
#include "hook/report/journal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Of the journal's end, about five thousand builds. */
#define LEARNED_BYTES (4u << 20)

struct search {
	const char *group, *system;
	const struct strv *outputs;
	uint64_t peaks[LEARNED_BUILDS]; /* of the last ones; UNKNOWN: not measured */
	uint64_t n;
	uint64_t last_us;
	uint64_t last_max, last_peak; /* of the last one that succeeded */
};

static bool same_outputs(const struct strv *a, const struct strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!str_eq(a->items[i], b->items[i]))
			return false;
	return true;
}

static bool is_wanted(const struct search *s, const struct report *r)
{
	size_t len;
	const char *group = report_group(r, &len);

	if (len != strlen(s->group) || memcmp(group, s->group, len) != 0)
		return false;
	if (s->system && !(r->text[REPORT_SYSTEM] && str_eq(r->text[REPORT_SYSTEM], s->system)))
		return false;
	return !s->outputs || same_outputs(s->outputs, &r->outputs);
}

static void forget_all(struct search *s)
{
	s->n = 0;
	s->last_max = s->last_peak = REPORT_UNKNOWN;
}

static void look_at(struct search *s, const struct report *r)
{
	const char *forget = r->text[REPORT_FORGET];

	if (forget) {
		if (str_eq(forget, s->group))
			forget_all(s);
		return;
	}
	if (!is_wanted(s, r) || r->end == REPORT_STOPPED || r->end == REPORT_ERROR)
		return;
	s->peaks[s->n++ % LEARNED_BUILDS] = r->n[REPORT_MEMORY_PEAK_BYTES];
	s->last_us = r->n[REPORT_START_US];
	if (r->end == REPORT_SUCCESS) {
		s->last_max = r->n[REPORT_MEMORY_MAX_BYTES];
		s->last_peak = r->n[REPORT_MEMORY_PEAK_BYTES];
	}
}

/* All whole lines of TEXT that may be of the group. */
static void search_text(struct search *s, const char *text, size_t n)
{
	const size_t len = strlen(s->group);
	const char *end = text + n;

	while (text < end) {
		const char *hit = memmem(text, (size_t)(end - text), s->group, len);
		if (!hit)
			return;
		const char *before = memrchr(text, '\n', (size_t)(hit - text));
		const char *line = before ? before + 1 : text;
		const char *lf = memchr(hit, '\n', (size_t)(end - hit));
		scoped_report struct report r = REPORT_INIT;
		struct err ignored = ERR_INIT;

		if (!lf)
			return;
		report_init(&r);
		if (report_parse(line, (size_t)(lf - line), &r, &ignored) == 0)
			look_at(s, &r);
		text = lf + 1;
	}
}

/* Put the last MAX bytes of PATH into B, which is empty. A file that is not there has none. */
static int read_end(const char *path, size_t max, struct buf *b, struct err *e)
{
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : err_sys(e, "opening the journal '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "getting status of '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_SYSTEM, "the journal '%s' is not a regular file", path);
	if ((uint64_t)st.st_size > max && lseek(fd, st.st_size - (off_t)max, SEEK_SET) < 0)
		return err_sys(e, "reading '%s'", path);
	if ((uint64_t)st.st_size < max)
		max = (size_t)st.st_size;
	if (buf_reserve(b, max, e) < 0)
		return -1;
	const ssize_t n = io_read(fd, b->data, max, path, e);
	if (n < 0)
		return -1;
	b->len = (size_t)n;
	b->data[b->len] = '\0';
	return 0;
}

static void search_file(struct search *s, const char *path, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(LEARNED_BYTES);

	if (read_end(path, LEARNED_BYTES, &b, e) == 0 && b.len)
		search_text(s, b.data, b.len);
}

int journal_learned(const char *path, const char *group, const char *system,
		    const struct strv *outputs, struct learned *ret, struct err *e)
{
	struct search s = {.group = group,
			   .system = system,
			   .outputs = outputs,
			   .last_max = REPORT_UNKNOWN,
			   .last_peak = REPORT_UNKNOWN};
	scoped_free char *old = str_fmt(e, "%s" JOURNAL_OLD_SUFFIX, path);

	*ret = (struct learned){0, REPORT_UNKNOWN, REPORT_UNKNOWN, REPORT_UNKNOWN, REPORT_UNKNOWN};
	if (!old)
		return -1;
	if (!*group)
		return 0;
	search_file(&s, old, e);
	if (!err_is_set(e))
		search_file(&s, path, e);
	if (err_is_set(e))
		return -1;
	ret->builds = s.n < LEARNED_BUILDS ? s.n : LEARNED_BUILDS;
	for (size_t i = 0; i < ret->builds; i++)
		if (s.peaks[i] != REPORT_UNKNOWN &&
		    (ret->peak_bytes == REPORT_UNKNOWN || s.peaks[i] > ret->peak_bytes))
			ret->peak_bytes = s.peaks[i];
	if (s.n)
		ret->last_us = s.last_us;
	ret->last_max_bytes = s.last_max;
	ret->last_peak_bytes = s.last_peak;
	return 0;
}

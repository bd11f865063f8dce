/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/report/stats.h"

#include <stdlib.h>
#include <string.h>

#include "hook/report/human.h"
#include "nar/base/scope.h"
#include "specgen/json.h"

#include "nar/base/banned.h"

/* Below that a chart says nothing. */
#define CHART_MIN 10
#define CHART_MAX 60

/* A build, by what tables need of it. */
struct item {
	const struct report *r;
	const char *group;
	size_t group_len;
	uint64_t us, memory; /* UNKNOWN: not known */
	bool at_least;       /* the memory is that of the largest process alone */
};

struct group {
	const char *name;
	size_t name_len, builds, failed;
	uint64_t total_us;
	uint64_t median_us, worst_us, median_memory, worst_memory;
	bool at_least;
};

static struct item *items_of(const struct rows *rows, struct err *e)
{
	struct item *items = mem_new(rows->n + 1, sizeof *items, e);

	for (size_t i = 0; items && i < rows->n; i++) {
		struct item *it = &items[i];

		it->r = &rows->items[i];
		it->group = report_group(it->r, &it->group_len);
		it->us = row_work_us(it->r);
		it->memory = row_memory(it->r, &it->at_least);
	}
	return items;
}

static int by_number(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* ---- a line for each package ---- */

static int compare_groups_of_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	const size_t n = x->group_len < y->group_len ? x->group_len : y->group_len;
	const int rc = memcmp(x->group, y->group, n);

	return rc ? rc : by_number(x->group_len, y->group_len);
}

static int compare_u64(const void *a, const void *b)
{
	return by_number(*(const uint64_t *)a, *(const uint64_t *)b);
}

/* Sort what is known of the N VALUES: the middle one (of two the higher) and the highest. */
static void summarise(uint64_t *values, size_t n, uint64_t *ret_median, uint64_t *ret_worst)
{
	size_t known = 0;

	for (size_t i = 0; i < n; i++)
		if (values[i] != REPORT_UNKNOWN)
			values[known++] = values[i];
	qsort(values, known, sizeof *values, compare_u64);
	*ret_median = known ? values[known / 2] : REPORT_UNKNOWN;
	*ret_worst = known ? values[known - 1] : REPORT_UNKNOWN;
}

/* The N items of one group; VALUES has room for N numbers. */
static struct group group_of(const struct item *items, size_t n, uint64_t *values)
{
	struct group g = {.name = items->group, .name_len = items->group_len, .builds = n};

	for (size_t i = 0; i < n; i++) {
		values[i] = items[i].us;
		g.failed += report_failed(items[i].r->end);
		g.total_us += items[i].us != REPORT_UNKNOWN ? items[i].us : 0;
		g.at_least = g.at_least || (items[i].at_least && items[i].memory != REPORT_UNKNOWN);
	}
	summarise(values, n, &g.median_us, &g.worst_us);
	for (size_t i = 0; i < n; i++)
		values[i] = items[i].memory;
	summarise(values, n, &g.median_memory, &g.worst_memory);
	return g;
}

static int compare_totals(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return by_number(y->total_us, x->total_us);
}

/* The groups of N sorted items, into RET, which has room for N. Returns how many. */
static size_t find_groups(const struct item *items, size_t n, struct group *ret, uint64_t *values)
{
	size_t groups = 0;

	for (size_t at = 0, end; at < n; at = end) {
		for (end = at + 1; end < n; end++)
			if (compare_groups_of_items(&items[at], &items[end]) != 0)
				break;
		ret[groups++] = group_of(items + at, end - at, values);
	}
	qsort(ret, groups, sizeof *ret, compare_totals);
	return groups;
}

/* ---- text ---- */

static const char *time_or_none(uint64_t us, char ret[static HUMAN_MAX])
{
	return us == REPORT_UNKNOWN ? "-" : human_time(us, ret);
}

/* ">2.0 GiB": at least that much. */
static int add_memory(struct buf *b, uint64_t n, bool at_least, struct err *e)
{
	char text[HUMAN_MAX], sign[HUMAN_MAX + 1];

	if (n == REPORT_UNKNOWN)
		return buf_addf(b, e, " %10s", "-");
	snprintf(sign, sizeof sign, "%s%s", at_least ? ">" : "", human_bytes(n, text));
	return buf_addf(b, e, " %10s", sign);
}

/* A bar for N of MOST, in what is left of the line after COLUMNS. */
static int add_bar(struct buf *b, uint64_t n, uint64_t most, unsigned columns,
		   const struct stats_form *f, struct err *e)
{
	unsigned room = f->width > columns + 2 ? f->width - columns - 2 : 0;

	if (room > CHART_MAX)
		room = CHART_MAX;
	if (room >= CHART_MIN && n != REPORT_UNKNOWN && most && buf_addc(b, ' ', e) < 0)
		return -1;
	if (room < CHART_MIN || n == REPORT_UNKNOWN || !most)
		return buf_addc(b, '\n', e);
	/* What is there at all is seen. */
	const unsigned bars = (unsigned)((double)n / (double)most * room);
	for (unsigned i = 0; i < (bars || !n ? bars : 1); i++)
		if (buf_addc(b, '#', e) < 0)
			return -1;
	return buf_addc(b, '\n', e);
}

/* NAME in a column of its own, cut if it is too long. */
static int add_name(struct buf *b, const char *name, size_t len, unsigned width, struct err *e)
{
	size_t shown = 0, columns = 0;

	/* A character is taken for one column. */
	while (shown < len && columns < width) {
		shown += utf8_len(name + shown, len - shown);
		columns++;
	}
	return buf_addf(b, e, "%.*s%*s", (int)shown, name, (int)(width - columns), "");
}

#define NAME_WIDTH 28

static int group_line(const struct group *g, uint64_t most, const struct stats_form *f,
		      struct buf *b, struct err *e)
{
	char median[HUMAN_MAX], worst[HUMAN_MAX];
	const size_t start = b->len;

	if (add_name(b, g->name, g->name_len, NAME_WIDTH, e) < 0 ||
	    buf_addf(b, e, " %6zu %6zu %8s %8s", g->builds, g->failed,
		     time_or_none(g->median_us, median), time_or_none(g->worst_us, worst)) < 0 ||
	    add_memory(b, g->median_memory, g->at_least, e) < 0 ||
	    add_memory(b, g->worst_memory, g->at_least, e) < 0)
		return -1;
	return add_bar(b, g->total_us, most, (unsigned)(b->len - start), f, e);
}

static int groups_text(const struct group *g, size_t n, const struct stats_form *f, struct buf *b,
		       struct err *e)
{
	if (buf_addf(b, e, "%-*s %6s %6s %8s %8s %10s %10s%s\n", NAME_WIDTH, "PACKAGE", "BUILDS",
		     "FAILED", "MEDIAN", "WORST", "MEMORY", "WORST",
		     f->width ? "  ALL TIME" : "") < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (group_line(&g[i], g[0].total_us, f, b, e) < 0)
			return -1;
	return 0;
}

/* ---- JSON ---- */

static void known(struct jw *w, const char *key, uint64_t n)
{
	if (n != REPORT_UNKNOWN)
		jw_u64(w, key, n);
}

static int groups_json(const struct group *g, size_t n, struct buf *b, struct err *e)
{
	struct jw w = JW_INIT(b, e);

	jw_array(&w, NULL);
	for (size_t i = 0; i < n; i++) {
		scoped_free char *name = str_ndup(g[i].name, g[i].name_len, e);

		if (!name)
			return -1;
		jw_inline_object(&w, NULL);
		jw_string(&w, "package", name);
		jw_u64(&w, "builds", g[i].builds);
		jw_u64(&w, "failed", g[i].failed);
		jw_u64(&w, "total_us", g[i].total_us);
		known(&w, "median_us", g[i].median_us);
		known(&w, "worst_us", g[i].worst_us);
		known(&w, "median_memory_bytes", g[i].median_memory);
		known(&w, "worst_memory_bytes", g[i].worst_memory);
		if (g[i].worst_memory != REPORT_UNKNOWN)
			jw_bool(&w, "memory_at_least", g[i].at_least);
		jw_end(&w);
	}
	jw_end(&w);
	return jw_done(&w);
}

int stats_groups(const struct rows *rows, const struct stats_form *form, struct buf *b,
		 struct err *e)
{
	scoped_free struct item *items = items_of(rows, e);
	scoped_free struct group *groups = NULL;
	scoped_free uint64_t *values = NULL;

	if (!items)
		return -1;
	groups = mem_new(rows->n + 1, sizeof *groups, e);
	values = groups ? mem_new(rows->n + 1, sizeof *values, e) : NULL;
	if (!values)
		return -1;
	qsort(items, rows->n, sizeof *items, compare_groups_of_items);
	size_t n = find_groups(items, rows->n, groups, values);
	if (form->most && n > form->most)
		n = form->most;
	return form->json ? groups_json(groups, n, b, e) : groups_text(groups, n, form, b, e);
}

/* ---- a line for each build ---- */

/* Unknown comes last. */
static int by_most(uint64_t a, uint64_t b)
{
	return by_number(b + 1, a + 1);
}

static int compare_us(const void *a, const void *b)
{
	return by_most(((const struct item *)a)->us, ((const struct item *)b)->us);
}

static int compare_memory(const void *a, const void *b)
{
	return by_most(((const struct item *)a)->memory, ((const struct item *)b)->memory);
}

/* The newest first. */
static int compare_starts(const void *a, const void *b)
{
	return by_number(((const struct item *)b)->r->n[REPORT_START_US],
			 ((const struct item *)a)->r->n[REPORT_START_US]);
}

static int build_line(const struct item *it, enum stats_list which, const struct item *first,
		      const struct stats_form *f, struct buf *b, struct err *e)
{
	const struct report *r = it->r;
	const char *name = r->text[REPORT_NAME] ? r->text[REPORT_NAME] : "?";
	char date[HUMAN_MAX], time[HUMAN_MAX];
	const size_t start = b->len;
	int rc;

	if (buf_addf(b, e, "%s %8s", human_date(r->n[REPORT_START_US], date),
		     time_or_none(it->us, time)) < 0 ||
	    add_memory(b, it->memory, it->at_least, e) < 0 ||
	    buf_addf(b, e, " %-8s", report_end_name(r->end)) < 0)
		return -1;
	if (which == STATS_FAILED)
		return buf_addf(b, e, " %s%s%s\n", name, r->text[REPORT_MESSAGE] ? ": " : "",
				r->text[REPORT_MESSAGE] ? r->text[REPORT_MESSAGE] : "");
	if (!f->width)
		return buf_addf(b, e, " %s\n", name);
	if (buf_addc(b, ' ', e) < 0 || add_name(b, name, strlen(name), NAME_WIDTH, e) < 0)
		return -1;
	const unsigned columns = (unsigned)(b->len - start);
	rc = which == STATS_SLOWEST ? add_bar(b, it->us, first->us, columns, f, e)
				    : add_bar(b, it->memory, first->memory, columns, f, e);
	return rc;
}

static int builds_text(const struct item *items, size_t n, enum stats_list which,
		       const struct stats_form *f, struct buf *b, struct err *e)
{
	if (buf_addf(b, e, "%-19s %8s %10s %-8s %s\n", "START", "TIME", "MEMORY", "END",
		     "DERIVATION") < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (build_line(&items[i], which, items, f, b, e) < 0)
			return -1;
	return 0;
}

static int builds_json(const struct item *items, size_t n, struct buf *b, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (buf_adds(b, i ? "," : "[", e) < 0 || report_print(items[i].r, b, e) < 0)
			return -1;
	}
	return buf_adds(b, n ? "]\n" : "[]\n", e);
}

int stats_builds(const struct rows *rows, enum stats_list which, const struct stats_form *form,
		 struct buf *b, struct err *e)
{
	static int (*const orders[])(const void *, const void *) = {
		[STATS_SLOWEST] = compare_us,
		[STATS_HUNGRIEST] = compare_memory,
		[STATS_FAILED] = compare_starts,
	};
	scoped_free struct item *items = items_of(rows, e);
	size_t n = rows->n;

	if (!items)
		return -1;
	if (which == STATS_FAILED) {
		n = 0;
		for (size_t i = 0; i < rows->n; i++)
			if (report_failed(items[i].r->end))
				items[n++] = items[i];
	}
	qsort(items, n, sizeof *items, orders[which]);
	if (form->most && n > form->most)
		n = form->most;
	return form->json ? builds_json(items, n, b, e) : builds_text(items, n, which, form, b, e);
}

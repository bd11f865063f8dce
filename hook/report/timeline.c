/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/report/timeline.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hook/report/human.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Pixels. */
#define LEFT 90
#define RIGHT 20
#define PLOT 1090 /* width of what time is drawn on */
#define TOP 62
#define LANE 22
#define BAR 18
#define CHART 90 /* height of each of the two charts below the slots */
#define GAP 34
#define LETTER 6.3 /* width of one, about */
/* More builds at the same time are drawn over each other. */
#define LANES_MAX 512

/* A build in the picture; times from its start on, in microseconds. */
struct bar {
	const struct report *r;
	uint64_t asked, began, ended;
	unsigned lane;
};

/* Something that goes up at one time and down at another. */
struct step {
	uint64_t at;
	int64_t by;
};

struct picture {
	struct buf *b;
	struct err *e;
	struct bar *bars; /* by when they began */
	size_t n;
	unsigned lanes;
	uint64_t from, to; /* since 1970 */
};

/* ---- where things are ---- */

static double x_of(const struct picture *p, uint64_t us)
{
	return LEFT + (double)(us - p->from) / (double)(p->to - p->from) * PLOT;
}

static unsigned lanes_end(const struct picture *p)
{
	return TOP + p->lanes * LANE;
}

static int compare_bars(const void *a, const void *b)
{
	const struct bar *x = a, *y = b;

	return x->began != y->began ? (x->began > y->began) - (x->began < y->began)
				    : (x->ended > y->ended) - (x->ended < y->ended);
}

/*
 * Give each bar the line of its slot, or, where that has another bar at the time (of another
 * state-dir, say) or no slot is known, the first that is free.
 */
static int choose_lanes(struct picture *p, struct err *e)
{
	scoped_free uint64_t *free_at = mem_new(LANES_MAX, sizeof *free_at, e);

	if (!free_at)
		return -1;
	for (size_t i = 0; i < p->n; i++) {
		struct bar *bar = &p->bars[i];
		const uint64_t slot = bar->r->n[REPORT_SLOT];
		unsigned lane = slot < LANES_MAX ? (unsigned)slot : 0;

		if (free_at[lane] > bar->began)
			for (lane = 0; lane + 1 < LANES_MAX && free_at[lane] > bar->began;)
				lane++;
		bar->lane = lane;
		free_at[lane] = bar->ended;
		if (lane >= p->lanes)
			p->lanes = lane + 1;
	}
	return 0;
}

static int lay_out(struct picture *p, const struct rows *rows, struct err *e)
{
	p->bars = mem_new(rows->n + 1, sizeof *p->bars, e);
	if (!p->bars)
		return -1;
	p->from = UINT64_MAX;
	for (size_t i = 0; i < rows->n; i++) {
		const struct report *r = &rows->items[i];
		const uint64_t start = r->n[REPORT_START_US];
		struct bar bar = {.r = r, .asked = start};

		if (!report_knows(r, REPORT_WALL_US))
			continue;
		bar.ended = start + r->n[REPORT_WALL_US];
		bar.began = bar.ended - row_work_us(r);
		p->from = start < p->from ? start : p->from;
		p->to = bar.ended > p->to ? bar.ended : p->to;
		p->bars[p->n++] = bar;
	}
	if (!p->n)
		return err_set(e, ERR_INPUT, "there are no builds in that time");
	if (p->to == p->from)
		p->to++;
	qsort(p->bars, p->n, sizeof *p->bars, compare_bars);
	return choose_lanes(p, e);
}

/* ---- words ---- */

/* S as XML. What XML 1.0 has no place for becomes '?': control bytes, U+FFFE and U+FFFF. */
static int add_text(struct buf *b, const char *s, size_t len, struct err *e)
{
	for (size_t i = 0, n; i < len; i += n) {
		const unsigned char c = (unsigned char)s[i];
		int rc;

		n = utf8_len(s + i, len - i);
		if (n == 0 || c < 0x20 ||
		    (n == 3 && memcmp(s + i, "\xef\xbf", 2) == 0 &&
		     (unsigned char)s[i + 2] >= 0xbe))
			rc = buf_addc(b, '?', e);
		else if (c == '&')
			rc = buf_adds(b, "&amp;", e);
		else if (c == '<')
			rc = buf_adds(b, "&lt;", e);
		else if (c == '>')
			rc = buf_adds(b, "&gt;", e);
		else
			rc = buf_add(b, s + i, n, e);
		if (rc < 0)
			return -1;
		n = n ? n : 1;
	}
	return 0;
}

/* As much of the name S as WIDTH pixels have room for. */
static int add_fitting(struct buf *b, const char *s, double width, struct err *e)
{
	const size_t room = width < LETTER * 3 ? 0 : (size_t)(width / LETTER);
	size_t len = 0, letters = 0;

	while (s[len] && letters < room) {
		len += utf8_len(s + len, strlen(s + len));
		letters++;
	}
	if (!s[len])
		return add_text(b, s, len, e);
	/* The dots take the place of the last letters. */
	for (size_t drop = 0; drop < 2 && len > 0; drop++)
		do
			len--;
		while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80);
	return len ? add_text(b, s, len, e) < 0 ? -1 : buf_adds(b, "\xe2\x80\xa6", e) : 0;
}

static const char *name_of(const struct report *r)
{
	return r->text[REPORT_NAME] ? r->text[REPORT_NAME] : "?";
}

/* ---- drawing ---- */

static int draw_head(const struct picture *p)
{
	const unsigned height = lanes_end(p) + 2 * (GAP + CHART) + 20;
	const unsigned width = LEFT + PLOT + RIGHT;
	char from[HUMAN_MAX], to[HUMAN_MAX];

	return buf_addf(
		p->b, p->e,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
		"viewBox=\"0 0 %u %u\" font-family=\"sans-serif\" font-size=\"11\">\n"
		"<style>.ok{fill:#4f9d69}.ok2{fill:#6cb486}.bad{fill:#c8553d}"
		".stop{fill:#9a9a9a}.wait{fill:#e0b450}.mem{fill:#6f8fc0}.grid{stroke:#dddddd}"
		".dim{fill:#666666}.in{fill:#ffffff}</style>\n"
		"<rect width=\"%u\" height=\"%u\" fill=\"#ffffff\"/>\n"
		"<text x=\"%d\" y=\"20\" font-size=\"14\">%zu builds, %s to %s</text>\n",
		width, height, width, height, width, height, LEFT, p->n, human_date(p->from, from),
		human_date(p->to, to));
}

static int draw_legend(const struct picture *p)
{
	static const struct {
		const char *class, *text;
	} keys[] = {{"ok", "success"}, {"bad", "failure"}, {"stop", "stopped"}};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const unsigned x = LEFT + PLOT - 240 + (unsigned)i * 85;

		if (buf_addf(p->b, p->e,
			     "<rect class=\"%s\" x=\"%u\" y=\"11\" width=\"11\" height=\"11\"/>"
			     "<text x=\"%u\" y=\"20\">%s</text>\n",
			     keys[i].class, x, x + 16, keys[i].text) < 0)
			return -1;
	}
	return 0;
}

/* A round length of which about ten are in the whole. */
static uint64_t tick_us(uint64_t span_us)
{
	static const uint64_t seconds[] = {1,   2,    5,    10,   15,    30,    60,    120,   300,
					   600, 1800, 3600, 7200, 21600, 43200, 86400, 604800};
	uint64_t us = 1000;

	/* 1, 2 and 5 milliseconds, hundredths, tenths. */
	for (unsigned i = 0; us < 1000000; i++) {
		if (span_us / us <= 12)
			return us;
		us = i % 3 == 1 ? us / 2 * 5 : us * 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(seconds); i++)
		if (span_us / (seconds[i] * 1000000) <= 12)
			return seconds[i] * 1000000;
	return span_us / 10;
}

static int draw_grid(const struct picture *p)
{
	const uint64_t span = p->to - p->from, tick = tick_us(span);
	const unsigned bottom = lanes_end(p) + 2 * (GAP + CHART);

	for (uint64_t i = 0; i <= span / tick; i++) {
		const uint64_t at = i * tick;
		const double x = x_of(p, p->from + at);
		char text[HUMAN_MAX];

		if (tick < 10000)
			snprintf(text, sizeof text, "%.0fms", (double)at / 1000);
		else if (tick < 1000000)
			snprintf(text, sizeof text, "%.2fs", (double)at / 1e6);
		else if (span < 120000000)
			snprintf(text, sizeof text, "%llus", (unsigned long long)(at / 1000000));
		else
			snprintf(text, sizeof text, "%llu:%02llu:%02llu",
				 (unsigned long long)(at / 3600000000),
				 (unsigned long long)(at / 60000000 % 60),
				 (unsigned long long)(at / 1000000 % 60));
		if (buf_addf(p->b, p->e,
			     "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%u\"/>"
			     "<text class=\"dim\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s"
			     "</text>\n",
			     x, TOP - 8, x, bottom, x, TOP - 14, text) < 0)
			return -1;
	}
	return 0;
}

static int draw_lane_names(const struct picture *p)
{
	for (unsigned i = 0; i < p->lanes; i++)
		if (buf_addf(p->b, p->e,
			     "<text class=\"dim\" x=\"%d\" y=\"%u\" text-anchor=\"end\">slot %u"
			     "</text>\n",
			     LEFT - 8, TOP + i * LANE + 13, i) < 0)
			return -1;
	return 0;
}

/* What the pointer is told of a build. */
static int draw_title(const struct picture *p, const struct bar *bar)
{
	char time[HUMAN_MAX], waited[HUMAN_MAX], memory[HUMAN_MAX] = "";
	bool at_least;
	const uint64_t bytes = row_memory(bar->r, &at_least);

	if (buf_adds(p->b, "<title>", p->e) < 0 ||
	    add_text(p->b, name_of(bar->r), strlen(name_of(bar->r)), p->e) < 0 ||
	    buf_addf(p->b, p->e, ": %s, %s, waited %s", report_end_name(bar->r->end),
		     human_time(bar->ended - bar->began, time),
		     human_time(bar->began - bar->asked, waited)) < 0)
		return -1;
	if (bytes != REPORT_UNKNOWN &&
	    buf_addf(p->b, p->e, ", %s %s", at_least ? "largest process" : "peak memory",
		     human_bytes(bytes, memory)) < 0)
		return -1;
	return buf_adds(p->b, "</title>", p->e);
}

static const char *class_of(const struct bar *bar, size_t i)
{
	if (bar->r->end == REPORT_SUCCESS)
		return i % 2 ? "ok2" : "ok";
	return report_failed(bar->r->end) ? "bad" : "stop";
}

static int draw_bars(const struct picture *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct bar *bar = &p->bars[i];
		const double x = x_of(p, bar->began), width = x_of(p, bar->ended) - x;
		const unsigned y = TOP + bar->lane * LANE;

		if (buf_addf(p->b, p->e,
			     "<g><rect class=\"%s\" x=\"%.2f\" y=\"%u\" width=\"%.2f\" "
			     "height=\"%d\" rx=\"2\"/>",
			     class_of(bar, i), x, y, width < 1 ? 1 : width, BAR) < 0 ||
		    draw_title(p, bar) < 0 ||
		    buf_addf(p->b, p->e, "<text class=\"in\" x=\"%.2f\" y=\"%u\">", x + 4, y + 13) <
			    0 ||
		    add_fitting(p->b, name_of(bar->r), width - 8, p->e) < 0 ||
		    buf_adds(p->b, "</text></g>\n", p->e) < 0)
			return -1;
	}
	return 0;
}

/* ---- charts of sums over time ---- */

static int compare_steps(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (x->at != y->at)
		return (x->at > y->at) - (x->at < y->at);
	return (x->by > y->by) - (x->by < y->by); /* down first: no peak where two meet */
}

static int64_t highest(const struct step *steps, size_t n)
{
	int64_t now = 0, most = 0;

	for (size_t i = 0; i < n; i++) {
		now += steps[i].by;
		most = now > most ? now : most;
	}
	return most;
}

/* The sum of N sorted steps, as an area that is CHART high at MOST and stands on Y. */
static int draw_area(const struct picture *p, const struct step *steps, size_t n, int64_t most,
		     unsigned y, const char *class)
{
	int64_t now = 0;

	if (buf_addf(p->b, p->e, "<path class=\"%s\" d=\"M%d %u", class, LEFT, y) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		now += steps[i].by;
		if (i + 1 < n && steps[i + 1].at == steps[i].at)
			continue;
		if (buf_addf(p->b, p->e, "H%.2fV%.2f", x_of(p, steps[i].at),
			     y - (double)now / (double)most * CHART) < 0)
			return -1;
	}
	return buf_addf(p->b, p->e, "H%dV%uZ\"/>\n", LEFT + PLOT, y);
}

/* A chart whose bottom is Y, called TITLE; MOST is also written as TEXT. */
static int draw_chart(const struct picture *p, struct step *steps, size_t n, unsigned y,
		      const char *title, const char *class, bool bytes)
{
	char text[HUMAN_MAX];

	qsort(steps, n, sizeof *steps, compare_steps);
	const int64_t most = highest(steps, n);
	if (bytes)
		human_bytes((uint64_t)most, text);
	else
		snprintf(text, sizeof text, "%lld", (long long)most);
	if (buf_addf(p->b, p->e,
		     "<text x=\"%d\" y=\"%u\">%s</text>"
		     "<line stroke=\"#999999\" x1=\"%d\" y1=\"%u\" x2=\"%d\" y2=\"%u\"/>"
		     "<text class=\"dim\" x=\"%d\" y=\"%u\" text-anchor=\"end\">%s</text>"
		     "<text class=\"dim\" x=\"%d\" y=\"%u\" text-anchor=\"end\">0</text>\n",
		     LEFT, y - CHART - 8, title, LEFT, y, LEFT + PLOT, y, LEFT - 8, y - CHART + 8,
		     most ? text : "", LEFT - 8, y) < 0)
		return -1;
	return most ? draw_area(p, steps, n, most, y, class) : 0;
}

static int draw_charts(const struct picture *p)
{
	scoped_free struct step *steps = mem_new(2 * p->n, sizeof *steps, p->e);
	unsigned y = lanes_end(p) + GAP + CHART;
	size_t n = 0;

	if (!steps)
		return -1;
	for (size_t i = 0; i < p->n; i++) {
		steps[n++] = (struct step){p->bars[i].asked, 1};
		steps[n++] = (struct step){p->bars[i].began, -1};
	}
	if (draw_chart(p, steps, n, y, "waiting builds", "wait", false) < 0)
		return -1;
	n = 0;
	for (size_t i = 0; i < p->n; i++) {
		bool at_least;
		const uint64_t bytes = row_memory(p->bars[i].r, &at_least);

		/* Sums of more than that are no machine's. */
		if (bytes > INT64_MAX / ROWS_MAX)
			continue;
		steps[n++] = (struct step){p->bars[i].began, (int64_t)bytes};
		steps[n++] = (struct step){p->bars[i].ended, -(int64_t)bytes};
	}
	y += GAP + CHART;
	return draw_chart(p, steps, n, y, "memory of the running builds together, by their peaks",
			  "mem", true);
}

int timeline_svg(const struct rows *rows, struct buf *b, struct err *e)
{
	struct picture p = {.b = b, .e = e};
	int rc = lay_out(&p, rows, e);

	if (rc == 0 && (draw_head(&p) < 0 || draw_legend(&p) < 0 || draw_grid(&p) < 0 ||
			draw_lane_names(&p) < 0 || draw_bars(&p) < 0 || draw_charts(&p) < 0 ||
			buf_adds(b, "</svg>\n", e) < 0))
		rc = -1;
	free(p.bars);
	return rc;
}

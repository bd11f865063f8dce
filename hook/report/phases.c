/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/report/phases.h"

#include <string.h>

#include "hook/json/jdoc.h"
#include "nar/base/clock.h"

#include "nar/base/banned.h"

#define PREFIX "@nix "

void phases_init(struct phases *p, struct report *r)
{
	*p = (struct phases){.report = r};
}

static void end_phase(struct phases *p, uint64_t now_us)
{
	struct err ignored = ERR_INIT;

	/* Without memory for it the report lacks a phase. */
	if (p->name[0] && report_add_phase(p->report, p->name, now_us - p->since_us, &ignored) < 0)
		err_clear(&ignored);
	p->name[0] = '\0';
	p->since_us = now_us;
}

static void take_line(struct phases *p)
{
	scoped_jdoc struct jdoc doc = JDOC_INIT;
	struct err no_json = ERR_INIT;
	const size_t at = sizeof PREFIX - 1;

	if (p->n < at || memcmp(p->line, PREFIX, at) != 0 ||
	    jdoc_parse(p->line + at, p->n - at, &doc, &no_json) < 0)
		return;
	const char *action = jdoc_text(jdoc_get(&doc, "action"));
	const char *phase = jdoc_text(jdoc_get(&doc, "phase"));
	if (!action || !phase || !str_eq(action, "setPhase"))
		return;
	end_phase(p, clock_now_us());
	if (strlen(phase) < sizeof p->name)
		memcpy(p->name, phase, strlen(phase) + 1);
}

/* Take of the N bytes at DATA what belongs to the line that is collected; returns how many. */
static size_t collect(struct phases *p, const char *data, size_t n)
{
	const char *lf = memchr(data, '\n', n);
	const size_t len = lf ? (size_t)(lf - data) : n;

	if (len > sizeof p->line - p->n) {
		p->collecting = false;
	} else {
		memcpy(p->line + p->n, data, len);
		p->n += len;
	}
	if (!lf)
		return len;
	if (p->collecting)
		take_line(p);
	p->collecting = false;
	return len + 1;
}

/* Begin to collect at the next '@' that begins a line; returns how many bytes come before. */
static size_t look(struct phases *p, const char *start, const char *data, size_t n, bool inside)
{
	const char *end = data + n;

	for (const char *at = data; (at = memchr(at, '@', (size_t)(end - at))); at++) {
		if (at == start ? !inside : at[-1] == '\n') {
			p->collecting = true;
			p->n = 0;
			return (size_t)(at - data);
		}
	}
	return n;
}

void phases_feed(struct phases *p, const char *data, size_t n)
{
	const char *start = data, *end = data + n;
	const bool inside = p->inside;

	if (n == 0)
		return;
	p->bytes += n;
	while (data < end) {
		const size_t left = (size_t)(end - data);

		data += p->collecting ? collect(p, data, left) : look(p, start, data, left, inside);
	}
	p->inside = end[-1] != '\n';
}

void phases_end(struct phases *p)
{
	end_phase(p, clock_now_us());
}

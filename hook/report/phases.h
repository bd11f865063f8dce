/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/report/phases.h: the phases of a build, found in its log as it passes by.
 *
 * nixpkgs' stdenv writes a line `@nix { "action": "setPhase", "phase": "buildPhase" }` when a phase
 * begins; Nix shows it instead of the log's line. The search costs one memchr(3) over the log: only
 * a '@' at the beginning of a line is looked at.
 */
#ifndef HOOK_REPORT_PHASES_H
#define HOOK_REPORT_PHASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hook/report/report.h"

/* Longer lines are of no interest. */
#define PHASES_LINE_MAX 512

struct phases {
	struct report *report; /* gets the phases */
	uint64_t bytes;        /* of the log so far */
	bool inside;           /* the log's last byte is no line feed */
	bool collecting;       /* the current line began with '@', and is kept in `line` */
	size_t n;
	char line[PHASES_LINE_MAX];
	uint64_t since_us; /* when the current phase began */
	char name[REPORT_PHASE_NAME_MAX + 1];
};

void phases_init(struct phases *p, struct report *r);
/* These N bytes come next in the log. */
void phases_feed(struct phases *p, const char *data, size_t n);
/* The log is at its end: so is the last phase. */
void phases_end(struct phases *p);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/report/report.h: what one build was, what it cost and how it ended.
 *
 *	report.c      struct report, and the JSON object that it is in the journal
 *	phases.h      the phases of a build, from its log
 *	line.h        the line at the end of a build's log
 *	journal.h     the file of all reports: append, rotate, read
 *	rows.h        reports that were read, for what follows
 *	stats.h       tables of them, for people and as JSON
 *	metrics.h     counters of them, for Prometheus
 *	timeline.h    a picture of what ran when
 *
 * Whoever runs a build fills a report as it learns; what nobody learnt is unknown and does not
 * appear anywhere. Nothing is 0 because it is unknown.
 *
 *	scoped_report struct report r = REPORT_INIT;
 *	report_init(&r);
 *	r.n[REPORT_START_US] = clock_real_us();
 *	report_set_text(&r, REPORT_NAME, drv->name, e)
 *
 * The JSON form is documented in docs/journal.md. Its version is raised when a key changes its
 * meaning; new keys do not change it, and readers ignore keys that they do not know.
 */
#ifndef HOOK_REPORT_REPORT_H
#define HOOK_REPORT_REPORT_H

#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

#define REPORT_VERSION 1
/* Bytes of one report as JSON, its line feed included. */
#define REPORT_JSON_MAX (64u << 10)
/* Bytes of one of its texts. */
#define REPORT_TEXT_MAX 1024
#define REPORT_OUTPUTS_MAX 64
#define REPORT_PHASES_MAX 64
#define REPORT_PHASE_NAME_MAX 64

#define REPORT_UNKNOWN UINT64_MAX

enum report_text {
	REPORT_DERIVATION, /* full store path */
	REPORT_NAME,       /* of the derivation: "hello-2.12.1" */
	REPORT_PNAME,      /* its attributes of these names */
	REPORT_PACKAGE_VERSION,
	REPORT_SYSTEM,  /* "x86_64-linux" */
	REPORT_RUNTIME, /* "crun" */
	REPORT_MESSAGE, /* the first line of why it failed */
	REPORT_FORGET,  /* no build: what was learnt of this pname before does not count any more */
	REPORT_TEXTS,
};

enum report_number {
	REPORT_PID,     /* of the hook */
	REPORT_NIX_PID, /* of the Nix that asked for the build */
	REPORT_CLIENT_PID,
	REPORT_CLIENT_UID, /* whom the daemon serves */
	REPORT_SLOT,
	/* Times are in microseconds; START is since 1970, the others are lengths. */
	REPORT_START_US, /* when the build was accepted */
	REPORT_WALL_US,  /* from there to the end, waiting included */
	REPORT_WAIT_SLOT_US,
	REPORT_WAIT_MEMORY_US,
	REPORT_WAIT_INPUTS_US, /* for other processes that unpack the same inputs */
	REPORT_INPUTS_US,      /* to have the inputs ready */
	REPORT_CONTAINER_US,   /* from the runtime's start to the builder's */
	REPORT_BUILD_US,       /* from there (or the runtime's start) to the container's end */
	REPORT_OUTPUTS_US,     /* to check, hash and scan the outputs */
	REPORT_REGISTRATION_US,
	REPORT_CPU_USER_US,
	REPORT_CPU_SYSTEM_US,
	REPORT_MEMORY_PEAK_BYTES,  /* of all processes together, as their control group counts */
	REPORT_LARGEST_PROC_BYTES, /* resident set of the largest process, at its largest */
	REPORT_SWAP_PEAK_BYTES,
	REPORT_IO_READ_BYTES, /* from and to disks */
	REPORT_IO_WRITTEN_BYTES,
	REPORT_PRESSURE_MEMORY_US, /* how long some process waited for each */
	REPORT_PRESSURE_IO_US,
	REPORT_PRESSURE_CPU_US,
	REPORT_PIDS_PEAK,
	REPORT_INPUTS, /* paths of the input closure */
	REPORT_INPUTS_BYTES,
	REPORT_OUTPUTS_BYTES,
	REPORT_LOG_BYTES,
	/* The limits that it had; unknown: none. */
	REPORT_MEMORY_MAX_BYTES,
	REPORT_MEMORY_HIGH_BYTES,
	REPORT_SWAP_MAX_BYTES,
	REPORT_CPU_MAX_MILLI, /* thousandths of a processor */
	REPORT_PIDS_MAX,
	REPORT_EXIT_CODE, /* of the builder */
	REPORT_SIGNAL,    /* that killed it */
	REPORT_TRIES,
	REPORT_NUMBERS,
};

enum report_end {
	REPORT_SUCCESS,
	REPORT_EXITED,   /* the builder failed by its exit code */
	REPORT_SIGNALED, /* ... by a signal */
	REPORT_OOM,
	REPORT_TIMEOUT,
	REPORT_SILENCE,
	REPORT_FLOODED, /* its log was longer than it may be */
	REPORT_REFUSED, /* the builder did well, but its outputs are not accepted */
	REPORT_STOPPED, /* nobody wanted it any more */
	REPORT_ERROR,   /* nothing that the build has done */
	REPORT_ENDS,
};

struct report_phase {
	char *name;
	uint64_t us;
};

struct report {
	char *text[REPORT_TEXTS];   /* NULL: unknown */
	uint64_t n[REPORT_NUMBERS]; /* REPORT_UNKNOWN: unknown */
	enum report_end end;
	struct strv outputs;         /* names */
	struct report_phase *phases; /* in their order */
	size_t n_phases, phases_cap;
};
#define REPORT_INIT            \
	{                      \
		.phases = NULL \
	}

/* All unknown; the end is REPORT_ERROR until somebody knows better. */
void report_init(struct report *r);
void report_done(struct report *r);
#define scoped_report __attribute__((cleanup(report_done)))

static inline bool report_knows(const struct report *r, enum report_number which)
{
	return r->n[which] != REPORT_UNKNOWN;
}
/* Add US to a length that may be unknown so far. */
static inline void report_add(struct report *r, enum report_number which, uint64_t n)
{
	r->n[which] = report_knows(r, which) ? r->n[which] + n : n;
}
/*
 * Keep a copy of S, or of as much of it as REPORT_TEXT_MAX and its first line allow. A text that is
 * not UTF-8 or has control bytes stays unknown: names come from derivations.
 */
int report_set_text(struct report *r, enum report_text which, const char *s,
		    struct err *e) MUST_CHECK;
/* Append a phase. Beyond the bounds above nothing is appended. */
int report_add_phase(struct report *r, const char *name, uint64_t us, struct err *e) MUST_CHECK;
/* By what builds of the same thing are known: the pname, else the name without its version. */
const char *report_group(const struct report *r, size_t *ret_len);
/* "success", "exit", ... */
const char *report_end_name(enum report_end end);
/* What NUMBER is called in JSON: "wall_us". */
const char *report_number_name(enum report_number number);
/* The build failed by its own fault or that of a limit. */
static inline bool report_failed(enum report_end end)
{
	return end != REPORT_SUCCESS && end != REPORT_STOPPED;
}

/* Append R as one line of JSON, with its line feed. */
int report_print(const struct report *r, struct buf *b, struct err *e) MUST_CHECK;
/*
 * Read the LEN bytes at LINE, without the line feed. Not a report: ERR_INPUT. One of another
 * version: ERR_UNSUPPORTED. RET is filled on success only.
 */
int report_parse(const char *line, size_t len, struct report *ret, struct err *e) MUST_CHECK;

#endif

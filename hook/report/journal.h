/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/report/journal.h: the file of all reports, JSON Lines, described in docs/journal.md.
 *
 * Hooks append to it at the same time. Each report is one write(2) to a descriptor with O_APPEND,
 * during which the kernel lets nobody else write to that file, so that lines do not mix. Only a
 * full disk can tear one: the next writer then begins a new line, and readers skip the torn one.
 *
 * When the file has grown to half of its bound it becomes PATH.1, in place of the one before, and
 * a new one begins. So there is always at least half of the bound to look back at.
 */
#ifndef HOOK_REPORT_JOURNAL_H
#define HOOK_REPORT_JOURNAL_H

#include <stdint.h>
#include <sys/types.h>

#include "hook/conf/conf.h"
#include "hook/report/report.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

#define JOURNAL_OLD_SUFFIX ".1"

/* NULL: the configuration wants none. */
const char *journal_path(const struct conf *c);
/*
 * Append R to the journal of C, which is created with its directory. The caller's build is over
 * already: an error costs the report and is for a warning.
 */
int journal_append(const struct conf *c, const struct report *r, struct err *e) MUST_CHECK;

/*
 * Is told of each report, the oldest first. It may take what R holds and leave R as report_init()
 * does. -1 with *E ends the reading.
 */
typedef int journal_fn(void *ctx, struct report *r, struct err *e);
/*
 * Read all that PATH and PATH.1 have; it is no error that they are not there. RET_SKIPPED (may be
 * NULL) counts lines that are no reports, are of another version, or are torn.
 */
int journal_read(const char *path, journal_fn *fn, void *ctx, uint64_t *ret_skipped,
		 struct err *e) MUST_CHECK;

/* What journal_read() consists of: bytes in, reports out, in bounded memory. */
struct journal_reader {
	journal_fn *fn;
	void *ctx;
	struct buf line; /* the beginning of one */
	bool too_long;   /* the line has no end within the bound: skip up to its end */
	uint64_t skipped;
};
#define JOURNAL_READER_INIT(fn, ctx)                             \
	{                                                        \
		(fn), (ctx), BUF_INIT(REPORT_JSON_MAX), false, 0 \
	}
int journal_reader_feed(struct journal_reader *j, const char *data, size_t n,
			struct err *e) MUST_CHECK;
/* The file is at its end. A line without a line feed is torn, or is being written. */
void journal_reader_end(struct journal_reader *j);
void journal_reader_done(struct journal_reader *j);
#define scoped_journal_reader __attribute__((cleanup(journal_reader_done)))

/* What earlier builds of the same thing needed, as far as the journal tells. */
struct learned {
	uint64_t builds;     /* that were looked at: the last ones */
	uint64_t peak_bytes; /* the highest peak of memory; REPORT_UNKNOWN: none is known */
	uint64_t last_us;    /* when the last one started */
	/* Of the last one that succeeded; REPORT_UNKNOWN: not known, or no limit. */
	uint64_t last_max_bytes, last_peak_bytes;
};
/* Builds that count for struct learned. */
#define LEARNED_BUILDS 8
/*
 * Look for builds of pname (or name without version) GROUP on SYSTEM with OUTPUTS in the newest
 * part of the journal, which is small enough to be read before each build. Nothing found is no
 * error. SYSTEM and OUTPUTS may be NULL: any.
 */
int journal_learned(const char *path, const char *group, const char *system,
		    const struct strv *outputs, struct learned *ret, struct err *e) MUST_CHECK;
/* From now on journal_learned() knows nothing of GROUP: appends a line that says so. */
int journal_forget(const struct conf *c, const char *group, struct err *e) MUST_CHECK;

#endif

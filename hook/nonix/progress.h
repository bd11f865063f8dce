/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/progress.h: show a person, on standard error, how far a build without Nix is.
 *
 * On a terminal the last line is a status line, which is written anew with each change; other lines
 * appear above it. Elsewhere there is no status line. Instead the caller logs a line for each path
 * that is copied and each derivation that is built, in Nix's words. With less verbosity (-q) there
 * is neither.
 */
#ifndef HOOK_NONIX_PROGRESS_H
#define HOOK_NONIX_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/cache/cache.h"

#define PROGRESS_LINE_MAX 1024

struct progress {
	bool live;  /* there is a status line */
	bool drawn; /* the status line is on the screen now */
	char line[PROGRESS_LINE_MAX];
};

/* Set LIVE if standard error is a terminal that can erase a line, and the log level is not low. */
void progress_init(struct progress *s);
/* Replace the status line; an empty text removes it. Does nothing if there is no status line. */
void progress_status(struct progress *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Show in the status line how many narinfos were queried, and how much was fetched. */
void progress_progress(struct progress *s, const struct cache_progress *p);
/* Print N bytes above the status line, unchanged; they should end with a whole line. */
void progress_text(struct progress *s, const char *text, size_t n);
/* Erase the status line before other code prints. The next status or text shows it again. */
void progress_clear(struct progress *s);

/* Print a size as Nix does: "12.30 MiB". RET has PROGRESS_SIZE_MAX bytes. Returns RET. */
#define PROGRESS_SIZE_MAX 32
const char *progress_size(uint64_t bytes, char *ret);

#endif

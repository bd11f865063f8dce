/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/progress.h: what a person sees while a build without Nix goes on, on standard error.
 *
 * On a terminal a last line tells how far it is, and is written anew; above it go lines that stay.
 * Elsewhere there are only these: one for each path that is copied and each derivation that is
 * built, in Nix's words. With less verbosity (-q) there are neither.
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
	bool live;  /* there is a last line */
	bool drawn; /* it can be seen */
	char line[PROGRESS_LINE_MAX];
};

/* LIVE where standard error is a terminal that can do it and somebody wants to see it. */
void progress_init(struct progress *s);
/* The last line from now on. Where there is none, nothing. */
void progress_status(struct progress *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same of what the caches are asked for and what is fetched. */
void progress_progress(struct progress *s, const struct cache_progress *p);
/* N bytes of what stays, as they are: whole lines where that can be had. */
void progress_text(struct progress *s, const char *text, size_t n);
/* Before others write: take the last line away. It comes back with the next status. */
void progress_clear(struct progress *s);

/* "12.3 MiB", as Nix has it. RET has PROGRESS_SIZE_MAX bytes. */
#define PROGRESS_SIZE_MAX 32
const char *progress_size(uint64_t bytes, char *ret);

#endif

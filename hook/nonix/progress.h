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

#define SHOW_LINE_MAX 1024

struct show {
	bool live;  /* there is a last line */
	bool drawn; /* it can be seen */
	char line[SHOW_LINE_MAX];
};

/* LIVE where standard error is a terminal that can do it and somebody wants to see it. */
void show_init(struct show *s);
/* The last line from now on. Where there is none, nothing. */
void show_status(struct show *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same of what the caches are asked for and what is fetched. */
void show_progress(struct show *s, const struct cache_progress *p);
/* N bytes of what stays, as they are: whole lines where that can be had. */
void show_text(struct show *s, const char *text, size_t n);
/* Before others write: take the last line away. It comes back with the next status. */
void show_clear(struct show *s);

/* "12.3 MiB", as Nix has it. RET has SHOW_SIZE_MAX bytes. */
#define SHOW_SIZE_MAX 32
const char *show_size(uint64_t bytes, char *ret);

#endif

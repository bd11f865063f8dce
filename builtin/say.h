/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin/say.h: print lines for Nix into the build's log.
 *
 * Nix reads a line "@nix {...}" of a log as a message or as the progress of an activity, and shows
 * it as its own. The only activities that it accepts from a build are downloads.
 */
#ifndef BUILTIN_SAY_H
#define BUILTIN_SAY_H

#include <stdint.h>

#include "nar/base/err.h"

void say_warning(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Tell that the download of URL begins, has DONE of TOTAL bytes (0: unknown), or ends. */
void say_download(const char *url);
void say_progress(uint64_t done, uint64_t total);
void say_download_end(void);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin/say.h: lines for Nix in the build's log.
 *
 * Nix takes a line "@nix {...}" of a log for a message or the progress of an activity, and shows
 * it as its own. Of a build's activities it believes in downloads only.
 */
#ifndef BUILTIN_SAY_H
#define BUILTIN_SAY_H

#include <stdint.h>

#include "nar/base/err.h"

void say_warning(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* A download of URL begins, has come to DONE of TOTAL bytes (0: not known), ends. */
void say_download(const char *url);
void say_progress(uint64_t done, uint64_t total);
void say_download_end(void);

#endif

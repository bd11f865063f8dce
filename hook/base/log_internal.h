/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/base/log_internal.h: parts of the log for its unit test. */
#ifndef HOOK_BASE_LOG_INTERNAL_H
#define HOOK_BASE_LOG_INTERNAL_H

#include "hook/base/log.h"
#include "nar/base/buf.h"

/* Append to B the line for PREFIX and MSG in FORMAT. */
int log_format_line(struct buf *b, enum log_format format, enum log_level level, const char *prefix,
		    const char *msg, struct err *e) MUST_CHECK;

#endif

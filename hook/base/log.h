/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/base/log.h: the only place that writes to standard error.
 *
 * Levels are Nix's (verbosity, the hook's last argument). To a person a message is a plain line;
 * to Nix it is a line `@nix {"action":"msg","level":N,"msg":"..."}`, which reaches the client, also
 * through a daemon. (Plain text before the hook's answer Nix writes to its own standard error, and
 * drops it after: src/libstore/build/derivation-goal.cc, handleJSONLogMessage.) Every line is one
 * write(2), so that lines of several processes do not mix (up to PIPE_BUF). Failing to log is not
 * an error: Nix may be gone. Whoever must outlive that ignores SIGPIPE.
 */
#ifndef HOOK_BASE_LOG_H
#define HOOK_BASE_LOG_H

#include "nar/base/err.h"

enum log_level {
	LOG_ERROR = 0,
	LOG_WARN,
	LOG_NOTICE,
	LOG_INFO,
	LOG_TALKATIVE,
	LOG_CHATTY,
	LOG_DEBUG,
	LOG_VOMIT,
};

enum log_format { LOG_PLAIN, LOG_NIX };

/* Before the first thread or fork; LEVEL defaults to LOG_INFO, FORMAT to LOG_PLAIN. */
void log_init(enum log_level level, enum log_format format);
void log_set_level(enum log_level level);
enum log_level log_level(void);
/* Control bytes are replaced, as in errors. LOG_WARN gets Nix's "warning: " before it. */
void log_msg(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define log_warn(...) log_msg(LOG_WARN, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)
/* The message of E at error level, with Nix's "error: " before it. */
void log_err(const struct err *e);
/* Write the message of WHY, as log_err() has it in plain text, to FD: the log of a build. */
int log_err_to(int fd, const struct err *why, struct err *e) MUST_CHECK;
/* A line that Nix's protocol wants as it is ("# accept"), written whole. */
int log_reply(const char *line, struct err *e) MUST_CHECK;

#endif

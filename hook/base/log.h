/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/base/log.h: write messages to standard error; nothing else writes there.
 *
 * Levels are Nix's (its verbosity, which is the hook's last argument). For a person a message is a
 * plain line. For Nix it is a line `@nix {"action":"msg","level":N,"msg":"..."}`, which reaches the
 * client, also through a daemon. Plain text would not: before the hook's reply Nix writes it to its
 * own standard error, and after the reply drops it (src/libstore/build/derivation-goal.cc,
 * handleJSONLogMessage).
 *
 * Every line is one write(2), so that lines of several processes do not mix (up to PIPE_BUF). It is
 * no error if a message cannot be written, because Nix may have exited. A process that must survive
 * that ignores SIGPIPE.
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

/*
 * Set level and format. Call it before the first thread or fork. Without a call they are LOG_INFO
 * and LOG_PLAIN.
 */
void log_init(enum log_level level, enum log_format format);
void log_set_level(enum log_level level);
enum log_level log_level(void);
/* Log a message. Control bytes are replaced, as in errors. LOG_WARN adds Nix's "warning: ". */
void log_msg(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define log_warn(...) log_msg(LOG_WARN, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)
/* Log the message of E at error level, after Nix's "error: ". */
void log_err(const struct err *e);
/* Write the message of WHY to FD, a build's log, as the plain text that log_err() writes. */
int log_err_to(int fd, const struct err *why, struct err *e) MUST_CHECK;
/* Write LINE, a reply of Nix's protocol ("# accept"), as it is. */
int log_reply(const char *line, struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/err.h: errors as values.
 *
 *	int thing_open(const char *path, struct err *e)
 *	{
 *		if (open(...) < 0)
 *			return err_sys(e, "opening '%s'", path);
 *		if (other_step(e) < 0)
 *			return err_wrap(e, "preparing '%s'", path);
 *
 * main() makes a struct err and passes it down as the last parameter; a thread, or a function that
 * goes on after a failure, makes its own. It owns nothing: no heap to fail, nothing to free. A
 * message says what failed, on which path and what to do next; only a caller that adds knowledge
 * wraps it. Control bytes in a message are replaced by '?', except newline and tab, because names
 * come from strangers.
 *
 * err_set, err_sys and err_wrap always return -1, so that their value can be returned. Setting an
 * error twice, or wrapping none, is a bug in this program and fails an assert.
 */
#ifndef NAR_BASE_ERR_H
#define NAR_BASE_ERR_H

#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* What to do about an error; chosen where it arises, read where the exit code is chosen. */
enum err_kind {
	ERR_NONE = 0,
	ERR_SYSTEM,      /* the machine said no; `sys` is the errno, or 0 */
	ERR_INPUT,       /* the input is wrong: a .drv, a NAR, a request, a setting */
	ERR_LIMIT,       /* larger than a limit allows */
	ERR_MEMORY,      /* out of memory */
	ERR_UNSUPPORTED, /* the input is valid, but this machine or program cannot do it */
	ERR_BUILD,       /* the build itself failed; the machine and the input are fine */
	ERR_STOPPED,     /* told to stop: by a signal, or because the process that asked exited */
};

#define ERR_MSG_MAX 4096

struct err {
	enum err_kind kind;
	int sys;
	char msg[ERR_MSG_MAX];
};

#define ERR_INIT                \
	{                       \
		ERR_NONE, 0, "" \
	}

/* Set *E to KIND with a message. Always -1. */
int err_set(struct err *e, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Set *E from errno, taken at once: "MESSAGE: strerror". ENOMEM becomes ERR_MEMORY. Always -1. */
int err_sys(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Put "MESSAGE: " before the message of *E. Always -1. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Set *E to ERR_MEMORY with a fixed text. Always -1. */
int err_memory(struct err *e);
/* Forget *E, to go on after a failure that was dealt with. */
void err_clear(struct err *e);
static inline bool err_is_set(const struct err *e)
{
	return e->kind != ERR_NONE;
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "nar/base/banned.h"

/*
 * Replace control bytes. Terminals obey them, so that a file's name could command the terminal of
 * the person who reads the message.
 */
static void clean(char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < 0x20 && *s != '\n' && *s != '\t') || *s == 0x7f)
			*s = '?';
}

static PRINTF_LIKE(2, 0) void format(struct err *e, const char *fmt, va_list ap)
{
	int n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);

	if (n < 0)
		e->msg[0] = '\0';
	clean(e->msg);
}

int err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	assert(!err_is_set(e) && kind != ERR_NONE);
	e->kind = kind;
	e->sys = 0;
	va_start(ap, fmt);
	format(e, fmt, ap);
	va_end(ap);
	return -1;
}

int err_sys(struct err *e, const char *fmt, ...)
{
	int sys = errno;
	size_t used;
	va_list ap;

	assert(!err_is_set(e));
	e->kind = sys == ENOMEM ? ERR_MEMORY : ERR_SYSTEM;
	e->sys = sys;
	va_start(ap, fmt);
	format(e, fmt, ap);
	va_end(ap);
	used = strlen(e->msg);
	snprintf(e->msg + used, sizeof e->msg - used, ": %s", strerror(sys));
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char inner[ERR_MSG_MAX];
	size_t used;
	va_list ap;

	assert(err_is_set(e));
	memcpy(inner, e->msg, sizeof inner);
	va_start(ap, fmt);
	format(e, fmt, ap);
	va_end(ap);
	used = strlen(e->msg);
	/* A chain of wraps that is too long loses its end, which is better than all of it. */
	if (used + 2 < sizeof e->msg) {
		memcpy(e->msg + used, ": ", 3);
		used += 2;
		size_t room = sizeof e->msg - used - 1;
		size_t take = strnlen(inner, room);
		memcpy(e->msg + used, inner, take);
		e->msg[used + take] = '\0';
	}
	return -1;
}

int err_memory(struct err *e)
{
	return err_set(e, ERR_MEMORY, "out of memory");
}

void err_clear(struct err *e)
{
	e->kind = ERR_NONE;
	e->sys = 0;
	e->msg[0] = '\0';
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hook/log_internal.h"
#include "nar/buf.h"
#include "nar/io.h"
#include "nar/scope.h"

#include "nar/banned.h"

/* Every byte of a message may become an escape of six, "\u001b". */
#define LOG_LINE_MAX (6 * ERR_MSG_MAX + 256)

static enum log_level max_level = LOG_INFO;
static enum log_format log_format = LOG_PLAIN;

void log_init(enum log_level level, enum log_format format)
{
	max_level = level;
	log_format = format;
}

void log_set_level(enum log_level level)
{
	max_level = level;
}

enum log_level log_level(void)
{
	return max_level;
}

/* The length of the well-formed UTF-8 sequence at P, or 0 (RFC 3629, section 4). */
static size_t utf8_len(const unsigned char *p, size_t left)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	/* Second bytes that would spell a number too long, a surrogate, or beyond U+10FFFF. */
	if (p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	if (n > left || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return n;
}

/* Append S as the inside of a JSON string. Nix drops a whole line for one byte that is no UTF-8. */
static int add_json(struct buf *b, const char *s, struct err *e)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + strlen(s);
	size_t n;
	int rc;

	for (; p < end; p += n) {
		n = utf8_len(p, (size_t)(end - p));
		if (n > 1)
			rc = buf_add(b, p, n, e);
		else if (n == 0)
			rc = buf_addc(b, '?', e);
		else if (*p == '"' || *p == '\\')
			rc = buf_addf(b, e, "\\%c", *p);
		else if (*p == '\n')
			rc = buf_adds(b, "\\n", e);
		else if (*p < 0x20)
			rc = buf_addf(b, e, "\\u%04x", *p);
		else
			rc = buf_addc(b, (char)*p, e);
		if (rc < 0)
			return -1;
		if (n == 0)
			n = 1;
	}
	return 0;
}

int log_format_line(struct buf *b, enum log_format format, enum log_level level, const char *prefix,
		    const char *msg, struct err *e)
{
	if (format == LOG_PLAIN)
		return buf_addf(b, e, "%s%s\n", prefix, msg);
	if (buf_addf(b, e, "@nix {\"action\":\"msg\",\"level\":%d,\"msg\":\"", (int)level) < 0 ||
	    add_json(b, prefix, e) < 0 || add_json(b, msg, e) < 0)
		return -1;
	return buf_adds(b, "\"}\n", e);
}

static void write_line(enum log_level level, const char *prefix, const char *msg)
{
	struct err e = ERR_INIT; /* that a message cannot be told cannot be told either */
	scoped_buf struct buf b = BUF_INIT(LOG_LINE_MAX);

	if (level > max_level)
		return;
	if (log_format_line(&b, log_format, level, prefix, msg, &e) == 0 &&
	    io_write(STDERR_FILENO, b.data, b.len, "standard error", &e) == 0)
		return;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX];
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(msg, sizeof msg, fmt, ap) < 0)
		msg[0] = '\0';
	va_end(ap);
	for (char *p = msg; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
			*p = '?';
	write_line(level, level == LOG_WARN ? "warning: " : "", msg);
	errno = saved;
}

void log_err(const struct err *e)
{
	int saved = errno;

	write_line(LOG_ERROR, "error: ", e->msg);
	errno = saved;
}

int log_reply(const char *line, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(LOG_LINE_MAX);

	if (buf_addf(&b, e, "%s\n", line) < 0)
		return -1;
	return io_write(STDERR_FILENO, b.data, b.len, "standard error", e);
}

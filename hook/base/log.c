/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hook/base/log_internal.h"
#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Every byte of a message may become an escape of six bytes, "\u001b". */
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

/* Append S as the inside of a JSON string. Nix drops a whole line if one byte is not UTF-8. */
static int add_json(struct buf *b, const char *s, struct err *e)
{
	const char *p = s, *end = s + strlen(s);
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
		else if ((unsigned char)*p < 0x20)
			rc = buf_addf(b, e, "\\u%04x", (unsigned char)*p);
		else
			rc = buf_addc(b, *p, e);
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

/*
 * Write a message when there is no memory for its line. A person gets it in several writes, Nix is
 * told only that memory has run out.
 */
static int write_without_memory(const char *prefix, const char *msg)
{
	static const char short_line[] =
		"@nix {\"action\":\"msg\",\"level\":0,\"msg\":\"error: out of memory\"}\n";

	if (log_format == LOG_NIX)
		return io_write_all(STDERR_FILENO, short_line, strlen(short_line));
	if (io_write_all(STDERR_FILENO, prefix, strlen(prefix)) < 0 ||
	    io_write_all(STDERR_FILENO, msg, strlen(msg)) < 0)
		return -1;
	return io_write_all(STDERR_FILENO, "\n", 1);
}

static void write_line(enum log_level level, const char *prefix, const char *msg)
{
	struct err e = ERR_INIT; /* a failure to log cannot be logged */
	scoped_buf struct buf b = BUF_INIT(LOG_LINE_MAX);

	if (level > max_level)
		return;
	if (log_format_line(&b, log_format, level, prefix, msg, &e) < 0
		    ? write_without_memory(prefix, msg) < 0
		    : io_write(STDERR_FILENO, b.data, b.len, "standard error", &e) < 0)
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

/*
 * Return the message of WHY, with further lines indented by the width of "error: ", as Nix prints
 * its own errors. The text may be in B.
 */
static const char *indent(const struct err *why, struct buf *b)
{
	struct err ignored = ERR_INIT;

	for (const char *p = why->msg; *p; p++)
		if (buf_addc(b, *p, &ignored) < 0 ||
		    (*p == '\n' && buf_adds(b, "       ", &ignored) < 0))
			break;
	return err_is_set(&ignored) || !b->len ? why->msg : b->data;
}

void log_err(const struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(LOG_LINE_MAX);
	int saved = errno;

	write_line(LOG_ERROR, "error: ", indent(e, &b));
	errno = saved;
}

int log_err_to(int fd, const struct err *why, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(LOG_LINE_MAX), line = BUF_INIT(LOG_LINE_MAX);

	if (buf_addf(&line, e, "error: %s\n", indent(why, &b)) < 0)
		return -1;
	return io_write(fd, line.data, line.len, "the build's log", e);
}

int log_reply(const char *line, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(LOG_LINE_MAX);

	if (buf_addf(&b, e, "%s\n", line) < 0)
		return -1;
	return io_write(STDERR_FILENO, b.data, b.len, "standard error", e);
}

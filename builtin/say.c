/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builtin/say.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/io.h"

#include "nar/base/banned.h"

#define LINE_MAX_BYTES 65536
/* Nix's numbers (logging.hh). */
#define LEVEL_WARN 1
#define LEVEL_TALKATIVE 4
#define ACTIVITY_FILE_TRANSFER 101
#define RESULT_PROGRESS 105
/* Any number: a build has one download at a time. */
#define ACTIVITY_ID 1

/* Add S to a JSON string. Bytes that are not ASCII may not be UTF-8, so replace them. */
static int add_text(struct buf *b, const char *s, struct err *e)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		int rc;

		if (c == '"' || c == '\\')
			rc = buf_addf(b, e, "\\%c", c);
		else if (c < 0x20)
			rc = buf_addf(b, e, "\\u%04x", c);
		else
			rc = buf_addc(b, c < 0x7f ? *s : '?', e);
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* Print a line. Ignore a failure, which could only be printed to the same place. */
static void say(const char *before, const char *text, const char *between, const char *text2,
		const char *after)
{
	scoped_buf struct buf b = BUF_INIT(LINE_MAX_BYTES);
	struct err e = ERR_INIT;

	if (buf_addf(&b, &e, "@nix {%s", before) == 0 && add_text(&b, text, &e) == 0 &&
	    buf_adds(&b, between, &e) == 0 && add_text(&b, text2, &e) == 0 &&
	    buf_addf(&b, &e, "%s}\n", after) == 0 &&
	    io_write(STDERR_FILENO, b.data, b.len, "stderr", &e) == 0)
		return;
	err_clear(&e);
}

void say_warning(const char *fmt, ...)
{
	char text[ERR_MSG_MAX + 256], before[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	snprintf(before, sizeof before,
		 "\"action\":\"msg\",\"level\":%d,\"msg\":\"warning: ", LEVEL_WARN);
	say(before, text, "", "", "\"");
}

void say_download(const char *url)
{
	char before[128], after[64];

	snprintf(before, sizeof before,
		 "\"action\":\"start\",\"id\":%d,\"level\":%d,\"parent\":0,\"type\":%d,"
		 "\"fields\":[\"",
		 ACTIVITY_ID, LEVEL_TALKATIVE, ACTIVITY_FILE_TRANSFER);
	snprintf(after, sizeof after, "'\"");
	say(before, url, "\"],\"text\":\"downloading '", url, after);
}

void say_progress(uint64_t done, uint64_t total)
{
	char line[160];

	snprintf(line, sizeof line,
		 "\"action\":\"result\",\"id\":%d,\"type\":%d,\"fields\":[%" PRIu64 ",%" PRIu64
		 ",0,0]",
		 ACTIVITY_ID, RESULT_PROGRESS, done, total);
	say(line, "", "", "", "");
}

void say_download_end(void)
{
	char line[64];

	snprintf(line, sizeof line, "\"action\":\"stop\",\"id\":%d", ACTIVITY_ID);
	say(line, "", "", "", "");
}

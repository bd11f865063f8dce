/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/nonix/progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "nar/base/io.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

#define COLUMNS_DEFAULT 80
#define ERASE "\r\033[K"

void progress_init(struct progress *s)
{
	const char *term = getenv("TERM");

	*s = (struct progress){.live = isatty(STDERR_FILENO) && term && !str_eq(term, "dumb") &&
				       log_level() >= LOG_INFO};
}

static size_t columns(void)
{
	struct winsize w;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col < 2)
		return COLUMNS_DEFAULT;
	return w.ws_col;
}

/* Print N bytes. A failure is ignored: it could only be printed to the same place. */
static void put(const char *text, size_t n)
{
	struct err ignored = ERR_INIT;

	if (io_write(STDERR_FILENO, text, n, "standard error", &ignored) < 0)
		err_clear(&ignored);
}

void progress_clear(struct progress *s)
{
	if (s->drawn)
		put(ERASE, strlen(ERASE));
	s->drawn = false;
}

/*
 * Draw the status line, cut to the width of the terminal: ERASE erases one line only. The text is
 * ASCII, so it may be cut anywhere.
 */
static void draw(struct progress *s)
{
	char text[PROGRESS_LINE_MAX + sizeof ERASE];
	const size_t width = columns() - 1;

	if (!s->live || !s->line[0])
		return;
	snprintf(text, sizeof text, ERASE "%.*s",
		 (int)(width < PROGRESS_LINE_MAX ? width : PROGRESS_LINE_MAX), s->line);
	put(text, strlen(text));
	s->drawn = true;
}

void progress_status(struct progress *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(s->line, sizeof s->line, fmt, ap) < 0)
		s->line[0] = '\0';
	va_end(ap);
	if (s->line[0])
		draw(s);
	else
		progress_clear(s);
}

void progress_text(struct progress *s, const char *text, size_t n)
{
	if (!n)
		return;
	progress_clear(s);
	put(text, n);
	/* The status line would continue an unfinished line. */
	if (text[n - 1] == '\n')
		draw(s);
}

const char *progress_size(uint64_t bytes, char *ret)
{
	snprintf(ret, PROGRESS_SIZE_MAX, "%.2f MiB", (double)bytes / (1 << 20));
	return ret;
}

/* Print an item that is being fetched: ", name 1.23/4.56 MiB". Returns the bytes printed. */
static size_t add_item(char *text, size_t max, const struct cache_item *item)
{
	const struct narinfo *n = &item->info->info;
	const uint64_t size = n->file_size_bytes ? n->file_size_bytes : n->nar_size_bytes;
	const int len = snprintf(text, max, ", %s %.2f/%.2f MiB", storepath_name(n->store_path),
				 (double)item->file_bytes / (1 << 20), (double)size / (1 << 20));

	return len < 0 ? 0 : (size_t)len < max ? (size_t)len : max - 1;
}

void progress_progress(struct progress *s, const struct cache_progress *p)
{
	char items[PROGRESS_LINE_MAX] = "";
	size_t len = 0;

	if (!s->live)
		return;
	if (!p->nars && !p->infos)
		return;
	if (!p->nars) {
		progress_status(s, "[%zu/%zu asked for]", p->infos_done, p->infos);
		return;
	}
	for (size_t i = 0; i < p->n_active && len < sizeof items - 1; i++)
		len += add_item(items + len, sizeof items - len, p->active[i]);
	progress_status(s, "[%zu/%zu fetched, %.2f/%.2f MiB]%s", p->nars_done, p->nars,
			(double)p->bytes_done / (1 << 20), (double)p->bytes / (1 << 20),
			len ? items + 1 : "");
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the journal of builds (docs/journal.md), and shows what it tells. */
#include "hook/cmd/cmd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "hook/cmd/cli.h"
#include "hook/conf/conf.h"
#include "hook/report/human.h"
#include "hook/report/journal.h"
#include "hook/report/metrics.h"
#include "hook/report/stats.h"
#include "hook/report/timeline.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Lines of a list of builds, where --most does not say another number. */
#define MOST 20

struct stats {
	const char *since, *most, *nix, *journal, *timeline, *learned, *forget;
	bool slowest, hungriest, failed, json, prometheus;
};

/* Columns of the terminal that standard output is; 0: it is none. */
static unsigned terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 0;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

static int put(const struct buf *b)
{
	if (b->len)
		fwrite(b->data, 1, b->len, stdout);
	return CMD_OK;
}

static int read_rows(const struct stats *s, const char *path, struct rows *rows, struct err *e)
{
	if (s->since && !rows_parse_since(s->since, clock_real_us(), &rows->since_us))
		return err_set(e, ERR_INPUT,
			       "'%s' is no time: '2h' or '7d' ago, '2026-11-30', "
			       "'2026-11-30 14:05', or '@' and seconds since 1970",
			       s->since);
	if (s->nix && !num_parse_u64(s->nix, strlen(s->nix), INT32_MAX, &rows->nix_pid))
		return err_set(e, ERR_INPUT, "'%s' is no process id", s->nix);
	if (rows_read(rows, path, e) < 0)
		return -1;
	if (rows->skipped)
		log_warn("%llu lines of the journal '%s' cannot be read",
			 (unsigned long long)rows->skipped, path);
	if (rows->dropped)
		log_warn("the oldest %llu builds are left out", (unsigned long long)rows->dropped);
	return 0;
}

/* ---- what can be asked for ---- */

static int print_table(const struct stats *s, const struct rows *rows, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(STATS_MAX);
	const bool list = s->slowest || s->hungriest || s->failed;
	struct stats_form form = {.json = s->json, .width = terminal_width()};
	uint64_t most = list ? MOST : 0;

	if (s->most && !num_parse_u64(s->most, strlen(s->most), ROWS_MAX, &most))
		return err_set(e, ERR_INPUT, "'%s' is no number of lines", s->most);
	form.most = most;
	if (!list)
		return stats_groups(rows, &form, &b, e) < 0 ? -1 : put(&b);
	const enum stats_list which = s->failed      ? STATS_FAILED
				      : s->hungriest ? STATS_HUNGRIEST
						     : STATS_SLOWEST;
	return stats_builds(rows, which, &form, &b, e) < 0 ? -1 : put(&b);
}

static int print_metrics(const struct rows *rows, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(METRICS_MAX);
	struct metrics m = {{0}};

	for (size_t i = 0; i < rows->n; i++)
		metrics_add(&m, &rows->items[i]);
	return metrics_print(&m, &b, e) < 0 ? -1 : put(&b);
}

static int write_timeline(const char *path, const struct rows *rows, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(TIMELINE_MAX);

	if (timeline_svg(rows, &b, e) < 0)
		return -1;
	if (str_eq(path, "-"))
		return put(&b);
	scoped_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_sys(e, "creating '%s'", path);
	if (io_write(fd, b.data, b.len, path, e) < 0 || io_close(&fd, path, e) < 0)
		return -1;
	return CMD_OK;
}

static bool of_group(const struct report *r, const char *group)
{
	size_t len;
	const char *name = report_group(r, &len);

	return len == strlen(group) && memcmp(name, group, len) == 0;
}

/* What builds that have the same system and outputs as R have taught. */
static int print_learned_like(const char *path, const char *group, const struct report *r,
			      struct strv *done, struct err *e)
{
	const char *system = r->text[REPORT_SYSTEM] ? r->text[REPORT_SYSTEM] : "";
	scoped_buf struct buf key = BUF_INIT(1 << 20);
	struct learned l;
	char text[HUMAN_MAX];

	if (buf_adds(&key, system, e) < 0)
		return -1;
	for (size_t i = 0; i < r->outputs.n; i++)
		if (buf_addf(&key, e, " %s", r->outputs.items[i]) < 0)
			return -1;
	if (strv_has(done, key.data))
		return 0;
	if (strv_add(done, key.data, e) < 0 ||
	    journal_learned(path, group, *system ? system : NULL, &r->outputs, &l, e) < 0)
		return -1;
	if (l.builds == 0)
		return 0;
	printf("%s (%s): peak memory of the last %llu builds: %s; the last one began at ", group,
	       key.data, (unsigned long long)l.builds,
	       l.peak_bytes == REPORT_UNKNOWN ? "not known" : human_bytes(l.peak_bytes, text));
	printf("%s\n", human_date(l.last_us, text));
	return 0;
}

static int print_learned(const char *path, const char *group, const struct rows *rows,
			 struct err *e)
{
	scoped_strv struct strv done = STRV_INIT;

	for (size_t i = 0; i < rows->n; i++)
		if (of_group(&rows->items[i], group) &&
		    print_learned_like(path, group, &rows->items[i], &done, e) < 0)
			return -1;
	return CMD_OK;
}

static int show(const struct stats *s, const struct conf *conf, struct err *e)
{
	scoped_rows struct rows rows = ROWS_INIT;
	const char *path = s->journal ? s->journal : journal_path(conf);

	if (!path)
		return err_set(e, ERR_INPUT, "there is no journal: the key 'journal' is off");
	if (s->forget)
		return journal_forget(conf, s->forget, e) < 0 ? -1 : CMD_OK;
	if (read_rows(s, path, &rows, e) < 0)
		return -1;
	if (s->learned)
		return print_learned(path, s->learned, &rows, e);
	if (s->prometheus)
		return print_metrics(&rows, e);
	if (s->timeline)
		return write_timeline(s->timeline, &rows, e);
	return print_table(s, &rows, e);
}

int cmd_stats(int argc, char **argv, struct err *e)
{
	struct stats s = {0};
	const struct cli_option options[] = {
		{"slowest", NULL, "list builds, the longest first", .flag = &s.slowest},
		{"hungriest", NULL, "list builds, the most memory first", .flag = &s.hungriest},
		{"failed", NULL, "list builds that failed, the newest first", .flag = &s.failed},
		{"most", "N", "list no more than N lines; 0: all", .value = &s.most},
		{"since", "TIME", "only what ended after it: 2h, 7d, 2026-11-30, @SECONDS",
		 .value = &s.since},
		{"nix", "PID", "only what the Nix with that process id asked for", .value = &s.nix},
		{"json", NULL, "print JSON", .flag = &s.json},
		{"timeline", "FILE.svg", "draw what ran when", .value = &s.timeline},
		{"prometheus", NULL, "print counters for Prometheus", .flag = &s.prometheus},
		{"learned", "PNAME", "print what memory builds of a package are expected to need",
		 .value = &s.learned},
		{"forget", "PNAME", "forget what was learnt of a package", .value = &s.forget},
		{"journal", "FILE", "read FILE, not the journal of the configuration",
		 .value = &s.journal},
		{NULL},
	};
	scoped_cli struct cli c = {
		.synopsis = "",
		.about = "Show what builds cost, and how they ended, as the journal has it: a line "
			 "for each\npackage, or what the options ask for.",
		.options = options,
	};
	scoped_conf struct conf conf = CONF_INIT;
	int rc;

	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	if (conf_load(&conf, c.config_path, &c.conf_options, e) < 0)
		return -1;
	return show(&s, &conf, e);
}

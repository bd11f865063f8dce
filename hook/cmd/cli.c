/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cmd/cli.h"

#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "hook/cmd/cmd.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* --help prints the text of an option in this column, on a new line after a longer option. */
#define HELP_COLUMN 24
#define KEPT_BYTES (1 << 20)

/* The options that all verbs have; N_ARGS words follow an option. */
static const struct common {
	enum { OPT_HELP, OPT_CONFIG, OPT_OPTION, OPT_VERBOSE, OPT_QUIET } id;
	const char *name, *alias, *arg, *help;
	int n_args;
} common[] = {
	{OPT_HELP, "--help", "-h", "", "print this", 0},
	{OPT_CONFIG, "--config", NULL, "FILE", "read FILE, not the default configuration", 1},
	{OPT_OPTION, "--option", NULL, "KEY VALUE", "set a key of the configuration", 2},
	{OPT_VERBOSE, "--verbose", "-v", "", "say more; may be repeated", 0},
	{OPT_QUIET, "--quiet", "-q", "", "say less; may be repeated", 0},
};

static const struct common *common_find(const char *arg, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
		if (strlen(common[i].name) == len && memcmp(common[i].name, arg, len) == 0)
			return &common[i];
		if (common[i].alias && len == 2 && memcmp(common[i].alias, arg, 2) == 0)
			return &common[i];
	}
	return NULL;
}

int cli_common_args(const char *arg)
{
	size_t len = strcspn(arg, "=");
	const struct common *o = common_find(arg, len);

	if (!o)
		return -1;
	return arg[len] == '=' && o->n_args ? o->n_args - 1 : o->n_args;
}

static void print_option(FILE *out, const char *name, const char *arg, const char *help)
{
	int n = fprintf(out, "  %s%s%s", name, *arg ? " " : "", arg);

	if (n >= HELP_COLUMN)
		n = fprintf(out, "\n") - 1;
	fprintf(out, "%*s%s\n", HELP_COLUMN - n, "", help);
}

void cli_print_common(FILE *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
		char name[64];

		snprintf(name, sizeof name, "%s%s%s", common[i].alias ? common[i].alias : "",
			 common[i].alias ? ", " : "", common[i].name);
		print_option(out, name, common[i].arg, common[i].help);
	}
}

static void print_help(const struct cli *c, const char *verb)
{
	printf("Usage: nix-oci-hook %s [options]%s%s\n\n%s\n\nOptions:\n", verb,
	       c->synopsis[0] ? " " : "", c->synopsis, c->about);
	for (const struct cli_option *o = c->options; o && o->name; o++) {
		char name[64];

		if (o->letter)
			snprintf(name, sizeof name, "-%c, --%s", o->letter, o->name);
		else
			snprintf(name, sizeof name, "--%s", o->name);
		print_option(stdout, name, o->arg ? o->arg : "", o->help);
	}
	cli_print_common(stdout);
}

/* A walk over argv, which moves operands to the front. */
struct walk {
	struct cli *c;
	int argc, at;
	char **argv;
	char *inline_value; /* the text after '=' in this option; NULL: none, or taken */
	bool help;
};

/* Take the value of option NAME: the text after its '=', else the next word. */
static int take(struct walk *w, const char *name, const char **ret, struct err *e)
{
	if (w->inline_value) {
		*ret = TAKE(w->inline_value, NULL);
		return 0;
	}
	if (w->at + 1 >= w->argc)
		return err_set(e, ERR_INPUT, "option '%s' needs a value after it", name);
	*ret = w->argv[++w->at];
	return 0;
}

static void change_level(int by)
{
	int level = (int)log_level() + by;

	if (level >= LOG_ERROR && level <= LOG_VOMIT)
		log_set_level((enum log_level)level);
}

static int take_common(struct walk *w, const struct common *o, struct err *e)
{
	const char *key = NULL, *value = NULL;

	switch (o->id) {
	case OPT_HELP:
		w->help = true;
		break;
	case OPT_VERBOSE:
		change_level(1);
		break;
	case OPT_QUIET:
		change_level(-1);
		break;
	case OPT_CONFIG:
		return take(w, o->name, &w->c->config_path, e);
	case OPT_OPTION:
		if (take(w, o->name, &key, e) < 0 || take(w, o->name, &value, e) < 0 ||
		    strv_add(&w->c->conf_options, key, e) < 0)
			return -1;
		return strv_add(&w->c->conf_options, value, e);
	}
	return 0;
}

static int take_own(struct walk *w, const struct cli_option *o, const char *arg, struct err *e)
{
	const char *value = NULL;

	if (!o->arg) {
		*o->flag = true;
		return 0;
	}
	if (take(w, arg, &value, e) < 0)
		return -1;
	if (o->values)
		return strv_add(o->values, value, e);
	*o->value = value;
	return 0;
}

/* Tell whether the LEN bytes of ARG before any '=' are option O. */
static bool is_own(const struct cli_option *o, const char *arg, size_t len)
{
	if (len == 2 && o->letter && arg[1] == o->letter)
		return true;
	return len > 2 && arg[1] == '-' && strlen(o->name) == len - 2 &&
	       memcmp(arg + 2, o->name, len - 2) == 0;
}

static int take_option(struct walk *w, struct err *e)
{
	char *arg = w->argv[w->at];
	size_t len = strcspn(arg, "=");
	const struct common *shared = common_find(arg, len);
	const struct cli_option *o = w->c->options;

	w->inline_value = arg[len] ? arg + len + 1 : NULL;
	while (o && o->name && !is_own(o, arg, len))
		o++;
	if (o && o->name) {
		if (take_own(w, o, arg, e) < 0)
			return -1;
	} else if (shared) {
		if (take_common(w, shared, e) < 0)
			return -1;
	} else {
		return err_set(e, ERR_INPUT, "there is no option '%s'", arg);
	}
	if (w->inline_value)
		return err_set(e, ERR_INPUT, "option '%.*s' takes no value", (int)len, arg);
	return 0;
}

static int walk(struct walk *w, struct err *e)
{
	bool options = true;
	int n = 0;

	for (w->at = 0; w->at < w->argc; w->at++) {
		char *arg = w->argv[w->at];

		if (options && str_eq(arg, "--"))
			options = false;
		else if (!options || arg[0] != '-' || arg[1] == '\0')
			w->argv[n++] = arg;
		else if (take_option(w, e) < 0)
			return -1;
	}
	w->c->args = w->argv;
	w->c->n_args = n;
	if (w->help)
		return 0;
	if (n < w->c->min_args)
		return err_set(e, ERR_INPUT, "an operand is missing: %s", w->c->synopsis);
	if (w->c->max_args >= 0 && n > w->c->max_args)
		return err_set(e, ERR_INPUT, "one operand too many: '%s'", w->argv[w->c->max_args]);
	return 0;
}

bool cli_parse(struct cli *c, int argc, char **argv, int *ret_exit)
{
	struct err e = ERR_INIT;
	const char *verb = argv[0];
	struct walk w = {.c = c, .argc = argc - 1, .argv = argv + 1};

	if (walk(&w, &e) < 0) {
		log_err(&e);
		log_msg(LOG_ERROR, "Try 'nix-oci-hook %s --help'.", verb);
		*ret_exit = CMD_USAGE;
		return false;
	}
	/* Operands have moved to the front, so end argv after the last of them. */
	argv[1 + c->n_args] = NULL;
	if (w.help) {
		print_help(c, verb);
		*ret_exit = CMD_OK;
		return false;
	}
	return true;
}

void cli_done(struct cli *c)
{
	strv_done(&c->conf_options);
}

/* ---- the frame of a program ---- */

/*
 * Open /dev/null for each standard stream that is missing. Without it, the first files that the
 * program opens would become its standard streams. The stand-in is read-only, so that cmd_main()
 * fails where results were to go to a missing output.
 */
static void open_standard_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/*
 * Keep freed memory. To list a directory allocates a buffer, which malloc would otherwise return to
 * the kernel and fetch again for each directory.
 */
static void keep_freed_memory(void)
{
#ifdef M_TRIM_THRESHOLD
	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
#endif
}

int cmd_main(int (*run)(int argc, char **argv, struct err *e), int argc, char **argv)
{
	struct err e = ERR_INIT;
	int rc;

	keep_freed_memory();
	open_standard_streams();
	rc = run(argc, argv, &e);
	if (rc < 0) {
		log_err(&e);
		rc = CMD_FAILED;
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		err_clear(&e);
		err_sys(&e, "writing to standard output");
		log_err(&e);
		rc = rc == CMD_OK ? CMD_FAILED : rc;
	}
	return rc;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cmd/cli.h: how a verb reads its options and operands.
 *
 *	int cmd_spec(int argc, char **argv, struct err *e)
 *	{
 *		const char *profile = NULL;
 *		bool pretty = false;
 *		const struct cli_option options[] = {
 *			{"profile", "NAME", "nix (default) or tvix", .value = &profile},
 *			{"pretty", NULL, "indent the output", .flag = &pretty},
 *			{NULL},
 *		};
 *		scoped_cli struct cli c = {
 *			.synopsis = "DRV|REQUEST.json",
 *			.about = "Print the OCI configuration of a build.",
 *			.options = options,
 *			.min_args = 1,
 *			.max_args = 1,
 *		};
 *		int rc;
 *		if (!cli_parse(&c, argc, argv, &rc))
 *			return rc;
 *		... conf_load(&conf, c.config_path, &c.conf_options, e) ... c.args[0] ...
 */
#ifndef HOOK_CMD_CLI_H
#define HOOK_CMD_CLI_H

#include <stdio.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

struct cli_option {
	const char *name; /* without the "--" */
	const char *arg;  /* what follows it, as --help calls it; NULL: nothing does */
	const char *help; /* one line */
	char letter;      /* 'o': `-o DIR` is as good as `--output DIR`; 0: none */
	/* One of the three. */
	bool *flag;          /* becomes true; where ARG is NULL */
	const char **value;  /* points into argv; the last one wins */
	struct strv *values; /* gets a copy of each */
};

struct cli {
	/* What the verb says of itself. */
	const char *synopsis; /* its operands: "DRV|REQUEST.json" */
	const char *about;    /* what it does: text of --help, ends without a line feed */
	const struct cli_option *options; /* ended by one without a name; NULL: none of its own */
	int min_args, max_args;           /* operands; a max_args of -1 is any number */

	/* What cli_parse() found. */
	const char *config_path;  /* --config, or NULL: for conf_load() */
	struct strv conf_options; /* --option KEY VALUE ..., in pairs: for conf_load() */
	char **args;              /* n_args operands, and NULL */
	int n_args;
};

/*
 * Read ARGV by the table of C and the options that all verbs have (--help, --config FILE, --option
 * KEY VALUE, -v, -q). `--name=VALUE` is as good as `--name VALUE`, `--` ends the options, and they
 * may stand after operands. True: go on. False: return *RET_EXIT, as --help was printed or what is
 * wrong has been.
 */
bool cli_parse(struct cli *c, int argc, char **argv, int *ret_exit) MUST_CHECK;
void cli_done(struct cli *c);
#define scoped_cli __attribute__((cleanup(cli_done)))
/* The options that all verbs have, as lines of --help. */
void cli_print_common(FILE *out);
/* How many more of ARGV the common option ARGV[0] takes (0..2); -1: it is none of them. */
int cli_common_args(const char *arg);

#endif

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
	const char *arg;  /* the name of the option's value in --help; NULL: it takes no value */
	const char *help; /* one line */
	char letter;      /* 'o': `-o DIR` is short for `--output DIR`; 0: no short form */
	/* One of these three is set. */
	bool *flag;          /* becomes true; for an option without ARG */
	const char **value;  /* points into argv; the last value counts */
	struct strv *values; /* gets a copy of each value */
};

struct cli {
	/* The verb's description of itself. */
	const char *synopsis; /* its operands: "DRV|REQUEST.json" */
	const char *about;    /* for --help: what the verb does, without a line feed at the end */
	const struct cli_option *options; /* the last has no name; NULL: only the common ones */
	int min_args, max_args;           /* operands; a max_args of -1 is any number */

	/* The result of cli_parse(). */
	const char *config_path;  /* --config, or NULL: for conf_load() */
	struct strv conf_options; /* --option KEY VALUE ..., in pairs: for conf_load() */
	char **args;              /* n_args operands, then NULL */
	int n_args;
};

/*
 * Read ARGV by C's table of options and the options that all verbs have (--help, --config FILE,
 * --option KEY VALUE, -v, -q). `--name=VALUE` means `--name VALUE`, and `--` ends the options.
 * Options may follow operands.
 * Returns true: go on; false: exit with *RET_EXIT, because --help or an error was printed.
 */
bool cli_parse(struct cli *c, int argc, char **argv, int *ret_exit) MUST_CHECK;
void cli_done(struct cli *c);
#define scoped_cli __attribute__((cleanup(cli_done)))
/* Print the options that all verbs have, as lines of --help. */
void cli_print_common(FILE *out);
/*
 * Count the words after ARG that belong to it, where ARG is an option that all verbs have.
 * Returns 0 to 2; -1: ARG is no such option.
 */
int cli_common_args(const char *arg);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cmd/cmd.h"

#include "hook/cmd/cli.h"
#include "hook/conf/conf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define OUTPUT_MAX (1u << 20)

static int print_in_effect(const struct cli *cli, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(OUTPUT_MAX);
	scoped_conf struct conf c = CONF_INIT;

	if (conf_load(&c, cli->config_path, &cli->conf_options, e) < 0 || conf_print(&c, &b, e) < 0)
		return -1;
	fputs(b.data, stdout);
	return CMD_OK;
}

int cmd_config(int argc, char **argv, struct err *e)
{
	bool keys = false, markdown = false, man = false;
	const struct cli_option options[] = {
		{"keys", NULL, "print what keys there are instead", .flag = &keys},
		{"markdown", NULL, "print the keys as for docs/configuration.md",
		 .flag = &markdown},
		{"man", NULL, "print the keys as for the manual page", .flag = &man},
		{NULL},
	};
	scoped_cli struct cli c = {
		.synopsis = "",
		.about =
			"Print the configuration that is in effect, as a file that gives the same.",
		.options = options,
	};
	int rc;

	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	if (!keys && !markdown && !man)
		return print_in_effect(&c, e);
	conf_print_keys(stdout, markdown ? CONF_MARKDOWN : man ? CONF_MAN : CONF_TEXT);
	return CMD_OK;
}

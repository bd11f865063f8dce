/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cmd/cmd.h"

#include <stdio.h>

#include "hook/cmd/cli.h"
#include "hook/cmd/preview.h"
#include "hook/request/load.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

int cmd_request(int argc, char **argv, struct err *e)
{
	struct request_args a = {0};
	const struct cli_option options[] = {
		{"store", "URI", "the Nix store of the derivation, where it is not Nix's own",
		 .value = &a.store},
		{"unbuilt", NULL, "also where inputs are not built yet", .flag = &a.unbuilt},
		{NULL},
	};
	scoped_cli struct cli c = {
		.synopsis = "DRV",
		.about = "Print the build request of a derivation as JSON: all that its build "
			 "needs to\n"
			 "know, as docs/request.md describes it. Its inputs have to be valid, or "
			 "with\n"
			 "--unbuilt are listed without what they will refer to.",
		.options = options,
		.min_args = 1,
		.max_args = 1,
	};
	scoped_settings struct settings settings = {0};
	scoped_conf struct conf conf = CONF_INIT;
	scoped_request struct request r = {0};
	scoped_buf struct buf text = BUF_INIT(REQ_JSON_MAX);
	int rc;

	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	if (conf_load(&conf, c.config_path, &c.conf_options, e) < 0 ||
	    settings_from_nix(&settings, e) < 0 ||
	    request_from_argument(c.args[0], &a, &conf, &settings, &r, e) < 0 ||
	    req_print(&r, &text, e) < 0)
		return -1;
	fwrite(text.data, 1, text.len, stdout);
	return CMD_OK;
}

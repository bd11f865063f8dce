/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "hook/cmd/cmd.h"
#include "hook/cmd/preview.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

int cmd_spec(int argc, char **argv, struct err *e)
{
	struct preview_args a = {0};
	const struct cli_option options[] = {
		{"profile", "NAME", "nix (as Nix's own sandbox; the default) or tvix",
		 .value = &a.profile},
		{"runtime", "NAME", "fit for crun, runc, runsc or youki only, not for all of them",
		 .value = &a.runtime},
		{"rootless", NULL, "for a runtime that is not started by root",
		 .flag = &a.rootless},
		{"store", "URI", "the Nix store of the derivation, where it is not Nix's own",
		 .value = &a.request.store},
		{"unbuilt", NULL, "also where inputs are not built yet",
		 .flag = &a.request.unbuilt},
		{NULL},
	};
	scoped_cli struct cli c = {
		.synopsis = "DRV|REQUEST.json",
		.about = "Print the OCI runtime configuration (config.json) of a build. It belongs "
			 "into a\n"
			 "bundle, which the verb bundle makes, and runs under crun, runc and runsc "
			 "as it is.",
		.options = options,
		.min_args = 1,
		.max_args = 1,
	};
	scoped_preview struct preview p = PREVIEW_INIT;
	scoped_buf struct buf text = BUF_INIT(REQ_JSON_MAX);
	int rc;

	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	if (preview_prepare(&p, &c, &a, e) < 0 ||
	    spec_print(&p.request, p.conf.profile, &p.machine.host, &text, e) < 0)
		return -1;
	fwrite(text.data, 1, text.len, stdout);
	return CMD_OK;
}

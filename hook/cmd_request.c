/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hook/drvrequest.h"
#include "hook/settings.h"
#include "hook/store.h"
#include "nar/scope.h"

#include "nar/banned.h"

/* The request of the derivation ARG, a path in the store or a base name there. */
static int make_request(const char *arg, struct request *ret, struct err *e)
{
	scoped_settings struct settings settings = {0};
	scoped_store struct store store = {0};
	scoped_drv struct drv drv = DRV_INIT;
	scoped_strv struct strv inputs = STRV_INIT;

	if (settings_from_nix(&settings, e) < 0 || store_open(&store, &settings, REG_AUTO, e) < 0)
		return -1;
	scoped_free char *path =
		arg[0] == '/' ? str_dup(arg, e) : str_fmt(e, "%s/%s", store.dir, str_base(arg));
	if (!path)
		return -1;
	scoped_free char *real = store_real_path(&store, path, e);
	if (!real || drv_read(path, real, store.dir, &drv, e) < 0 ||
	    drvrequest_inputs(&drv, &store, &inputs, e) < 0)
		return -1;
	const struct drvrequest_in in = {&drv, &settings, &store, &inputs, environ};
	return drvrequest_make(&in, ret, e);
}

int cmd_request(int argc, char **argv, struct err *e)
{
	scoped_cli struct cli c = {
		.synopsis = "DRV",
		.about = "Print the build request of a derivation as JSON: all that its build "
			 "needs to\n"
			 "know, as docs/request.md describes it. Its inputs have to be valid.",
		.min_args = 1,
		.max_args = 1,
	};
	scoped_request struct request r = {0};
	scoped_buf struct buf text = BUF_INIT(REQ_JSON_MAX);
	int rc;

	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	if (make_request(c.args[0], &r, e) < 0 || req_print(&r, &text, e) < 0)
		return -1;
	fwrite(text.data, 1, text.len, stdout);
	return CMD_OK;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "hook/bundle/bundle.h"
#include "hook/cmd/cmd.h"
#include "hook/cmd/preview.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Refuse PATH if it exists. A person typed it, and bundle_create() would remove what is there. */
static int refuse_existing(const char *path, struct err *e)
{
	if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, ERR_INPUT,
			       "'%s' exists already; remove it, or name another directory by "
			       "--output",
			       path);
	return 0;
}

static char *absolute(const char *path, struct err *e)
{
	scoped_free char *cwd = NULL;

	if (path[0] == '/')
		return str_dup(path, e);
	cwd = getcwd(NULL, 0);
	if (!cwd) {
		err_sys(e, "asking for the working directory");
		return NULL;
	}
	return str_fmt(e, "%s/%s", cwd, path);
}

static void tell_missing(void *ctx, const struct req_input *in)
{
	(void)ctx;
	log_warn("input '%s' is not built yet: the bundle has an empty directory in its place",
		 in->source);
}

static int make(const struct preview *p, bool unbuilt, const char *path, struct err *e)
{
	scoped_bundle struct bundle b = BUNDLE_INIT;
	const struct bundle_job job = {
		.path = path,
		.mem_dirfd = -1,
		.request = &p->request,
		.profile = p->conf.profile,
		.host = &p->machine.host,
		.user = p->as_root ? &p->user : NULL,
		.missing = unbuilt ? tell_missing : NULL,
	};

	if (refuse_existing(path, e) < 0 || bundle_create(&job, &b, e) < 0)
		return -1;
	printf("%s\n", b.path);
	return CMD_OK;
}

int cmd_bundle(int argc, char **argv, struct err *e)
{
	struct preview_args a = {0};
	const char *out = "bundle";
	const struct cli_option options[] = {
		{"profile", "NAME", "nix (as Nix's own sandbox; the default) or tvix",
		 .value = &a.profile},
		{"runtime", "NAME", "fit for crun, runc, runsc or youki only, not for all of them",
		 .value = &a.runtime},
		{"output", "DIR", "where to make it (bundle); must not exist", .letter = 'o',
		 .value = &out},
		{"store", "URI", "the Nix store of the derivation, where it is not Nix's own",
		 .value = &a.request.store},
		{"unbuilt", NULL, "also where inputs are not built yet: to look at, not to run",
		 .flag = &a.request.unbuilt},
		{NULL},
	};
	scoped_cli struct cli c = {
		.synopsis = "DRV|REQUEST.json",
		.about = "Make a complete OCI bundle for a build, and print its path. As root, "
			 "`crun run -b\n"
			 "DIR x` then runs the build by hand; the outputs appear below "
			 "DIR/scratch.",
		.options = options,
		.min_args = 1,
		.max_args = 1,
	};
	scoped_preview struct preview p = PREVIEW_INIT;
	scoped_free char *path = NULL;
	int rc;

	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	path = absolute(out, e);
	if (!path)
		return -1;
	a.bundle = path;
	if (preview_prepare(&p, &c, &a, e) < 0)
		return -1;
	return make(&p, a.request.unbuilt, path, e);
}

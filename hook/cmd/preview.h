/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cmd/preview.h: prepare a build only to look at it: for the verbs spec and bundle.
 */
#ifndef HOOK_CMD_PREVIEW_H
#define HOOK_CMD_PREVIEW_H

#include "hook/cmd/cli.h"
#include "hook/conf/conf.h"
#include "hook/host/machine.h"
#include "hook/host/users.h"
#include "hook/nix/settings.h"
#include "hook/request/load.h"
#include "nar/base/err.h"
#include "specgen/request.h"

/* A build that is not run: all that its bundle is made from. */
struct preview {
	struct conf conf;
	struct settings settings;
	struct request request;
	struct machine machine;
	/* With AS_ROOT: the bundle's owner. It is Nix's first id, and its lock is not taken. */
	struct build_user user;
	bool as_root; /* for a caller who is root */
};
#define PREVIEW_INIT                    \
	{                               \
		.user = BUILD_USER_INIT \
	}

/* The options of the command line that describe the build; NULL: the option is not given. */
struct preview_args {
	struct request_args request;
	const char *profile; /* NULL: the profile of the configuration */
	const char *runtime; /* "crun", ...: fit only for this runtime; NULL: fit for all */
	const char *bundle;  /* path of the bundle to come; NULL: no bundle will be made */
	bool rootless;       /* as for a caller who is not root */
};

/* Fill P from C's configuration, C's first operand and A. */
int preview_prepare(struct preview *p, const struct cli *c, const struct preview_args *a,
		    struct err *e) MUST_CHECK;
void preview_done(struct preview *p);
#define scoped_preview __attribute__((cleanup(preview_done)))

#endif

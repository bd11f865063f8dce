/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cmd/preview.h: what the verbs share that work on one build.
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

/* A build that is only looked at: all that a bundle is made from. */
struct preview {
	struct conf conf;
	struct settings settings;
	struct request request;
	struct machine machine;
	struct build_user user; /* whose the bundle is, where AS_ROOT: Nix's first id, not locked */
	bool as_root;
};
#define PREVIEW_INIT                    \
	{                               \
		.user = BUILD_USER_INIT \
	}

/* What the command line says of the build, beside its operand; NULL: not given. */
struct preview_args {
	struct request_args request;
	const char *profile; /* as the configuration says */
	const char *runtime; /* "crun", ...: fit for that one only; not given: for all */
	const char *bundle;  /* where the bundle will be */
	bool rootless;       /* as for a caller who is not root */
};

/* Fill P from the configuration that C names, its first operand and A. */
int preview_prepare(struct preview *p, const struct cli *c, const struct preview_args *a,
		    struct err *e) MUST_CHECK;
void preview_done(struct preview *p);
#define scoped_preview __attribute__((cleanup(preview_done)))

#endif

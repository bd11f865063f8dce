/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cmd/preview.h: what the verbs share that work on one build.
 */
#ifndef HOOK_CMD_PREVIEW_H
#define HOOK_CMD_PREVIEW_H

#include "hook/cmd/cmd.h"
#include "hook/conf/conf.h"
#include "hook/drv/derivation.h"
#include "hook/host/machine.h"
#include "hook/host/users.h"
#include "hook/nix/settings.h"
#include "nar/base/err.h"
#include "specgen/request.h"

/* What the command line says of how a derivation becomes a request. */
struct request_args {
	const char *store; /* its URI; NULL: Nix's setting `store` */
	bool unbuilt;      /* inputs need not be valid: drvrequest_inputs() */
};

/*
 * The request of ARG: of a derivation, where it ends in ".drv" (a path in the store, or a base name
 * there, or a file from elsewhere), else what the JSON file of that name says ("-": standard
 * input). What this machine has for builtin:fetchurl alone, such as passwords, is not in the
 * former. A store that A names becomes that of S.
 */
int request_from_argument(const char *arg, const struct request_args *a, const struct conf *c,
			  struct settings *s, struct request *ret, struct err *e) MUST_CHECK;

/*
 * Read a derivation from a file that may be called by anything. Its path follows from its bytes
 * and its name: the attribute, or where it has none, the file's own. The paths of its outputs are
 * not checked.
 */
int derivation_from_file(const char *arg, const char *store_dir, struct drv *ret,
			 struct err *e) MUST_CHECK;

/* The request that the JSON file ARG ("-": standard input) has. */
int request_from_file(const char *arg, struct request *ret, struct err *e) MUST_CHECK;

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

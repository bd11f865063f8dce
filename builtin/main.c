/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program that runs Nix's builtin builders in the container; see builtin/builtin.h. */
#include "builtin/builtin.h"

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

static const struct {
	const char *name;
	int (*run)(const struct params *p, struct err *e);
} builtins[] = {
	{"buildenv", builtin_buildenv},
	{"fetchurl", builtin_fetchurl},
	{"unpack-channel", builtin_unpack_channel},
};

/* Set the variables in the parameters "env": a file: URL can read the environment of execve(2). */
static int take_environment(const struct params *p, struct err *e)
{
	const char *record;
	size_t pos = 0;

	while ((record = params_next(p, "env", &pos))) {
		const char *equals = strchr(record, '=');
		scoped_free char *name = NULL;

		if (!equals)
			return err_set(e, ERR_INPUT, "the parameter env is '%s', not NAME=VALUE",
				       record);
		name = str_ndup(record, (size_t)(equals - record), e);
		if (!name)
			return -1;
		if (setenv(name, equals + 1, 1) < 0)
			return err_sys(e, "setting '%s'", name);
	}
	return 0;
}

static int run(const char *name, const char *file, struct err *e)
{
	scoped_params struct params p = PARAMS_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++) {
		if (!str_eq(builtins[i].name, name))
			continue;
		if (params_load(&p, file, e) < 0 || take_environment(&p, e) < 0)
			return -1;
		return builtins[i].run(&p, e);
	}
	return err_set(e, ERR_INPUT, "unsupported builtin builder '%s'", name);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	int rc;

	umask(022);
	if (argc == 2 && str_eq(argv[1], "--version")) {
		puts("nix-oci-hook-builtin " PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && str_eq(argv[1], "--libs")) {
		rc = builtin_print_libs(&e);
	} else if (argc == 3) {
		rc = run(argv[1], argv[2], &e);
	} else {
		fputs("Usage: nix-oci-hook-builtin NAME PARAMETERS\n"
		      "       nix-oci-hook-builtin --libs\n"
		      "It is for nix-oci-hook, which runs it in a container.\n",
		      stderr);
		return 2;
	}
	if (rc == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "error: %s\n", e.msg);
	return EXIT_FAILURE;
}

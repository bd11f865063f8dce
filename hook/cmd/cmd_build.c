/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verb `build` executes a program of its own, nix-oci-hook-build. It needs libcurl and
 * libarchive, and to load these would cost each build of the hook some milliseconds.
 */
#include "hook/cmd/cmd.h"

#include <errno.h>
#include <unistd.h>

#include "hook/base/program.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

int cmd_build(int argc, char **argv, struct err *e)
{
	scoped_free char *path = program_path("nix-oci-hook-build", e);

	if (!path)
		return -1;
	execv(path, argv);
	if (errno == ENOENT)
		return err_set(e, ERR_SYSTEM,
			       "the verb 'build' is the program '%s', which is not installed",
			       path);
	return err_sys(e, "executing '%s'", path);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin/builtin.h: Nix's builtin builders, as a program.
 * Runs in: the container of a build, as the build's user.
 *
 * Nix runs a builder called "builtin:NAME" inside itself. The hook runs the program
 * `nix-oci-hook-builtin NAME PARAMETERS` in the container instead. So a URL like file:///etc/shadow
 * reads the build's /etc, and the hook does not load libcurl. The program's own loader and
 * libraries are bound into the container beside it (hook/request/builtin_program.h), because the
 * container has none, or other ones.
 *
 * PARAMETERS is a file (builtin/params.h). It contains attributes of the derivation and settings of
 * Nix under their own names, and these parameters:
 *
 *	out         the path of the result; missing if the derivation has no output "out"
 *	pure        1: the derivation's output is not fixed
 *	mirror      a URL to try before `url`, any number of them
 *	netrc, ca   files in the build directory
 *	env         NAME=VALUE, any number of them
 *
 * Source: Nix's src/libstore/builtins/.
 */
#ifndef BUILTIN_BUILTIN_H
#define BUILTIN_BUILTIN_H

#include "builtin/params.h"
#include "nar/base/err.h"

int builtin_fetchurl(const struct params *p, struct err *e) MUST_CHECK;
int builtin_buildenv(const struct params *p, struct err *e) MUST_CHECK;
int builtin_unpack_channel(const struct params *p, struct err *e) MUST_CHECK;

/*
 * Print the loader and all shared objects that this process has loaded or may load, one a line:
 * "loader PATH" or "lib PATH". Print nothing if the program is linked statically.
 */
int builtin_print_libs(struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin/builtin.h: Nix's builders that are no programs, as a program.
 *
 * Nix runs a builder called "builtin:NAME" inside itself. Through the hook it is
 * `nix-oci-hook-builtin NAME PARAMETERS`, a program of its own in the container, as the build's
 * user: what a URL like file:///etc/shadow reads is the build's /etc, and the hook itself need not
 * load libcurl. It is run by its own loader and libraries, bound into the container beside it (see
 * hook/request/builtin_program.h), as there may be no others, or others.
 *
 * Names of parameters are those of the derivation's attributes and of Nix's settings; the others:
 *
 *	out         where the result goes, missing where the derivation has no such output
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
 * Print the loader and all shared objects that this process has or may come to load, one a line:
 * "loader PATH" or "lib PATH". Nothing where the program is linked statically.
 */
int builtin_print_libs(struct err *e) MUST_CHECK;

#endif

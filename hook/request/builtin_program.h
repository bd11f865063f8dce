/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/request/builtin_program.h: the program that runs Nix's builtin builders in the container.
 *
 * nix-oci-hook-builtin (builtin/builtin.h) is linked dynamically, and the container has neither a
 * loader nor libraries that are sure to be the right ones: none at all by default, and what
 * sandbox-paths names may be of another system. So the program, its loader and its libraries are
 * bound into a directory of their own, and the loader is started by its path with that directory as
 * its library path. Which they are the program itself says (`--libs`): so they are found wherever
 * the machine has them, /usr/lib or Nix's store.
 */
#ifndef HOOK_REQUEST_BUILTIN_PROGRAM_H
#define HOOK_REQUEST_BUILTIN_PROGRAM_H

#include "hook/conf/conf.h"
#include "hook/drv/derivation.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

struct builtin_program {
	char *path;
	char *loader;     /* NULL: it needs none */
	struct strv libs; /* paths; the base name is what a program asks for */
};
#define BUILTIN_PROGRAM_INIT          \
	{                             \
		NULL, NULL, STRV_INIT \
	}

/* The name of D's builder where it is a builtin one that there is a program for, else NULL. */
const char *builtin_name(const struct drv *d);

/*
 * Find the program: what the configuration says, beside this program, or where it is installed; and
 * ask it what it needs. On this machine nothing else is run of it.
 */
int builtin_program_find(const struct conf *c, struct builtin_program *ret,
			 struct err *e) MUST_CHECK;
/* The same of the program at PATH. */
int builtin_describe(const char *path, struct builtin_program *ret, struct err *e) MUST_CHECK;
void builtin_done(struct builtin_program *p);
#define scoped_builtin __attribute__((cleanup(builtin_done)))

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/request/builtin_program.h: find the program that runs Nix's builtin builders in the
 * container.
 *
 * nix-oci-hook-builtin (builtin/builtin.h) is linked dynamically. By default the container contains
 * neither a loader nor libraries, and those that sandbox-paths names may be of another system. So
 * the program, its loader and its libraries are bound into a directory of their own. The loader is
 * started by its path, with that directory as its library path. The program itself prints the paths
 * of loader and libraries (`--libs`), so they are found in /usr/lib as well as in Nix's store.
 */
#ifndef HOOK_REQUEST_BUILTIN_PROGRAM_H
#define HOOK_REQUEST_BUILTIN_PROGRAM_H

#include "hook/conf/conf.h"
#include "hook/drv/derivation.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

struct builtin_program {
	char *path;
	char *loader;     /* path; NULL: the program needs none */
	struct strv libs; /* paths of libraries; the loader looks for their base names */
};
#define BUILTIN_PROGRAM_INIT          \
	{                             \
		NULL, NULL, STRV_INIT \
	}

/* Return the name of D's builder if it is a builtin builder that the program knows, else NULL. */
const char *builtin_name(const struct drv *d);

/*
 * Find the program: the configuration's, else beside this program or where it is installed. Run its
 * `--libs` to learn what it needs. Outside a container nothing else of it is run.
 */
int builtin_program_find(const struct conf *c, struct builtin_program *ret,
			 struct err *e) MUST_CHECK;
/* Run `PATH --libs`, and describe the program at PATH by what it prints. */
int builtin_describe(const char *path, struct builtin_program *ret, struct err *e) MUST_CHECK;
void builtin_done(struct builtin_program *p);
#define scoped_builtin __attribute__((cleanup(builtin_done)))

#endif

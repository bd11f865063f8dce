/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/base/environment.h: choose the environments of the programs that the hook starts.
 *
 * The hook inherits the environment of Nix's daemon or of a user, which is not meant for these
 * programs:
 *  - with LISTEN_FDS crun and runc pass descriptors on to the build, and with NOTIFY_SOCKET they
 *    mount a socket into it; they do not check which process systemd meant;
 *  - with TMPDIR runsc mounts its sandbox in a directory that its user, nobody, may be unable to
 *    enter.
 */
#ifndef HOOK_BASE_ENVIRONMENT_H
#define HOOK_BASE_ENVIRONMENT_H

#include "nar/base/err.h"

enum environment_kind {
	ENVIRONMENT_RUNTIME,  /* runtimes: PATH, and without root HOME and XDG_RUNTIME_DIR */
	ENVIRONMENT_NIX,      /* Nix's tools and the hook's: PATH and what configures them */
	ENVIRONMENT_PREBUILD, /* Nix's pre-build hook: everything except systemd's variables */
};

/*
 * Pick from this process's environment the variables for a program of KIND. Without a PATH, the
 * program gets a usual one.
 * Returns a heap array that NULL ends; its strings are those of the environment. NULL: *E.
 */
char **environment_for(enum environment_kind kind, struct err *e) MUST_CHECK;

#endif

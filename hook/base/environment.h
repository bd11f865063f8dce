/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/base/environment.h: the environments of the programs that we start.
 *
 * Ours is that of Nix's daemon, or of whoever started us, and is not meant for them: LISTEN_FDS has
 * crun and runc pass descriptors on to the build, NOTIFY_SOCKET has them mount a socket into it
 * (both without looking at whom systemd meant), and TMPDIR has runsc mount its sandbox where its
 * user, nobody, may be unable to go.
 */
#ifndef HOOK_BASE_ENVIRONMENT_H
#define HOOK_BASE_ENVIRONMENT_H

#include "nar/base/err.h"

enum environment_kind {
	ENVIRONMENT_RUNTIME,  /* PATH, and without root HOME and XDG_RUNTIME_DIR */
	ENVIRONMENT_NIX,      /* of Nix's tools and our own: also what they are configured by */
	ENVIRONMENT_PREBUILD, /* of Nix's pre-build hook: all, as Nix gives it, but what is above */
};

/*
 * Pick from our environment what a program of this KIND gets. PATH has a usual value where we have
 * none. Returns a heap array ended by NULL, of strings that stay those of our environment; NULL:
 * *E.
 */
char **environment_for(enum environment_kind kind, struct err *e) MUST_CHECK;

#endif

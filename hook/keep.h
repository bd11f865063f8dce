/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/keep.h: the build directory of a failed build stays (Nix's setting keep-failed).
 *
 * It goes to where Nix's own sandbox would have had it: in the directory of the setting build-dir,
 * else of TMPDIR, else /tmp, as `nix-build-<name>.drv-<n>`; since Nix 2.24 that has the build
 * directory in it as `build`. From 2.32 the default is `builds` in the state directory, and the
 * name `nix-<pid>-<n>`. Everybody may enter both, the build's user owns what is inside.
 */
#ifndef HOOK_KEEP_H
#define HOOK_KEEP_H

#include "hook/derivation.h"
#include "hook/settings.h"
#include "nar/err.h"

/*
 * D has failed, and all its processes are gone: move BUILD_DIR (absolute) where it can be found, if
 * S wants that. STATE_DIR is Nix's. *RET_PATH is the new place, on the heap, or NULL: it is not to
 * be kept. Never for `builtin:` builders, which may have passwords in it. -1: *E, and BUILD_DIR is
 * where it was.
 */
int keep_build_dir(const struct drv *d, const struct settings *s, const char *state_dir,
		   const char *build_dir, char **ret_path, struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/runtime/fit.h: adapt a configuration to one kind of runtime on this machine.
 */
#ifndef HOOK_RUNTIME_FIT_H
#define HOOK_RUNTIME_FIT_H

#include "hook/runtime/runtime.h"
#include "specgen/spec.h"

/*
 * Adapt H to a runtime of KIND and a bundle at BUNDLE_PATH. H maps the build's ids only, or is as
 * spec_host_init() left it. Maps root as well where the runtime needs it (docs/profiles.md, "Ids"),
 * and fills in what this machine's kernel has (has_kvm, ram_bytes, last_cap, mount_flags).
 * RUNTIME_OTHER: the configuration is for any runtime.
 */
void runtime_fit_host(struct spec_host *h, enum runtime_kind kind, const char *bundle_path);

/* Tell whether every user may pass through all directories that lead to PATH. */
bool path_reachable(const char *path);

#endif

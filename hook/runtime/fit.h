/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/runtime/fit.h: what a configuration has to be like for one kind of runtime on this machine.
 */
#ifndef HOOK_RUNTIME_FIT_H
#define HOOK_RUNTIME_FIT_H

#include "hook/runtime/runtime.h"
#include "specgen/spec.h"

/*
 * Make H, which maps the build's ids only (or is spec_host_init()'s), fit for a runtime of KIND and
 * a bundle at BUNDLE_PATH: docs/profiles.md, "Ids". Fills in what H says of this machine's kernel
 * (has_kvm, ram_bytes, last_cap, mount_flags) as well. RUNTIME_OTHER: for whatever will run it.
 */
void runtime_fit_host(struct spec_host *h, enum runtime_kind kind, const char *bundle_path);

/* Everybody may pass through all directories on the way to PATH. */
bool path_reachable(const char *path);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/narinfos.h: what a store has registered of a path as a narinfo, and back.
 *
 * A narinfo names references and derivers by their base names, a store by full paths.
 */
#ifndef HOOK_NONIX_NARINFOS_H
#define HOOK_NONIX_NARINFOS_H

#include "hook/store/store.h"
#include "nar/base/err.h"
#include "nar/narinfo.h"

/*
 * Copy the store path PATH, and from its registration I the NAR's hash and size, the references and
 * the content address, into N. The caller fills in the other fields.
 */
int narinfo_from_registered(struct narinfo *n, const char *path, const struct store_path_info *i,
			    struct err *e) MUST_CHECK;
/*
 * Register the path that N describes as valid in ST, a store without Nix. DERIVER is the full path
 * of its derivation, or NULL.
 */
int narinfo_register(const struct narinfo *n, const char *deriver, struct store *st,
		     struct err *e) MUST_CHECK;

#endif

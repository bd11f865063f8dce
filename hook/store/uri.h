/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store/uri.h: where the store is that a store URI names.
 *
 * The forms are those of Nix's `store` setting: "" and "auto", "local", "daemon", a directory
 * (a chroot store), "local://[DIR]", each with "?key=value&.." after it, and anything else, which
 * is not on this machine as far as we know. Keys that matter: root, store, state, real, read-only,
 * system-features.
 * Source: Nix's StoreReference::parse(), resolveStoreConfig() and LocalFSStoreConfig.
 */
#ifndef HOOK_STORE_URI_H
#define HOOK_STORE_URI_H

#include "nar/base/err.h"

struct store_where {
	char *uri; /* for `nix-store --store`; a relative directory was made absolute */
	char *dir; /* logical store directory */
	char *real_dir;
	char *state_dir;
	bool local; /* the three above are files of this machine that we may use directly */
	/* What holds there instead of the setting of that name, or NULL. */
	char *system_features;
};

/* What of the world a URI's meaning depends on; store_env_get() asks the machine. */
struct store_env {
	const char *store_dir; /* NIX_STORE_DIR, NIX_STORE or "/nix/store" */
	const char *state_dir; /* NIX_STATE_DIR or "/nix/var/nix" */
	bool dirs_set;         /* one of NIX_STORE_DIR, NIX_STATE_DIR is set */
	const char *socket;    /* NIX_DAEMON_SOCKET_PATH, or NULL: below the state directory */
	const char *data_home; /* XDG_DATA_HOME, or NULL */
	const char *home;      /* HOME, or NULL */
	bool root;             /* we are root */
};
void store_env_get(struct store_env *ret);

int store_uri_resolve(const char *uri, const struct store_env *env, struct store_where *ret,
		      struct err *e) MUST_CHECK;
void store_where_done(struct store_where *w);
#define scoped_store_where __attribute__((cleanup(store_where_done)))

#endif

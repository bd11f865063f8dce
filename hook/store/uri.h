/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store/uri.h: find where the store is that a store URI names.
 *
 * A URI has a form of Nix's setting `store`: "" and "auto", "local", "daemon" or "unix://..", a
 * directory (a chroot store), "local://[DIR]"; each may end with "?key=value&..". A store of any
 * other form is taken to be on another machine. The keys that count are root, store, state, real,
 * read-only and system-features.
 * Source: Nix's StoreReference::parse(), resolveStoreConfig() and LocalFSStoreConfig.
 */
#ifndef HOOK_STORE_URI_H
#define HOOK_STORE_URI_H

#include "nar/base/err.h"

struct store_where {
	char *uri;       /* for `nix-store --store`; never a relative directory */
	char *dir;       /* logical store directory */
	char *real_dir;  /* directory of the files */
	char *state_dir; /* Nix's state directory */
	bool local;      /* the hook may use these directories itself */
	/* The value in the URI, instead of Nix's setting system-features; NULL: there is none. */
	char *system_features;
};

/* The facts of this machine on which the meaning of a URI depends. store_env_get() fills it. */
struct store_env {
	const char *store_dir; /* NIX_STORE_DIR, NIX_STORE or "/nix/store" */
	const char *state_dir; /* NIX_STATE_DIR or "/nix/var/nix" */
	bool dirs_set;         /* one of NIX_STORE_DIR, NIX_STATE_DIR is set */
	const char *socket;    /* NIX_DAEMON_SOCKET_PATH, or NULL: below the state directory */
	const char *data_home; /* XDG_DATA_HOME, or NULL */
	const char *home;      /* HOME, or NULL */
	bool root;             /* this process runs as root */
};
void store_env_get(struct store_env *ret);

int store_uri_resolve(const char *uri, const struct store_env *env, struct store_where *ret,
		      struct err *e) MUST_CHECK;
void store_where_done(struct store_where *w);
#define scoped_store_where __attribute__((cleanup(store_where_done)))

#endif

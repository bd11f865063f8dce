/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store/path_info.h: what is registered about a store path, and what the store knows about it.
 */
#ifndef HOOK_STORE_PATH_INFO_H
#define HOOK_STORE_PATH_INFO_H

#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/hash.h"

struct drv;

/* What becomes valid: a path and what the store is to know about it. */
struct store_registration {
	const char *path; /* full logical path */
	struct hash nar_sha256;
	uint64_t nar_size_bytes;
	const char *deriver;     /* full path, or NULL */
	const struct strv *refs; /* full paths, sorted; may contain `path` itself */
	const char *ca;          /* "fixed:r:sha256:...", or NULL */
	const struct strv *sigs; /* "name:base64" each, or NULL */
	/*
	 * If `path` is a derivation: the derivation, with its invariants checked, so that its
	 * outputs can be registered. NULL: not read; `nix-store` reads it.
	 */
	const struct drv *drv;
};

/* What the store knows about a valid path. `nix-store` does not tell what follows `deriver`. */
struct store_path_info {
	struct hash nar_sha256;
	uint64_t nar_size_bytes;
	struct strv refs;          /* full paths, sorted; may contain the path itself */
	char *deriver;             /* full path, or NULL */
	char *ca;                  /* "fixed:..", "text:.."; NULL: none or not known */
	int64_t registration_time; /* seconds; 0: not known */
	bool ultimate;             /* the path was built here; false: no or not known */
	struct strv sigs;          /* "name:base64" each; empty: none or not known */
};
void store_path_info_done(struct store_path_info *i);
#define scoped_store_path_info __attribute__((cleanup(store_path_info_done)))

/*
 * A realisation: the path that an output of a content-addressed derivation turned out to have. It
 * names the derivation by its hash modulo fixed outputs, "sha256:<hex>". Only the SQLite back-end
 * stores realisations, and only if Nix has made their table (experimental feature ca-derivations).
 */
struct store_realisation {
	const char *drv_hash, *output;
	const char *path;        /* valid, or registered in the same transaction */
	const struct strv *sigs; /* "name:base64" each, or NULL */
};

/* Set *E to ERR_INPUT, "path '%s' is not valid". Always -1. */
int store_err_invalid(const char *path, struct err *e);
/* Tell whether PATH is among the N paths of REGS. */
bool store_regs_have(const struct store_registration *regs, size_t n, const char *path);

#endif

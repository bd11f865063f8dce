/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store/path_info.h: what the store is told of a path, and what it tells.
 */
#ifndef HOOK_STORE_PATH_INFO_H
#define HOOK_STORE_PATH_INFO_H

#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/hash.h"

struct drv;

struct store_registration {
	const char *path; /* full logical path */
	struct hash nar_sha256;
	uint64_t nar_size_bytes;
	const char *deriver;     /* full path, or NULL */
	const struct strv *refs; /* full paths, sorted; may hold PATH itself */
	const char *ca;          /* "fixed:r:sha256:...", or NULL */
	const struct strv *sigs; /* "name:base64" each, or NULL */
	/*
	 * Where PATH is a derivation: what it says, its invariants checked, so that it is known
	 * of which outputs it is the derivation. NULL: not known, and `nix-store` looks into it.
	 */
	const struct drv *drv;
};

/* What the database knows of a path. */
struct store_path_info {
	struct hash nar_sha256;
	uint64_t nar_size_bytes;
	struct strv refs; /* full paths, sorted; may hold the path itself */
	char *deriver;    /* full path, or NULL */
	char *ca;         /* "fixed:..", "text:.."; NULL: none, or (by `nix-store`) not known */
	int64_t registration_time; /* seconds; 0 by `nix-store` */
	bool ultimate;             /* built here; false by `nix-store` */
	struct strv sigs;          /* by `nix-store` always empty */
};
void store_path_info_done(struct store_path_info *i);
#define scoped_store_path_info __attribute__((cleanup(store_path_info_done)))

/*
 * Realisations: which path an output of a content-addressed derivation has turned out to have. The
 * derivation counts by its hash modulo fixed outputs, "sha256:<hex>". Only SQLite has a place for
 * them, and only where Nix has made their table (experimental feature ca-derivations).
 */
struct store_realisation {
	const char *drv_hash, *output;
	const char *path;        /* valid, or one of the transaction's */
	const struct strv *sigs; /* or NULL */
};

/* "path '%s' is not valid" as ERR_INPUT; always -1. */
int store_err_invalid(const char *path, struct err *e);
/* Whether PATH is one of the N. */
bool store_regs_have(const struct store_registration *regs, size_t n, const char *path);

#endif

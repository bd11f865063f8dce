/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/drv/derivation.h: read, check and print derivations.
 *
 * The reader takes the ATerm form of every .drv that Nix writes; it is strict and bounded. A file
 * that it accepts prints back to the same bytes, except that sets are sorted: other programs also
 * write derivations, and Nix reads sets in any order. It refuses what else Nix's reader tolerates
 * but no writer writes: missing or leading commas, bytes after the end, duplicates.
 * Format: Nix manual, "Derivation ATerm format"; Nix's src/libstore/derivations.cc.
 */
#ifndef HOOK_DRV_DERIVATION_H
#define HOOK_DRV_DERIVATION_H

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/hash.h"
#include "nar/storepath.h"

/* Largest .drv that is read. The largest in nixpkgs have about 1 MiB. */
#define DRV_BYTES_MAX (64u << 20)
/* How deep dynamic derivations (outputs of outputs) may be nested in inputDrvs. */
#define DRV_DYNAMIC_DEPTH_MAX 32
/* The version in "DrvWithVersion(" (Nix's experimental feature dynamic-derivations). */
#define DRV_DYNAMIC_VERSION "xp-dyn-drv"

enum drv_output_kind {
	DRV_INPUT_ADDRESSED, /* the path is known */
	DRV_DEFERRED, /* input-addressed; the path is unknown, because an input is floating */
	DRV_FIXED,    /* the content hash is declared, the path is computed from it */
	DRV_FLOATING, /* content-addressed; the path is known after the build */
	DRV_IMPURE,   /* content-addressed, and built anew each time (__impure) */
};

struct drv_output {
	char *name;
	char *path;      /* full path; of DRV_FIXED the computed one; NULL: unknown */
	char *hash_algo; /* the algorithm as the file has it */
	char *hash_text; /* the hash as the file has it */
	char *path_text; /* the path as the file has it */
	enum drv_output_kind kind;
	enum ca_method method; /* of DRV_FIXED, DRV_FLOATING and DRV_IMPURE */
	enum hash_algo algo;   /* of DRV_FIXED, DRV_FLOATING and DRV_IMPURE */
	struct hash hash;      /* of DRV_FIXED */
};

/* The wanted outputs of an input derivation. */
struct drv_node {
	struct strv outputs;
	struct drv_dynamic *dynamic; /* outputs that are derivations; sorted by output name */
	size_t n_dynamic;
};
/* An output that is itself a derivation, and the wanted outputs of that (dynamic derivations). */
struct drv_dynamic {
	char *output;
	struct drv_node node;
};
struct drv_input {
	char *path; /* full path of a .drv */
	struct drv_node node;
};

/* An environment variable. Its key and value may contain any byte, also NUL. */
struct drv_env {
	char *key;
	size_t key_len;
	char *value;
	size_t value_len;
};

struct drv {
	char *path;                 /* full path of the .drv, or NULL */
	char *name;                 /* name of the .drv without ".drv" */
	struct drv_output *outputs; /* sorted by name */
	size_t n_outputs;
	struct drv_input *inputs; /* sorted by path */
	size_t n_inputs;
	struct strv srcs; /* sorted */
	char *system;
	char *builder;
	struct strv args;    /* without NULs, which execve(2) cannot pass */
	struct drv_env *env; /* sorted by key */
	size_t n_env;
	bool dynamic; /* the file begins with DrvWithVersion */
};
#define DRV_INIT             \
	{                    \
		.path = NULL \
	}

/*
 * Read a derivation from the LEN bytes at TEXT. PATH, a full path below STORE_DIR, gives the name;
 * if PATH is NULL, the attribute "name" does. STORE_DIR is the logical store directory. Checks that
 * outputs have a known kind, that kinds are not mixed, and that the path of a fixed output is the
 * one that its hash gives. Messages start "error parsing derivation '<path>'".
 */
int drv_parse(const char *text, size_t len, const char *path, const char *store_dir,
	      struct drv *ret, struct err *e) MUST_CHECK;
/*
 * Read the derivation PATH from the file REAL_PATH (NULL: from PATH). Check that PATH is the path
 * that follows from its bytes, as the store did when the derivation was added to it.
 */
int drv_read(const char *path, const char *real_path, const char *store_dir, struct drv *ret,
	     struct err *e) MUST_CHECK;
/* Append the ATerm form to B. */
int drv_print(const struct drv *d, struct buf *b, struct err *e) MUST_CHECK;
void drv_done(struct drv *d);

/* Read the derivation PATH. The functions below call it for each input derivation. */
typedef int drv_reader(void *ctx, const char *path, struct drv *ret, struct err *e);
/*
 * Check that the paths of D's outputs are those that follow from D and all its input derivations,
 * and that its environment contains these paths. A store checks this when a .drv is added to it.
 * The output paths of a .drv from elsewhere must not be trusted without this check.
 */
int drv_check_invariants(const struct drv *d, const char *store_dir, drv_reader *read, void *ctx,
			 struct err *e) MUST_CHECK;
/*
 * Compute the hash of D modulo fixed outputs, with its own output paths left blank. A fixed D has
 * the hash of its output. Realisations name a content-addressed derivation by this hash.
 */
int drv_hash_modulo(const struct drv *d, const char *store_dir, drv_reader *read, void *ctx,
		    struct hash *ret, struct err *e) MUST_CHECK;
/*
 * A checker does drv_check_invariants() for many derivations that share inputs, and reads each
 * input only once. STORE_DIR and CTX must outlive it. After a failure it cannot be used any more.
 */
struct drv_checker;
struct drv_checker *drv_checker_new(const char *store_dir, drv_reader *read, void *ctx,
				    struct err *e) MUST_CHECK;
int drv_checker_check(struct drv_checker *c, const struct drv *d, struct err *e) MUST_CHECK;
void drv_checker_free(struct drv_checker *c); /* NULL is fine */
/* Return the store path that Nix gives D's file, which follows from its bytes. Heap. NULL: *E. */
char *drv_text_path(const struct drv *d, const char *store_dir, struct err *e) MUST_CHECK;
/* Check that D's path is one that the LEN bytes at TEXT give, from which D was read. */
int drv_check_own_path(const struct drv *d, const void *text, size_t len, const char *store_dir,
		       struct err *e) MUST_CHECK;

/* Return the value of the environment variable KEY. NULL: there is none. RET_LEN may be NULL. */
const char *drv_env(const struct drv *d, const char *key, size_t *ret_len);
/* Tell whether the attribute KEY is "1" in the environment, or true in structured attributes. */
bool drv_env_bool(const struct drv *d, const char *key);
/* Return the output NAME. NULL: there is none. */
const struct drv_output *drv_output(const struct drv *d, const char *name);
/* All outputs of a derivation are of one kind. Tell whether they are fixed, impure, floating. */
bool drv_is_fixed(const struct drv *d);
bool drv_is_impure(const struct drv *d);
bool drv_is_floating(const struct drv *d);
/* Tell whether the build may use the network of the machine. */
static inline bool drv_has_network(const struct drv *d)
{
	return drv_is_fixed(d) || drv_is_impure(d);
}
/* Tell whether every output path is known before the build. */
bool drv_paths_known(const struct drv *d);
/* Tell whether the builder is one of Nix's own ("builtin:fetchurl"). */
static inline bool drv_is_builtin(const struct drv *d)
{
	return str_starts(d->builder, "builtin:");
}

#define scoped_drv __attribute__((cleanup(drv_done)))

/*
 * Return the path at which the builder has to write output O. If its path is known only after the
 * build, it is a path made from the derivation's own, as Nix makes it. Heap. NULL: *E.
 */
char *drv_build_path(const struct drv *d, const struct drv_output *o, const char *store_dir,
		     struct err *e) MUST_CHECK;

#endif

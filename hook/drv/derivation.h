/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/drv/derivation.h: derivation files.
 *
 * A strict and bounded reader of the ATerm form of every .drv that Nix writes, and its writer:
 * what is accepted prints back to the same bytes. What Nix's reader tolerates but its writer never
 * writes (missing or leading commas, bytes after the end, wrong order, duplicates) is refused.
 * Format: Nix manual, "Derivation ATerm format"; Nix's src/libstore/derivations.cc.
 */
#ifndef HOOK_DRV_DERIVATION_H
#define HOOK_DRV_DERIVATION_H

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/hash.h"
#include "nar/storepath.h"

/* A .drv may be this large; nixpkgs' largest are about 1 MiB. */
#define DRV_BYTES_MAX (64u << 20)
/* Nesting of dynamic derivations (outputs of outputs) in inputDrvs. */
#define DRV_DYNAMIC_DEPTH_MAX 32
/* The version that stands in "DrvWithVersion(" (Nix: experimental feature dynamic-derivations). */
#define DRV_DYNAMIC_VERSION "xp-dyn-drv"

enum drv_output_kind {
	DRV_INPUT_ADDRESSED, /* path known */
	DRV_DEFERRED,        /* input-addressed, path unknown: an input is floating */
	DRV_FIXED,           /* content hash declared; path computed from it */
	DRV_FLOATING,        /* content-addressed, path known after the build */
	DRV_IMPURE,
};

struct drv_output {
	char *name;
	char *path;      /* full; for DRV_FIXED the computed one; NULL where it is unknown */
	char *hash_algo; /* the three fields as they stand in the file */
	char *hash_text;
	char *path_text;
	enum drv_output_kind kind;
	enum ca_method method; /* DRV_FIXED, DRV_FLOATING, DRV_IMPURE */
	enum hash_algo algo;   /* the same */
	struct hash hash;      /* DRV_FIXED */
};

/* Wanted outputs of an input derivation, and what is wanted of them in turn (dynamic ones). */
struct drv_node {
	struct strv outputs;
	struct drv_dynamic *dynamic; /* n_dynamic of them, sorted by output name */
	size_t n_dynamic;
};
struct drv_dynamic {
	char *output;
	struct drv_node node;
};
struct drv_input {
	char *path; /* full path of a .drv */
	struct drv_node node;
};

/* Keys and values are bytes, and may hold anything, also NUL. */
struct drv_env {
	char *key;
	size_t key_len;
	char *value;
	size_t value_len;
};

struct drv {
	char *path;                 /* full path of the .drv, or NULL */
	char *name;                 /* its name without ".drv" */
	struct drv_output *outputs; /* sorted by name */
	size_t n_outputs;
	struct drv_input *inputs; /* sorted by path */
	size_t n_inputs;
	struct strv srcs; /* sorted */
	char *system;
	char *builder;
	struct strv args;    /* NUL inside an argument is refused: execve cannot pass it */
	struct drv_env *env; /* sorted by key */
	size_t n_env;
	bool dynamic; /* stood as DrvWithVersion */
};
#define DRV_INIT             \
	{                    \
		.path = NULL \
	}

/*
 * Read the LEN bytes at TEXT. PATH (full path below STORE_DIR) gives the name; where it is NULL,
 * the attribute "name" does. STORE_DIR is the logical one. Messages start "error parsing
 * derivation '<path>'". Checks output kinds, that kinds are not mixed, and that a fixed output's
 * path field is the one that its hash gives.
 */
int drv_parse(const char *text, size_t len, const char *path, const char *store_dir,
	      struct drv *ret, struct err *e) MUST_CHECK;
/*
 * Read the file REAL_PATH (NULL: PATH itself) of the derivation PATH, and check that PATH is what
 * its bytes give, as the store did when it came into it.
 */
int drv_read(const char *path, const char *real_path, const char *store_dir, struct drv *ret,
	     struct err *e) MUST_CHECK;
/* Append the ATerm form to B. */
int drv_print(const struct drv *d, struct buf *b, struct err *e) MUST_CHECK;
void drv_done(struct drv *d);

/* Read the derivation PATH, for whoever walks through input derivations. */
typedef int drv_reader(void *ctx, const char *path, struct drv *ret, struct err *e);
/*
 * Whether the paths of D's outputs are those that follow from what it is made of, all its input
 * derivations included, and its environment has them. A store has checked that when the .drv came
 * into it; of a .drv from elsewhere nothing else makes an output path worth trusting.
 */
int drv_check_invariants(const struct drv *d, const char *store_dir, drv_reader *read, void *ctx,
			 struct err *e) MUST_CHECK;
/*
 * The hash of D modulo fixed outputs, with its own output paths left blank; of a fixed one that of
 * its output. It is what its outputs are known by where they are content-addressed.
 */
int drv_hash_modulo(const struct drv *d, const char *store_dir, drv_reader *read, void *ctx,
		    struct hash *ret, struct err *e) MUST_CHECK;
/*
 * drv_check_invariants() of many derivations, which share inputs: each of those is read once only.
 * STORE_DIR and CTX have to live as long. After a failure there is nothing more to ask it.
 */
struct drv_checker;
struct drv_checker *drv_checker_new(const char *store_dir, drv_reader *read, void *ctx,
				    struct err *e) MUST_CHECK;
int drv_checker_check(struct drv_checker *c, const struct drv *d, struct err *e) MUST_CHECK;
void drv_checker_free(struct drv_checker *c); /* NULL is fine */
/* The store path that the file of D has, which follows from its bytes. Heap. */
char *drv_text_path(const struct drv *d, const char *store_dir, struct err *e) MUST_CHECK;

/* The value of env variable KEY, or NULL; *RET_LEN may be NULL. */
const char *drv_env(const struct drv *d, const char *key, size_t *ret_len);
/* A Nix boolean attribute: "1" in the environment, or true in structured attributes. */
bool drv_env_bool(const struct drv *d, const char *key);
const struct drv_output *drv_output(const struct drv *d, const char *name);
/* All outputs are of one kind of family; these ask for it. */
bool drv_is_fixed(const struct drv *d);    /* one fixed output */
bool drv_is_impure(const struct drv *d);   /* __impure */
bool drv_is_floating(const struct drv *d); /* content-addressed, paths known after the build */
static inline bool drv_has_network(const struct drv *d)
{
	return drv_is_fixed(d) || drv_is_impure(d);
}
/* Every output path is known before the build. */
bool drv_paths_known(const struct drv *d);
/* The builder is one of Nix's own ("builtin:fetchurl"). */
static inline bool drv_is_builtin(const struct drv *d)
{
	return str_starts(d->builder, "builtin:");
}

#define scoped_drv __attribute__((cleanup(drv_done)))

/*
 * Where the builder has to write output O: its path, or where that is known only after the build,
 * a path made from the derivation's own (as Nix makes it), to be renamed later. Heap.
 */
char *drv_build_path(const struct drv *d, const struct drv_output *o, const char *store_dir,
		     struct err *e) MUST_CHECK;

#endif

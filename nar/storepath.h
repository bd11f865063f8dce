/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/storepath.h: the grammar and the arithmetic of store paths.
 *
 * A store path is `<store dir>/<32 nixbase32 digits>-<name>`; its base name is what follows the
 * store directory. Formats: Nix manual, "Store path specification"; texts of refusals as Nix's.
 */
#ifndef NAR_STOREPATH_H
#define NAR_STOREPATH_H

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/hash.h"

#define STORE_HASH_LEN 32
#define STORE_NAME_MAX 211
#define STORE_BASE_MAX (STORE_HASH_LEN + 1 + STORE_NAME_MAX)
#define STORE_DIR_DEFAULT "/nix/store"

/* Refuse a base name that is not `<hash>-<name>`, with Nix's words. */
int storepath_check_base(const char *base, size_t len, struct err *e) MUST_CHECK;
/* Refuse a name (what follows the hash) that Nix would. */
int storepath_check_name(const char *name, size_t len, struct err *e) MUST_CHECK;
/*
 * Refuse PATH unless it is exactly STORE_DIR + "/" + a valid base name ("path '%s' is not in the
 * Nix store"). *RET_BASE points into PATH.
 */
int storepath_check(const char *path, const char *store_dir, const char **ret_base,
		    struct err *e) MUST_CHECK;
/*
 * The store path that PATH lies in or is ("/nix/store/h-n/bin/x" -> "/nix/store/h-n"); the length
 * of that prefix, or 0 if PATH is not in the store.
 */
size_t storepath_prefix(const char *path, const char *store_dir);
/* The name part of a path or a base name that is valid: what follows the hash and '-'. */
const char *storepath_name(const char *path_or_base);
/* "<drv name>" for output "out", else "<drv name>-<output>". Heap. */
char *storepath_output_name(const char *drv_name, const char *output, struct err *e) MUST_CHECK;

/* makeStorePath: TYPE is "source", "output:out", "text:<refs>", ...; INNER a SHA-256. Heap. */
char *storepath_make(const char *type, const struct hash *inner, const char *store_dir,
		     const char *name, struct err *e) MUST_CHECK;

enum ca_method { CA_FLAT, CA_NAR, CA_TEXT, CA_GIT };
/*
 * The path of content-addressed contents: fixed-output derivations, sources, text. REFS (sorted
 * full paths, may be NULL) and SELF count only where the method allows references: NAR with
 * SHA-256, and text. References elsewhere are refused with Nix's words, and so are git trees by
 * another algorithm than git's. Heap.
 */
char *storepath_make_ca(enum ca_method m, const struct hash *h, const struct strv *refs, bool self,
			const char *store_dir, const char *name, struct err *e) MUST_CHECK;
/*
 * "fixed:r:sha256:<nix32>", "fixed:md5:..", "fixed:git:sha1:..", "text:sha256:..": the ca field of
 * a path. Heap.
 */
char *storepath_ca_text(enum ca_method m, const struct hash *h, struct err *e) MUST_CHECK;
/* The same read back, with Nix's texts of refusals. */
int storepath_ca_parse(const char *text, enum ca_method *ret_m, struct hash *ret_h,
		       struct err *e) MUST_CHECK;
/* "/" + nix32(sha256("nix-output:" + NAME)): what stands for an output before its path is known. */
char *storepath_placeholder(const char *output, struct err *e) MUST_CHECK;

#endif

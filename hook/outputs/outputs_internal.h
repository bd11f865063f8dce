/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/outputs/outputs_internal.h: the steps of outputs_register(). Tests call them one by one.
 */
#ifndef HOOK_OUTPUTS_OUTPUTS_INTERNAL_H
#define HOOK_OUTPUTS_OUTPUTS_INTERNAL_H

#include <sys/stat.h>

#include "hook/drv/attrs.h"
#include "hook/outputs/outputs.h"
#include "hook/store/path_lock.h"
#include "nar/dump.h"

/* An output that is to be registered. */
struct output {
	const struct drv_output *decl; /* the derivation's declaration of it */
	const char *path;              /* full path: decl->path, made_up or final */
	char *made_up;                 /* path of a floating output while it was built; else NULL */
	char *final;                   /* path of a floating output after float_finalise() */
	bool skip;                     /* `path` is valid already: do not register it */
	const char *base;              /* base name of `path`, inside it */
	char *what;                    /* the path where the build left it, for messages */
	struct stat left;              /* its status as the build left it */
	int dirfd;                     /* contains it as `base`; closed by others */
	unsigned depth_max;            /* the deepest that its NAR or git tree may be */
	struct nar_digest digest;
	struct strv refs;      /* full paths, sorted, possibly with its own */
	struct strv discarded; /* the references that unsafeDiscardReferences took from `refs` */
	struct strv sigs;
	char *ca;
	struct drv drv;     /* its contents, if is_drv */
	bool is_drv;        /* it is a derivation itself */
	bool mismatched;    /* a fixed output without references, whose hash is not the declared */
	struct hash actual; /* its hash, if mismatched */
};

struct outputs {
	struct output *items; /* sorted by output name */
	size_t n;
	bool other_mount; /* outputs lie on another mount than the store: rename(2) cannot move */
	int copies_fd;    /* directory for copies that only this process writes; -1: not made yet */
	char *copies_path;
	/* For floating outputs (hook/outputs/floating.c) and realisations: */
	char drv_hash[HASH_TEXT_MAX];  /* the derivation's hash, by which realisations name it */
	struct strv known_from, known; /* outputs realised before: path in this build, real path */
	struct store_realisation *reals;
	struct strv *real_sigs; /* signatures of `reals` */
	size_t n_reals;
	struct pathlock *locks; /* on the final paths of floating outputs */
	size_t n_locks;
};
#define OUTPUTS_INIT                            \
	{                                       \
		.items = NULL, .copies_fd = -1, \
	}
void outputs_done(struct outputs *o);
#define scoped_outputs __attribute__((cleanup(outputs_done)))

/* Return where OUT lies now, to be dumped or hashed. */
static inline struct nar_tree output_tree(const struct output *out)
{
	return (struct nar_tree){out->dirfd, out->base, out->what, out->depth_max};
}

/* Return the output of PATH (a made-up path until float_finalise()), or NULL. */
struct output *outputs_find(const struct outputs *o, const char *path);

/* Return what the store is told of OUT. The result points into OUT. */
struct store_registration output_registration(const struct output *out, const char *deriver);

/* Sign all outputs by the keys of the setting secret-key-files. */
int outputs_sign(struct outputs *o, const struct settings *s, struct err *e) MUST_CHECK;

/* ---- hook/outputs/copy.c: outputs that are copied before they are believed ---- */

/* Find out whether outputs can be renamed into the store. */
int outputs_compare_mounts(struct outputs *o, const struct outputs_job *job,
			   struct err *e) MUST_CHECK;
/* Tell whether OUT must be copied: it is a fixed output, or cannot be renamed into the store. */
bool outputs_needs_copy(const struct outputs *o, const struct output *out);
/*
 * Copy OUT, with canonical metadata, into a directory that no build ever had open. OUT is the copy
 * from then on. Its digest is computed from the bytes copied, and SCAN gets them, too.
 */
int outputs_copy(struct outputs *o, struct output *out, const struct outputs_job *job,
		 struct refscan *scan, struct err *e) MUST_CHECK;
/* Make the directory for copies, if it is not made yet. */
int outputs_open_copies(struct outputs *o, const struct outputs_job *job, struct err *e) MUST_CHECK;
/* Remove the directory for copies with what is left in it. */
int outputs_drop_copies(struct outputs *o, const struct outputs_job *job, struct err *e) MUST_CHECK;

/* ---- hook/outputs/fixed.c ---- */

/*
 * Refuse a content-addressed output with the method flat or text that was not left as a plain,
 * non-executable file. QUOTE: settings_quote().
 */
int fixed_check_kind(const struct output *out, const char *quote, struct err *e) MUST_CHECK;
/* Compute the hash of OUT by the method and the algorithm that its derivation declares. */
int output_content_hash(const struct output *out, struct hash *ret, struct err *e) MUST_CHECK;
/*
 * Compare the hash of a fixed output with the declared one, refuse references, and set OUT's
 * content address. Other outputs are left alone.
 */
int fixed_check(struct output *out, const char *drv_path, struct err *e) MUST_CHECK;

/* ---- hook/outputs/keep_mismatched.c ---- */

/*
 * After fixed_check() has refused an output for its hash: register it under the path that its real
 * hash gives. If that fails, a warning says so.
 */
void outputs_keep_mismatched(struct outputs *o, const struct outputs_job *job);

/* ---- hook/outputs/sort.c ---- */

/*
 * Refuse cycles among the references of the outputs; DRV_PATH is for the message. RET_ORDER gets
 * the indices of all O->n outputs, each after the outputs that it refers to.
 */
int outputs_sort(const struct outputs *o, const char *drv_path, size_t *ret_order,
		 struct err *e) MUST_CHECK;

/* ---- hook/outputs/floating.c ---- */

/* Compute O->drv_hash, by which realisations name the derivation. */
int float_open(struct outputs *o, const struct outputs_job *job, struct err *e) MUST_CHECK;
/*
 * Set *RET_PATH (heap) to the path at which the build has left the output DECL. If DECL is not
 * wanted and was realised before, that is noted in O, and *RET_PATH is NULL.
 */
int float_collect(struct outputs *o, const struct outputs_job *job, const struct drv_output *decl,
		  char **ret_path, struct err *e) MUST_CHECK;
/* Give all outputs, in ORDER, their final paths, contents and locks. */
int float_finalise(struct outputs *o, const struct outputs_job *job, const size_t *order,
		   struct err *e) MUST_CHECK;
/* Find out which outputs are valid already, and make the realisations to register. */
int outputs_realise(struct outputs *o, const struct outputs_job *job, struct err *e) MUST_CHECK;

/* ---- hook/outputs/allowed.c ---- */

/* Check allowedReferences, allowedRequisites, disallowed*, outputChecks, max[Closure]Size. */
int outputs_check_allowed(const struct outputs *o, const struct attrs *a, struct store *st,
			  struct err *e) MUST_CHECK;

/* ---- hook/outputs/publish.c ---- */

/* Move all outputs into the store and register them, except those with `skip`. */
int outputs_publish(const struct outputs *o, const struct outputs_job *job,
		    struct err *e) MUST_CHECK;

#endif

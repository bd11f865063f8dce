/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/outputs/outputs_internal.h: the steps of outputs_register(), each a part for tests.
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
	const struct drv_output *decl; /* the derivation's */
	const char *path;              /* full path: decl's, or made_up, or final */
	char *made_up;                 /* a floating one's path while it was built, else NULL */
	char *final;                   /* its path after float_finalise() */
	bool skip;                     /* that is valid already */
	const char *base;              /* its base name, in path */
	char *what;                    /* where the build left it, for messages */
	struct stat left;              /* as the build left it */
	int dirfd;                     /* where it is now, under its base name: not its own */
	unsigned depth_max;            /* of its NAR, or of a git tree */
	struct nar_digest digest;
	struct strv refs;      /* full paths, sorted, self included */
	struct strv discarded; /* what refs were, where unsafeDiscardReferences is told */
	struct strv sigs;
	char *ca;
	struct drv drv; /* what it says, where it is a derivation itself: */
	bool is_drv;
	bool mismatched;    /* a fixed output without references, whose hash is another one: */
	struct hash actual; /* this one */
};

struct outputs {
	struct output *items; /* sorted by output name */
	size_t n;
	bool other_mount; /* the build's outputs cannot be renamed into the store */
	int copies_fd;    /* directory of our own for copies, -1 while there is none */
	char *copies_path;
	/* Of floating outputs (hook/outputs/floating.c), and of realisations: */
	char drv_hash[HASH_TEXT_MAX];  /* the derivation's, by which they are known */
	struct strv known_from, known; /* outputs realised before: path in this build, real path */
	struct store_realisation *reals;
	struct strv *real_sigs; /* of reals */
	size_t n_reals;
	struct pathlock *locks;
	size_t n_locks;
};
#define OUTPUTS_INIT                            \
	{                                       \
		.items = NULL, .copies_fd = -1, \
	}
void outputs_done(struct outputs *o);
#define scoped_outputs __attribute__((cleanup(outputs_done)))

/* The one of PATH, or NULL. Before float_finalise() a floating one's path is made up. */
struct output *outputs_find(const struct outputs *o, const char *path);

/* What the store is told of OUT, which it points into. */
struct store_registration output_registration(const struct output *out, const char *deriver);

/* Sign all by the keys of the setting secret-key-files. */
int outputs_sign(struct outputs *o, const struct settings *s, struct err *e) MUST_CHECK;

/* ---- hook/outputs/copy.c: outputs that have to be copied before they are ours ---- */

/* Find out whether outputs can be renamed into the store. */
int outputs_compare_mounts(struct outputs *o, const struct outputs_job *job,
			   struct err *e) MUST_CHECK;
/* Fixed outputs always; all where they cannot be renamed. */
bool outputs_needs_copy(const struct outputs *o, const struct output *out);
/*
 * Copy OUT, canonical, to a directory that no build ever had open; it is there from then on. Its
 * digest is that of the copy, and SCAN is fed with it.
 */
int outputs_copy(struct outputs *o, struct output *out, const struct outputs_job *job,
		 struct refscan *scan, struct err *e) MUST_CHECK;
/* Have that directory. */
int outputs_open_copies(struct outputs *o, const struct outputs_job *job, struct err *e) MUST_CHECK;
/* Remove that directory with what is left in it. */
int outputs_drop_copies(struct outputs *o, const struct outputs_job *job, struct err *e) MUST_CHECK;

/* ---- hook/outputs/fixed.c ---- */

/*
 * Refuse a flat fixed output that is no plain file, as the build left it. QUOTE: settings_quote()
 */
int fixed_check_kind(const struct output *out, const char *quote, struct err *e) MUST_CHECK;
/* The hash of OUT that its declaration is about: by its method and its algorithm. */
int output_content_hash(const struct output *out, struct hash *ret, struct err *e) MUST_CHECK;
/* Compare the declared hash, refuse references, set OUT's content address. Others: nothing. */
int fixed_check(struct output *out, const char *drv_path, struct err *e) MUST_CHECK;

/* ---- hook/outputs/keep_mismatched.c ---- */

/*
 * After fixed_check() has refused one for its hash: register what was built under the path that
 * its real hash gives. Where that cannot be, a warning says so.
 */
void outputs_keep_mismatched(struct outputs *o, const struct outputs_job *job);

/* ---- hook/outputs/sort.c ---- */

/*
 * Refuse cycles among the references of the outputs; DRV_PATH is for the message. RET_ORDER: places
 * of O->n outputs, each after those that it refers to.
 */
int outputs_sort(const struct outputs *o, const char *drv_path, size_t *ret_order,
		 struct err *e) MUST_CHECK;

/* ---- hook/outputs/floating.c ---- */

/* Before the outputs are collected: by what hash the derivation is known. */
int float_open(struct outputs *o, const struct outputs_job *job, struct err *e) MUST_CHECK;
/* *RET_PATH (heap): where the build has left DECL; NULL: that is not wanted, O knows its path. */
int float_collect(struct outputs *o, const struct outputs_job *job, const struct drv_output *decl,
		  char **ret_path, struct err *e) MUST_CHECK;
/* Give all outputs, in ORDER, their final paths, contents and locks. */
int float_finalise(struct outputs *o, const struct outputs_job *job, const size_t *order,
		   struct err *e) MUST_CHECK;
/* Just before they are published: what is valid already, and what is to be registered besides. */
int outputs_realise(struct outputs *o, const struct outputs_job *job, struct err *e) MUST_CHECK;

/* ---- hook/outputs/allowed.c ---- */

/* allowedReferences, allowedRequisites, disallowed*, outputChecks, maxSize, maxClosureSize. */
int outputs_check_allowed(const struct outputs *o, const struct attrs *a, struct store *st,
			  struct err *e) MUST_CHECK;

/* ---- hook/outputs/publish.c ---- */

/* Move everything into the store and register it. */
int outputs_publish(const struct outputs *o, const struct outputs_job *job,
		    struct err *e) MUST_CHECK;

#endif

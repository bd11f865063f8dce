/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The paths of a derivation's outputs, computed from derivations alone (Nix's
 * hashDerivationModulo(), checkInvariants()).
 *
 * The hash of a derivation "modulo fixed outputs" is the hash of its text in which the path of each
 * input derivation is replaced by the hash of that derivation. So it depends on all inputs, on
 * their inputs, and so on. Of a fixed input only the hash of its output counts, however the output
 * is fetched. Several inputs of one hash become one. To compute its own output paths, a derivation
 * is hashed with these paths left blank ("masked"), also in the environment.
 *
 * The graph of inputs is walked with a stack on the heap, because a stranger's derivations may be
 * of any depth.
 */
#include "hook/drv/derivation.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "hook/drv/derivation_internal.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Most derivations of a closure; nixpkgs has fewer in all. */
#define CLOSURE_MAX (1u << 20)

/* An input derivation that was read. */
struct known {
	char *path;
	struct strv outputs; /* names of the outputs */
	bool done;           /* the hash is known; false: the derivation is on the stack */
	bool deferred; /* paths of its outputs, and so its hash, are known after a build only */
	struct hash hash;
};

/* A derivation whose inputs are being walked. */
struct frame {
	struct drv drv;
	struct known *known; /* where the result goes */
	size_t next;         /* number of the input to look at next */
};

struct walk {
	const char *store_dir;
	drv_reader *read;
	void *ctx;
	void *known; /* tsearch(3) of struct known by path */
	size_t n_known;
	struct frame *stack;
	size_t n_stack, stack_cap;
};

static int compare_known(const void *a, const void *b)
{
	return strcmp(((const struct known *)a)->path, ((const struct known *)b)->path);
}

static void known_free(void *p)
{
	struct known *k = p;

	free(k->path);
	strv_done(&k->outputs);
	free(k);
}

static void walk_done(struct walk *w)
{
	tdestroy(w->known, known_free);
	for (size_t i = 0; i < w->n_stack; i++)
		drv_done(&w->stack[i].drv);
	free(w->stack);
}
#define scoped_walk __attribute__((cleanup(walk_done)))

/* Return the input derivation PATH. NULL: it was not read yet. */
static struct known *known(const struct walk *w, char *path)
{
	const struct known key = {.path = path};
	struct known *const *node = tfind(&key, &w->known, compare_known);

	return node ? *node : NULL;
}

/* Remember that D, the derivation PATH, was read. NULL: *E. */
static struct known *add_known(struct walk *w, const char *path, const struct drv *d, struct err *e)
{
	struct known *k;

	if (w->n_known >= CLOSURE_MAX) {
		err_set(e, ERR_LIMIT, "it has more than %u input derivations", CLOSURE_MAX);
		return NULL;
	}
	k = mem_new(1, sizeof *k, e);
	if (!k)
		return NULL;
	k->path = str_dup(path, e);
	for (size_t i = 0; k->path && i < d->n_outputs; i++)
		if (strv_add(&k->outputs, d->outputs[i].name, e) < 0)
			break;
	if (!err_is_set(e) && !tsearch(k, &w->known, compare_known))
		err_memory(e);
	if (err_is_set(e)) {
		known_free(k);
		return NULL;
	}
	w->n_known++;
	return k;
}

/* Inputs of a derivation with hashes in place of their paths, for drv_print_as(). */
struct replaced {
	struct drv_input *items;
	size_t n, cap;
	bool deferred; /* an input is deferred */
};

static void replaced_done(struct replaced *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->items[i].path);
		drv_node_done(&r->items[i].node);
	}
	free(r->items);
}
#define scoped_replaced __attribute__((cleanup(replaced_done)))

/* Digits of a hash. All hashes have as many, so a name can follow a hash without a separator. */
#define HEX_LEN ((size_t)64)

/*
 * Append to RET the hash of each input of D and the name of the wanted output, as one string for
 * each wanted output. *RET_DEFERRED becomes true if an input is deferred.
 */
static int list_wanted(const struct walk *w, const struct drv *d, struct strv *ret,
		       bool *ret_deferred, struct err *e)
{
	for (size_t i = 0; i < d->n_inputs; i++) {
		const struct drv_input *in = &d->inputs[i];
		const struct known *k = known(w, in->path);
		char hex[HASH_TEXT_MAX];

		*ret_deferred |= k->deferred;
		hash_print(&k->hash, HASH_BASE16, false, hex);
		for (size_t o = 0; o < in->node.outputs.n; o++) {
			const char *name = in->node.outputs.items[o];

			if (!strv_has_sorted(&k->outputs, name))
				return err_set(e, ERR_INPUT,
					       "no hash for output '%s' of derivation '%s'", name,
					       in->path);
			if (strv_addf(ret, e, "%s%s", hex, name) < 0)
				return -1;
		}
	}
	return 0;
}

/* Fill R with the inputs of D, which are all known, sorted by hash. */
static int replace(const struct walk *w, const struct drv *d, struct replaced *r, struct err *e)
{
	scoped_strv struct strv wanted = STRV_INIT;

	if (list_wanted(w, d, &wanted, &r->deferred, e) < 0)
		return -1;
	strv_sort(&wanted);
	strv_uniq(&wanted);
	for (size_t i = 0; i < wanted.n; i++) {
		const char *s = wanted.items[i];

		if (r->n == 0 || memcmp(r->items[r->n - 1].path, s, HEX_LEN) != 0) {
			if (mem_grow(&r->items, &r->cap, r->n + 1, sizeof *r->items, e) < 0)
				return -1;
			char *hex = str_ndup(s, HEX_LEN, e);
			if (!hex)
				return -1;
			r->items[r->n++] = (struct drv_input){.path = hex};
		}
		if (strv_add(&r->items[r->n - 1].node.outputs, s + HEX_LEN, e) < 0)
			return -1;
	}
	return 0;
}

/* Compute the hash by which a derivation with the fixed output O counts as an input. */
static int hash_fixed(const struct drv_output *o, struct hash *ret, struct err *e)
{
	scoped_free char *text =
		str_fmt(e, "fixed:out:%s:%s:%s", o->hash_algo, o->hash_text, o->path);

	return text ? hash_bytes(HASH_SHA256, text, strlen(text), ret, e) : -1;
}

/* Compute the hash of D, whose inputs are all known. */
static int hash_modulo(const struct walk *w, const struct drv *d, bool mask, struct hash *ret,
		       bool *ret_deferred, struct err *e)
{
	scoped_replaced struct replaced r = {.items = NULL};
	scoped_buf struct buf b = BUF_INIT(2 * DRV_BYTES_MAX);

	if (replace(w, d, &r, e) < 0 || drv_print_as(d, r.items, r.n, mask, &b, e) < 0 ||
	    hash_bytes(HASH_SHA256, b.data, b.len, ret, e) < 0)
		return -1;
	*ret_deferred = r.deferred || d->outputs[0].kind != DRV_INPUT_ADDRESSED;
	return 0;
}

/* Read the input PATH. If it is fixed, its hash is known at once, else it is put on the stack. */
static int enter(struct walk *w, const char *path, struct err *e)
{
	scoped_drv struct drv d = DRV_INIT;
	struct known *k;

	if (w->read(w->ctx, path, &d, e) < 0)
		return -1;
	k = add_known(w, path, &d, e);
	if (!k)
		return -1;
	if (drv_is_fixed(&d)) {
		k->done = true;
		return hash_fixed(&d.outputs[0], &k->hash, e);
	}
	if (mem_grow(&w->stack, &w->stack_cap, w->n_stack + 1, sizeof *w->stack, e) < 0)
		return -1;
	w->stack[w->n_stack++] = (struct frame){.drv = TAKE(d, (struct drv)DRV_INIT), .known = k};
	return 0;
}

/*
 * Enter the next input of D that is not known.
 * Returns 1: entered; 0: all inputs are known; -1: *E.
 */
static int enter_next(struct walk *w, const struct drv *d, size_t *next, struct err *e)
{
	for (; *next < d->n_inputs; ++*next) {
		char *path = d->inputs[*next].path;
		const struct known *k = known(w, path);

		if (!k)
			return enter(w, path, e) < 0 ? -1 : 1;
		if (!k->done)
			return err_set(e, ERR_INPUT, "derivation '%s' is an input of itself", path);
	}
	return 0;
}

/* Hash all input derivations of D, and the inputs of these. */
static int walk_inputs(struct walk *w, const struct drv *d, struct err *e)
{
	size_t next = 0;
	int rc;

	for (;;) {
		struct frame *top = w->n_stack ? &w->stack[w->n_stack - 1] : NULL;

		rc = enter_next(w, top ? &top->drv : d, top ? &top->next : &next, e);
		if (rc < 0)
			return -1;
		if (rc > 0)
			continue;
		if (!top)
			return 0;
		if (hash_modulo(w, &top->drv, false, &top->known->hash, &top->known->deferred, e) <
		    0)
			return -1;
		top->known->done = true;
		drv_done(&top->drv);
		w->n_stack--;
	}
}

static int check_path(const struct drv *d, const struct drv_output *o, const struct hash *h,
		      const char *store_dir, struct err *e)
{
	scoped_free char *name = storepath_output_name(d->name, o->name, e);
	scoped_free char *type = name ? str_fmt(e, "output:%s", o->name) : NULL;
	scoped_free char *path = type ? storepath_make(type, h, store_dir, name, e) : NULL;

	if (!path)
		return -1;
	if (!str_eq(path, o->path))
		return err_set(e, ERR_INPUT, "derivation has incorrect output '%s', should be '%s'",
			       o->path, path);
	return 0;
}

static int check_env(const struct drv *d, const struct drv_output *o, struct err *e)
{
	size_t len;
	const char *v = drv_env(d, o->name, &len);

	if (!v)
		return err_set(e, ERR_INPUT,
			       "derivation has missing environment variable '%s', should be '%s' "
			       "but is not present",
			       o->name, o->path);
	if (len != strlen(o->path) || memcmp(v, o->path, len) != 0)
		return err_set(e, ERR_INPUT,
			       "derivation has incorrect environment variable '%s', should be '%s' "
			       "but is actually '%s'",
			       o->name, o->path, v);
	return 0;
}

static int check(const struct drv *d, struct walk *w, struct err *e)
{
	struct hash h;
	bool deferred;

	if (d->outputs[0].kind == DRV_INPUT_ADDRESSED) {
		if (walk_inputs(w, d, e) < 0 || hash_modulo(w, d, true, &h, &deferred, e) < 0)
			return -1;
		if (deferred)
			return err_set(e, ERR_INPUT,
				       "it has output paths, although the paths of an input are "
				       "known only after a build");
	}
	for (size_t i = 0; i < d->n_outputs; i++) {
		const struct drv_output *o = &d->outputs[i];

		if (o->kind == DRV_INPUT_ADDRESSED && check_path(d, o, &h, w->store_dir, e) < 0)
			return -1;
		if (o->path && check_env(d, o, e) < 0)
			return -1;
	}
	return 0;
}

static int check_named(const struct drv *d, struct walk *w, struct err *e)
{
	if (check(d, w, e) < 0)
		return err_wrap(e, "while checking derivation '%s'", d->path ? d->path : d->name);
	return 0;
}

int drv_check_invariants(const struct drv *d, const char *store_dir, drv_reader *read, void *ctx,
			 struct err *e)
{
	scoped_walk struct walk w = {.store_dir = store_dir, .read = read, .ctx = ctx};

	return check_named(d, &w, e);
}

struct drv_checker {
	struct walk w;
};

struct drv_checker *drv_checker_new(const char *store_dir, drv_reader *read, void *ctx,
				    struct err *e)
{
	struct drv_checker *c = mem_new(1, sizeof *c, e);

	if (c)
		c->w = (struct walk){.store_dir = store_dir, .read = read, .ctx = ctx};
	return c;
}

int drv_checker_check(struct drv_checker *c, const struct drv *d, struct err *e)
{
	return check_named(d, &c->w, e);
}

void drv_checker_free(struct drv_checker *c)
{
	if (!c)
		return;
	walk_done(&c->w);
	free(c);
}

int drv_hash_modulo(const struct drv *d, const char *store_dir, drv_reader *read, void *ctx,
		    struct hash *ret, struct err *e)
{
	scoped_walk struct walk w = {.store_dir = store_dir, .read = read, .ctx = ctx};
	bool deferred;

	if (drv_is_fixed(d))
		return hash_fixed(&d->outputs[0], ret, e);
	if (walk_inputs(&w, d, e) < 0 || hash_modulo(&w, d, true, ret, &deferred, e) < 0)
		return err_wrap(e, "hashing derivation '%s'", d->path ? d->path : d->name);
	return 0;
}

char *drv_build_path(const struct drv *d, const struct drv_output *o, const char *store_dir,
		     struct err *e)
{
	/* As Nix's makeFallbackPath(): instead of a hash of contents it takes all zeroes. */
	const struct hash zeroes = {.algo = HASH_SHA256};

	if (o->path)
		return str_dup(o->path, e);
	if (!d->path) {
		err_set(e, ERR_INPUT,
			"output '%s' has no path yet, and none can be made, because the derivation "
			"has no path",
			o->name);
		return NULL;
	}
	scoped_free char *name = storepath_output_name(d->name, o->name, e);
	if (!name)
		return NULL;
	scoped_free char *type = str_fmt(e, "rewrite:%s:name:%s", str_base(d->path), o->name);
	if (!type)
		return NULL;
	return storepath_make(type, &zeroes, store_dir, name, e);
}

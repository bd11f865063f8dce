/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/job/decide.h"

#include <errno.h>
#include <sys/stat.h>

#include "hook/request/builtin_program.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/*
 * Features that the hook offers on every machine. The feature uid-range is not among them, because
 * it makes everybody who may start a build root of 65536 ids with all capabilities. So the machine
 * must offer it, in the setting system-features.
 */
static const char *const own_features[] = {"ca-derivations"};

static int system_is_ours(const char *system, const struct settings *s, bool *ret, struct err *e)
{
	scoped_strv struct strv systems = STRV_INIT;

	if (settings_list(s, "system", &systems, e) < 0 ||
	    settings_list(s, "extra-platforms", &systems, e) < 0)
		return -1;
	*ret = strv_has(&systems, system);
	return 0;
}

/* Set *RET to the first feature in WANTED that this machine does not offer, or to NULL. */
static int missing_feature(const struct decide_here *here, const struct strv *wanted,
			   const char **ret, struct err *e)
{
	scoped_strv struct strv have = STRV_INIT;

	if (store_features(here->store, here->settings, &have, e) < 0 ||
	    policy_features(here->policy, &have, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(own_features); i++)
		if (strv_add(&have, own_features[i], e) < 0)
			return -1;
	*ret = NULL;
	for (size_t i = 0; i < wanted->n && !*ret; i++)
		if (!strv_has(&have, wanted->items[i]))
			*ret = wanted->items[i];
	return 0;
}

/* Like store_is_valid(), but without opening the database if there is no file at PATH. */
static int there_and_valid(struct store *st, const char *path, struct err *e)
{
	scoped_free char *real = store_real_path(st, path, e);
	struct stat sb;

	if (!real)
		return -1;
	return lstat(real, &sb) < 0 && errno == ENOENT ? 0 : store_is_valid(st, path, e);
}

/*
 * Tell whether all outputs are valid already. With --check and no local jobs, Nix up to 2.26 offers
 * such derivations. The hook would have nothing to register, and Nix makes the comparison itself.
 */
static int all_valid(const struct drv *d, struct store *st, bool *ret, struct err *e)
{
	for (size_t i = 0; i < d->n_outputs; i++) {
		/* Nix looks up itself whether a floating output was built before. */
		int valid = d->outputs[i].path ? there_and_valid(st, d->outputs[i].path, e) : 0;

		if (valid < 0)
			return -1;
		if (!valid) {
			*ret = false;
			return 0;
		}
	}
	*ret = true;
	return 0;
}

/* Append to WHY why D, whose output paths are not known, cannot be built; nothing: it can. */
static int decide_floating(const struct drv *d, struct store *st, struct buf *why, struct err *e)
{
	int place;

	/* Nix looks its outputs up afterwards, and records none for an impure derivation. */
	if (drv_is_impure(d))
		return buf_addf(why, e, "it is impure, and Nix takes those from no hook");
	if (!drv_is_floating(d))
		return buf_addf(why, e, "its output paths are not known before the build");
	place = store_has_realisations(st, e);
	if (place < 0)
		return -1;
	return place ? 0
		     : buf_addf(why, e,
				"Nix's database has no known place for what its outputs turn out "
				"to be");
}

/* Return the first output whose hash this program cannot compute, or NULL. */
static const struct drv_output *unknown_hash(const struct drv *d)
{
	for (size_t i = 0; i < d->n_outputs; i++) {
		const struct drv_output *o = &d->outputs[i];

		if ((o->kind == DRV_FIXED || o->kind == DRV_FLOATING) && !hash_algo_works(o->algo))
			return o;
	}
	return NULL;
}

int decide(const struct decide_here *here, const struct proto_try *t, const struct drv *d,
	   enum decision *ret, struct buf *why, struct err *e)
{
	struct store *st = here->store;
	const char *feature = NULL;
	bool ours = false, valid = false;

	*ret = DECIDE_DECLINE;
	/* Also where `bundle-dir` is elsewhere, because inputs are mounted from the store. */
	if (!str_is_utf8(st->real_dir))
		return buf_addf(why, e,
				"the store directory '%s' is not UTF-8, and no OCI runtime can be "
				"told of such a path",
				st->real_dir);
	if (drv_is_builtin(d) && !builtin_name(d))
		return buf_addf(why, e, "'%s' is a builder of Nix's own", d->builder);
	if (system_is_ours(t->system, here->settings, &ours, e) < 0)
		return -1;
	/* A builtin builder runs on every machine, whatever system the derivation names. */
	if (!ours && !drv_is_builtin(d)) {
		*ret = DECIDE_FOREIGN;
		return buf_addf(why, e, "this machine does not build for '%s'", t->system);
	}
	/* Nix may have this feature though its setting does not name it. */
	if (strv_has(&t->features, "recursive-nix"))
		return buf_addf(why, e, "it wants Nix inside ('recursive-nix')");
	if (missing_feature(here, &t->features, &feature, e) < 0)
		return -1;
	if (feature) {
		*ret = DECIDE_FOREIGN;
		return buf_addf(why, e, "the feature '%s' is not in 'system-features'", feature);
	}
	if (!drv_paths_known(d) && (decide_floating(d, st, why, e) < 0 || why->len))
		return err_is_set(e) ? -1 : 0;
	const struct drv_output *o = unknown_hash(d);
	if (o)
		return buf_addf(why, e,
				"output '%s' is hashed by '%s', and nix-oci-hook was built without "
				"it",
				o->name, hash_algo_name(o->algo));
	if (drv_env_bool(d, "__noChroot"))
		return buf_addf(why, e, "it asks for no sandbox ('__noChroot')");
	if (all_valid(d, st, &valid, e) < 0)
		return -1;
	if (valid)
		return buf_addf(why, e, "all its outputs are valid already");
	*ret = DECIDE_ACCEPT;
	return 0;
}

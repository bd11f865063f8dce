/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/outputs/outputs_internal.h"

#include <stdlib.h>
#include <unistd.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

void outputs_done(struct outputs *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->items[i].what);
		free(o->items[i].ca);
		free(o->items[i].made_up);
		free(o->items[i].final);
		strv_done(&o->items[i].refs);
		strv_done(&o->items[i].discarded);
		strv_done(&o->items[i].sigs);
		drv_done(&o->items[i].drv);
	}
	free(o->items);
	free(o->copies_path);
	if (o->copies_fd >= 0)
		close(o->copies_fd);
	strv_done(&o->known_from);
	strv_done(&o->known);
	for (size_t i = 0; i < o->n_reals; i++)
		strv_done(&o->real_sigs[i]);
	free(o->reals);
	free(o->real_sigs);
	for (size_t i = 0; i < o->n_locks; i++)
		pathlock_done(&o->locks[i]);
	free(o->locks);
	*o = (struct outputs)OUTPUTS_INIT;
}

struct output *outputs_find(const struct outputs *o, const char *path)
{
	for (size_t i = 0; i < o->n; i++)
		if (str_eq(o->items[i].path, path))
			return &o->items[i];
	return NULL;
}

struct store_registration output_registration(const struct output *out, const char *deriver)
{
	return (struct store_registration){
		.path = out->path,
		.nar_sha256 = out->digest.sha256,
		.nar_size_bytes = out->digest.size_bytes,
		.deriver = deriver,
		.refs = &out->refs,
		.ca = out->ca,
		.sigs = &out->sigs,
		.drv = out->is_drv ? &out->drv : NULL,
	};
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/nonix/narinfos.h"

#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

int narinfo_from_registered(struct narinfo *n, const char *path, const struct store_path_info *i,
			    struct err *e)
{
	n->store_path = str_dup(path, e);
	if (!n->store_path)
		return -1;
	n->nar_hash = i->nar_sha256;
	n->nar_size_bytes = i->nar_size_bytes;
	for (size_t r = 0; r < i->refs.n; r++)
		if (strv_add(&n->refs, str_base(i->refs.items[r]), e) < 0)
			return -1;
	strv_sort(&n->refs);
	if (i->ca) {
		n->ca = str_dup(i->ca, e);
		if (!n->ca)
			return -1;
	}
	return 0;
}

int narinfo_register(const struct narinfo *n, const char *deriver, struct store *st, struct err *e)
{
	scoped_strv struct strv refs = STRV_INIT;

	for (size_t i = 0; i < n->refs.n; i++)
		if (strv_addf(&refs, e, "%s/%s", st->dir, n->refs.items[i]) < 0)
			return -1;
	const struct store_registration reg = {
		.path = n->store_path,
		.nar_sha256 = n->nar_hash,
		.nar_size_bytes = n->nar_size_bytes,
		.deriver = deriver,
		.refs = &refs,
		.ca = n->ca,
		.sigs = &n->sigs,
	};
	return store_mem_add(st, &reg, e);
}

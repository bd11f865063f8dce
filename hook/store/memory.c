/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The back-end for a machine without Nix: a table in memory of the valid paths. An entry never
 * changes and is never removed. So a transaction only adds entries, and removes them again if
 * memory runs out.
 */
#include "hook/store/backends_internal.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

struct mem_path {
	char *path;
	struct store_path_info info;
	uint64_t seen; /* number of the last closure walk that found this path */
};

struct store_mem {
	void *paths; /* tsearch(3) of struct mem_path by path */
	uint64_t n_walks;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct mem_path *)a)->path, ((const struct mem_path *)b)->path);
}

static void path_free(void *p)
{
	struct mem_path *mp = p;

	free(mp->path);
	store_path_info_done(&mp->info);
	free(mp);
}

struct store_mem *store_mem_new(struct err *e)
{
	return mem_new(1, sizeof(struct store_mem), e);
}

void store_mem_free(struct store_mem *m)
{
	if (!m)
		return;
	tdestroy(m->paths, path_free);
	free(m);
}

static struct mem_path *find(const struct store_mem *m, const char *path)
{
	const struct mem_path key = {.path = (char *)(uintptr_t)path};
	struct mem_path *const *found = tfind(&key, &m->paths, compare);

	return found ? *found : NULL;
}

static int info_copy(struct store_path_info *to, const struct store_path_info *from, struct err *e)
{
	scoped_store_path_info struct store_path_info i = {
		.nar_sha256 = from->nar_sha256,
		.nar_size_bytes = from->nar_size_bytes,
		.registration_time = from->registration_time,
		.ultimate = from->ultimate,
	};

	if (strv_copy(&i.refs, &from->refs, e) < 0 || strv_copy(&i.sigs, &from->sigs, e) < 0)
		return -1;
	i.deriver = from->deriver ? str_dup(from->deriver, e) : NULL;
	if (from->deriver && !i.deriver)
		return -1;
	i.ca = from->ca ? str_dup(from->ca, e) : NULL;
	if (from->ca && !i.ca)
		return -1;
	*to = i;
	i = (struct store_path_info){0};
	return 0;
}

static int add(struct store_mem *m, const struct store_registration *reg, bool ultimate,
	       struct err *e)
{
	const struct strv none = STRV_INIT;
	const struct store_path_info info = {
		.nar_sha256 = reg->nar_sha256,
		.nar_size_bytes = reg->nar_size_bytes,
		.refs = *reg->refs,
		.deriver = (char *)(uintptr_t)reg->deriver,
		.ca = (char *)(uintptr_t)reg->ca,
		.registration_time = 1,
		.ultimate = ultimate,
		.sigs = reg->sigs ? *reg->sigs : none,
	};
	struct mem_path *p = mem_new(1, sizeof *p, e);

	if (!p)
		return -1;
	p->path = str_dup(reg->path, e);
	if (!p->path || info_copy(&p->info, &info, e) < 0) {
		path_free(p);
		return -1;
	}
	if (!tsearch(p, &m->paths, compare)) {
		path_free(p);
		return err_memory(e);
	}
	return 0;
}

int store_mem_learn(struct store_mem *m, const struct store_registration *reg, struct err *e)
{
	return find(m, reg->path) ? 0 : add(m, reg, false, e);
}

bool store_mem_is_valid(const struct store_mem *m, const char *path)
{
	return find(m, path) != NULL;
}

int store_mem_info(const struct store_mem *m, const char *path, struct store_path_info *ret,
		   struct err *e)
{
	const struct mem_path *p = find(m, path);

	return p ? info_copy(ret, &p->info, e) : store_err_invalid(path, e);
}

/* The paths that a walk has found. It has still to look at the references from `next` on. */
struct todo {
	struct mem_path **items;
	size_t n, cap, next;
};

static int visit(struct store_mem *m, struct todo *t, const char *path, struct err *e)
{
	struct mem_path *p = find(m, path);

	if (!p)
		return store_err_invalid(path, e);
	if (p->seen == m->n_walks)
		return 0;
	p->seen = m->n_walks;
	if (mem_grow(&t->items, &t->cap, t->n + 1, sizeof *t->items, e) < 0)
		return -1;
	t->items[t->n++] = p;
	return 0;
}

static int walk(struct store_mem *m, struct todo *t, const struct strv *paths, struct err *e)
{
	for (size_t i = 0; i < paths->n; i++)
		if (visit(m, t, paths->items[i], e) < 0)
			return -1;
	while (t->next < t->n) {
		const struct strv *refs = &t->items[t->next++]->info.refs;

		for (size_t i = 0; i < refs->n; i++)
			if (visit(m, t, refs->items[i], e) < 0)
				return -1;
	}
	return 0;
}

int store_mem_closure(struct store_mem *m, const struct strv *paths, struct strv *ret,
		      struct err *e)
{
	scoped_strv struct strv found = STRV_INIT;
	struct todo t = {NULL, 0, 0, 0};
	int rc;

	m->n_walks++;
	rc = walk(m, &t, paths, e);
	for (size_t i = 0; rc == 0 && i < t.n; i++)
		rc = strv_add(&found, t.items[i]->path, e);
	free(t.items);
	if (rc < 0)
		return -1;
	strv_sort(&found);
	return strv_copy(ret, &found, e);
}

int store_mem_check(const struct store_mem *m, const struct store_registration *regs, size_t n,
		    struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const struct strv *refs = regs[i].refs;

		if (find(m, regs[i].path))
			return err_set(e, ERR_INPUT, "path '%s' is valid already", regs[i].path);
		for (size_t j = 0; j < refs->n; j++)
			if (!find(m, refs->items[j]) && !store_regs_have(regs, n, refs->items[j]))
				return store_err_invalid(refs->items[j], e);
	}
	return 0;
}

int store_mem_register(struct store_mem *m, const struct store_registration *regs, size_t n,
		       struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (add(m, &regs[i], true, e) == 0)
			continue;
		while (i-- > 0) {
			struct mem_path *p = find(m, regs[i].path);

			tdelete(p, &m->paths, compare);
			path_free(p);
		}
		return -1;
	}
	return 0;
}

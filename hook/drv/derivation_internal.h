/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/drv/derivation_internal.h: what the files of the derivation module share. */
#ifndef HOOK_DRV_DERIVATION_INTERNAL_H
#define HOOK_DRV_DERIVATION_INTERNAL_H

#include "hook/drv/derivation.h"

/* Read the grammar only: order, duplicates and escapes are checked, fields are as they stand. */
int drv_parse_aterm(const char *text, size_t len, struct drv *ret, struct err *e) MUST_CHECK;
/* Find what each field means and whether they fit together; D has its name. */
int drv_check(struct drv *d, const char *store_dir, struct err *e) MUST_CHECK;
/*
 * As drv_print(), with INPUTS (sorted by path) instead of D's own; MASK leaves out the paths of its
 * outputs, in the environment too.
 */
int drv_print_as(const struct drv *d, const struct drv_input *inputs, size_t n_inputs, bool mask,
		 struct buf *b, struct err *e) MUST_CHECK;
void drv_node_done(struct drv_node *n);
/* Byte order, the shorter first: what std::map of Nix sorts by. */
int drv_compare(const char *a, size_t a_len, const char *b, size_t b_len);

#endif

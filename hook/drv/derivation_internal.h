/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/drv/derivation_internal.h: functions that the files of this folder share. */
#ifndef HOOK_DRV_DERIVATION_INTERNAL_H
#define HOOK_DRV_DERIVATION_INTERNAL_H

#include "hook/drv/derivation.h"

/*
 * Read the grammar only: check duplicates and escapes, sort sets, and keep the fields as the text
 * has them.
 */
int drv_parse_aterm(const char *text, size_t len, struct drv *ret, struct err *e) MUST_CHECK;
/*
 * Find the kind of each output, and check that the fields of D fit together. D must have its name.
 */
int drv_check(struct drv *d, const char *store_dir, struct err *e) MUST_CHECK;
/*
 * Append the ATerm form of D with INPUTS (sorted by path) in place of its input derivations. MASK
 * leaves the paths of D's outputs blank, also in the environment.
 */
int drv_print_as(const struct drv *d, const struct drv_input *inputs, size_t n_inputs, bool mask,
		 struct buf *b, struct err *e) MUST_CHECK;
void drv_node_done(struct drv_node *n);
/* Compare by bytes, as Nix's std::map sorts; a prefix comes first. Returns < 0, 0 or > 0. */
int drv_compare(const char *a, size_t a_len, const char *b, size_t b_len);

#endif

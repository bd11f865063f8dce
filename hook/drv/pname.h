/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/drv/pname.h: find the name of a derivation's package. */
#ifndef HOOK_DRV_PNAME_H
#define HOOK_DRV_PNAME_H

#include "hook/drv/attrs.h"
#include "nar/base/err.h"

/*
 * Return the length of NAME without its version. The version follows the first '-' after which
 * comes a character that is no letter. Source: Nix's DrvName in src/libstore/names.cc.
 */
size_t drv_pname_len(const char *name);
/*
 * Return the package name of the derivation of A: its attribute `pname`, or else its name without
 * the version. Heap. NULL: *E.
 */
char *drv_pname(const struct attrs *a, struct err *e) MUST_CHECK;

#endif

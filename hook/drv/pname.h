/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/drv/pname.h: what package a derivation is of, as people call it. */
#ifndef HOOK_DRV_PNAME_H
#define HOOK_DRV_PNAME_H

#include "hook/drv/attrs.h"
#include "nar/base/err.h"

/*
 * Length of the part of NAME before the version: all before the first '-' that a character other
 * than a letter follows. Source: Nix's DrvName in src/libstore/names.cc.
 */
size_t drv_pname_len(const char *name);
/*
 * The package name of the derivation of A: its attribute `pname`, or where it has none, its name
 * without the version. Heap. NULL: *E.
 */
char *drv_pname(const struct attrs *a, struct err *e) MUST_CHECK;

#endif

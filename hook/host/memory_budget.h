/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/host/memory_budget.h: how much memory all builds of this machine may have. */
#ifndef HOOK_HOST_MEMORY_BUDGET_H
#define HOOK_HOST_MEMORY_BUDGET_H

#include <stdint.h>

#include "hook/conf/conf.h"
#include "nar/base/err.h"

/* What /proc/meminfo says, in bytes. */
struct memory_info {
	uint64_t total;     /* MemTotal */
	uint64_t available; /* MemAvailable */
};

int memory_info_read(struct memory_info *ret, struct err *e) MUST_CHECK;
/* Read TEXT, which is as in /proc/meminfo. */
int memory_info_parse(const char *text, struct memory_info *ret, struct err *e) MUST_CHECK;
/*
 * The bytes that AMOUNT stands for: of AMOUNT_AUTO, what is available now or in use by the builds
 * that run (IN_USE bytes), less a tenth of the machine's memory.
 */
uint64_t memory_budget(const struct conf_amount *amount, const struct memory_info *info,
		       uint64_t in_use);

#endif

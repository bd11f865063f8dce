/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/inputs/input_cache_internal.h: the parts of the cache.
 *
 *	input_cache.c       the directory, the run, and entries that are made
 *	input_cache_trim.c  entries that are removed
 *
 * What lies where is told in input_cache.c.
 */
#ifndef HOOK_INPUTS_INPUT_CACHE_INTERNAL_H
#define HOOK_INPUTS_INPUT_CACHE_INTERNAL_H

#include "hook/inputs/input_cache.h"
#include "nar/base/buf.h"

/* 52 digits and a NUL: the name of an entry. */
#define ICACHE_NAME_MAX 53
#define ICACHE_CONTENTS "contents"
#define ICACHE_SIZE "size"
#define ICACHE_USES "uses"
#define ICACHE_BOOT "boot"
/* A UUID and a line feed, with some room. */
#define ICACHE_BOOT_MAX 64

struct icache {
	char *dir;
	uint64_t max_bytes;
	bool sync, pinned, leave_run_dir;
	_Atomic bool grew;
	int entries_fd, making_fd, runs_fd;
	int lock_fd;
	char *run_name;             /* below runs/ */
	char *run_dir;              /* its path */
	char boot[ICACHE_BOOT_MAX]; /* the boot of this machine; "": not known */
	int run_fd;                 /* has the run's flock(2) */
};

void icache_name(const struct hash *sha256, char ret[ICACHE_NAME_MAX]);
/* One process at a time, until icache_unlock(). */
int icache_lock(struct icache *c, struct err *e) MUST_CHECK;
void icache_unlock(struct icache *c);
/* Open run NAME. *RET_ALIVE: somebody holds it; else it is ours until the descriptor is closed. */
int icache_open_run(struct icache *c, const char *name, bool *ret_alive) MUST_CHECK;
/* Move entry NAME away, so that nobody finds it any more, into the run's directory. */
int icache_move_away(struct icache *c, const char *name, struct err *e) MUST_CHECK;

#endif

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
#define INPUT_CACHE_NAME_MAX 53
#define INPUT_CACHE_CONTENTS "contents"
#define INPUT_CACHE_SIZE "size"
#define INPUT_CACHE_USES "uses"
#define INPUT_CACHE_BOOT "boot"
/* A UUID and a line feed, with some room. */
#define INPUT_CACHE_BOOT_MAX 64

struct input_cache {
	char *dir;
	uint64_t max_bytes;
	bool sync, pinned, leave_run_dir;
	_Atomic bool grew;
	int entries_fd, making_fd, runs_fd;
	int lock_fd;
	char *run_name;                  /* below runs/ */
	char *run_dir;                   /* its path */
	char boot[INPUT_CACHE_BOOT_MAX]; /* the boot of this machine; "": not known */
	int run_fd;                      /* has the run's flock(2) */
};

void input_cache_name(const struct hash *sha256, char ret[INPUT_CACHE_NAME_MAX]);
/* One process at a time, until input_cache_unlock(). */
int input_cache_lock(struct input_cache *c, struct err *e) MUST_CHECK;
void input_cache_unlock(struct input_cache *c);
/* Open run NAME. *RET_ALIVE: somebody holds it; else it is ours until the descriptor is closed. */
int input_cache_open_run(struct input_cache *c, const char *name, bool *ret_alive) MUST_CHECK;
/* Move entry NAME away, so that nobody finds it any more, into the run's directory. */
int input_cache_move_away(struct input_cache *c, const char *name, struct err *e) MUST_CHECK;

#endif

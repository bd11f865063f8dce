/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/inputs/input_cache_internal.h: the parts of the cache.
 *
 *	input_cache.c       the directory, the run, and entries that are made
 *	input_cache_trim.c  entries that are removed
 *
 * input_cache.c says how the cache's directory is laid out.
 */
#ifndef HOOK_INPUTS_INPUT_CACHE_INTERNAL_H
#define HOOK_INPUTS_INPUT_CACHE_INTERNAL_H

#include "hook/inputs/input_cache.h"
#include "nar/base/buf.h"

/* An entry's name is 52 digits; with its NUL. */
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
	char *run_name;                  /* of the run's directory in runs/ */
	char *run_dir;                   /* path of the run's directory */
	char boot[INPUT_CACHE_BOOT_MAX]; /* id of this machine's current boot; "": not known */
	int run_fd;                      /* holds the run's flock(2) */
};

/* Print the name of the entry of a hash. */
void input_cache_name(const struct hash *sha256, char ret[INPUT_CACHE_NAME_MAX]);
/* Take the lock of the cache, which one process holds at a time, until input_cache_unlock(). */
int input_cache_lock(struct input_cache *c, struct err *e) MUST_CHECK;
void input_cache_unlock(struct input_cache *c);
/*
 * Open the directory of run NAME, and lock it if the run is dead; *RET_ALIVE says whether it lives.
 * Returns its descriptor; -1: it cannot be opened.
 */
int input_cache_open_run(struct input_cache *c, const char *name, bool *ret_alive) MUST_CHECK;
/* Move entry NAME into the run's directory, where no other process finds it. */
int input_cache_move_away(struct input_cache *c, const char *name, struct err *e) MUST_CHECK;

#endif

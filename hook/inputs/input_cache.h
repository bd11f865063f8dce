/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/inputs/input_cache.h: a cache of unpacked inputs, shared by all builds of a user on this
 * machine.
 *
 *	c = input_cache_open(&options, e)    before the supervisor starts, which keeps it
 *	input_cache_pin(c, hashes, n, e)               all that the run will want, once
 *	while (input_cache_get(c, &item, wait, e) == 0)
 *		...                               another process unpacks it
 *	input_cache_path(c, &hash, e)                  where it is
 *	input_cache_trim(c, e)                         after something was unpacked
 *
 * An entry is known by the SHA-256 of its NAR. It is unpacked by one process, however many want it,
 * and appears, by rename(2), only when it is whole and its hash was found to be the promised one.
 * Its metadata is a store's: modes 0444 and 0555, times 1, owned by the caller. What a run has
 * pinned stays for as long as anybody has input_cache_fd() open.
 *
 * Who changes an entry needs its owner's rights, and builds see it mounted read-only. So what is in
 * an entry is not read again when it is used: an entry is taken for damaged, and unpacked anew,
 * where its top was touched (it is missing, or its mode, owner or time is another), not where
 * something deep in it was. But what was made before the machine was started anew is read and
 * compared once, when it is first asked for: a power cut may have emptied its files.
 *
 * input_cache_get() may be called by several threads at once.
 *
 * The cache need not be on the store's file system. It has to be one where flock(2) works between
 * all who share it.
 */
#ifndef HOOK_INPUTS_INPUT_CACHE_H
#define HOOK_INPUTS_INPUT_CACHE_H

#include <stdint.h>

#include "nar/base/err.h"
#include "nar/dump.h"
#include "nar/hash.h"

struct input_cache;

struct input_cache_options {
	const char *dir;    /* absolute; made if need be */
	uint64_t max_bytes; /* of all entries, counted as NARs; what is pinned may exceed it */
	/*
	 * An entry is on the disk before it appears, and is never compared later: costs a flush or
	 * two of the disk for each.
	 */
	bool sync;
};

/* What shall be there. */
struct input_cache_item {
	const char *what;    /* its path, for messages */
	struct hash sha256;  /* of its NAR, as promised */
	uint64_t size_bytes; /* the same */
	/*
	 * Make it at DIRFD/NAME (TO for messages) with canonical metadata, and tell the digest of
	 * what was written. A failure leaves nothing.
	 */
	int (*fill)(const struct input_cache_item *item, int dirfd, const char *name,
		    const char *to, struct nar_digest *ret, struct err *e);
	const void *ctx; /* fill's own */
};

/*
 * Open or make the cache, and remove what dead runs have left in it. A directory that others could
 * write to is refused. NULL: *E.
 */
struct input_cache *input_cache_open(const struct input_cache_options *o, struct err *e) MUST_CHECK;
/* The lock of this run; who has it open keeps what is pinned. */
int input_cache_fd(const struct input_cache *c);
/* What this run leaves in the cache beside entries: a tree to be removed when it has ended. */
const char *input_cache_run_dir(const struct input_cache *c);
/* From now on somebody else removes that tree. */
void input_cache_leave_run_dir(struct input_cache *c);

/* Keep the entries of these N hashes, whether they are there yet or not. */
int input_cache_pin(struct input_cache *c, const struct hash *const *hashes, size_t n,
		    struct err *e) MUST_CHECK;
/*
 * Have ITEM, which is pinned, in the cache. 1: it is there. 0: another process is unpacking it,
 * only where WAIT is false. -1: *E, and nothing of it is there; contents that are not what was
 * promised are ERR_INPUT.
 */
int input_cache_get(struct input_cache *c, const struct input_cache_item *item, bool wait,
		    struct err *e) MUST_CHECK;
/* Whether it is there, and usable: for who asks before anything is pinned. -1: *E. */
int input_cache_has(struct input_cache *c, const struct hash *sha256, struct err *e) MUST_CHECK;
/* Where an entry is: a directory, a file or a link. Heap. */
char *input_cache_path(const struct input_cache *c, const struct hash *sha256,
		       struct err *e) MUST_CHECK;
/* Has this run unpacked something? */
bool input_cache_grew(const struct input_cache *c);
/* Remove what was not used for longest, and is not pinned by a living run, down to the bound. */
int input_cache_trim(struct input_cache *c, struct err *e) MUST_CHECK;

/* End the run unless others hold input_cache_fd(); remove its tree unless told to leave it. */
void input_cache_free(struct input_cache *c); /* NULL is fine */

#endif

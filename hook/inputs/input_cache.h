/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/inputs/input_cache.h: a cache of unpacked inputs, shared by all builds of a user on this
 * machine.
 *
 *	c = icache_open(&options, e)              before the supervisor starts: it keeps icache_fd()
 *	icache_pin(c, hashes, n, e)               all that the run will want, once
 *	while (icache_get(c, &item, wait, e) == 0)
 *		...                               another process unpacks it
 *	icache_path(c, &hash, e)                  where it is
 *	icache_trim(c, e)                         after something was unpacked
 *
 * An entry is known by the SHA-256 of its NAR. It is unpacked by one process, however many want it,
 * and appears, by rename(2), only when it is whole and its hash was found to be the promised one.
 * Its metadata is a store's: modes 0444 and 0555, times 1, owned by the caller. What a run has
 * pinned stays for as long as anybody has icache_fd() open.
 *
 * Who changes an entry needs its owner's rights, and builds see it mounted read-only. So what is in
 * an entry is not read again when it is used: an entry is taken for damaged, and unpacked anew,
 * where its top was touched (it is missing, or its mode, owner or time is another), not where
 * something deep in it was. But what was made before the machine was started anew is read and
 * compared once, when it is first asked for: a power cut may have emptied its files.
 *
 * icache_get() may be called by several threads at once.
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

struct icache;

struct icache_options {
	const char *dir;    /* absolute; made if need be */
	uint64_t max_bytes; /* of all entries, counted as NARs; what is pinned may exceed it */
	/*
	 * An entry is on the disk before it appears, and is never compared later: costs a flush or
	 * two of the disk for each.
	 */
	bool sync;
};

/* What shall be there. */
struct icache_item {
	const char *what;    /* its path, for messages */
	struct hash sha256;  /* of its NAR, as promised */
	uint64_t size_bytes; /* the same */
	/*
	 * Make it at DIRFD/NAME (TO for messages) with canonical metadata, and tell the digest of
	 * what was written. A failure leaves nothing.
	 */
	int (*fill)(const struct icache_item *item, int dirfd, const char *name, const char *to,
		    struct nar_digest *ret, struct err *e);
	const void *ctx; /* fill's own */
};

/*
 * Open or make the cache, and remove what dead runs have left in it. A directory that others could
 * write to is refused. NULL: *E.
 */
struct icache *icache_open(const struct icache_options *o, struct err *e) MUST_CHECK;
/* The lock of this run; who has it open keeps what is pinned. */
int icache_fd(const struct icache *c);
/* What this run leaves in the cache beside entries: a tree to be removed when it has ended. */
const char *icache_run_dir(const struct icache *c);
/* From now on somebody else removes that tree. */
void icache_leave_run_dir(struct icache *c);

/* Keep the entries of these N hashes, whether they are there yet or not. */
int icache_pin(struct icache *c, const struct hash *const *hashes, size_t n,
	       struct err *e) MUST_CHECK;
/*
 * Have ITEM, which is pinned, in the cache. 1: it is there. 0: another process is unpacking it,
 * only where WAIT is false. -1: *E, and nothing of it is there; contents that are not what was
 * promised are ERR_INPUT.
 */
int icache_get(struct icache *c, const struct icache_item *item, bool wait,
	       struct err *e) MUST_CHECK;
/* Whether it is there, and usable: for who asks before anything is pinned. -1: *E. */
int icache_has(struct icache *c, const struct hash *sha256, struct err *e) MUST_CHECK;
/* Where an entry is: a directory, a file or a link. Heap. */
char *icache_path(const struct icache *c, const struct hash *sha256, struct err *e) MUST_CHECK;
/* Has this run unpacked something? */
bool icache_grew(const struct icache *c);
/* Remove what was not used for longest, and is not pinned by a living run, down to the bound. */
int icache_trim(struct icache *c, struct err *e) MUST_CHECK;

/* Ends the run unless others have icache_fd(), and removes its tree unless told to leave it. */
void icache_free(struct icache *c); /* NULL is fine */

#endif

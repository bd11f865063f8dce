/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/inputs/input_cache.h: a cache of unpacked inputs, shared by all builds of a user on this
 * machine.
 *
 *	c = input_cache_open(&options, e)    makes nothing but the cache
 *	input_cache_run_dir(c)               to be put on the list of what is removed
 *	input_cache_start(c, e)              makes it; the supervisor keeps input_cache_fd(c)
 *	input_cache_pin(c, hashes, n, e)     once, all entries that the run will want
 *	while (input_cache_get(c, &item, wait, e) == 0)
 *		...                             another process unpacks it
 *	input_cache_path(c, &hash, e)        the path of an entry
 *	input_cache_trim(c, e)               after something was unpacked
 *
 * An entry is named by the SHA-256 of its NAR. One process unpacks it, however many want it. It
 * appears, by rename(2), only when it is complete and its hash is the promised one. Its metadata is
 * a store's: modes 0444 and 0555, times 1, owned by the caller. The entries that a run has pinned
 * stay while some process has input_cache_fd() open.
 *
 * Only a process with the owner's rights can change an entry, and builds see it mounted read-only.
 * So its contents are not read again when it is used. It is taken for damaged, and unpacked anew,
 * if its top is missing or has another mode, owner or time. A change deep in it is not noticed. But
 * a power cut may have emptied files of an entry that was made before the machine was started
 * again. Such an entry is compared with its hash once, when it is first wanted.
 *
 * input_cache_get() may be called by several threads at once.
 *
 * The cache need not be on the store's file system. flock(2) must work on its file system between
 * all processes that share it.
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
	uint64_t max_bytes; /* of all entries, counted as NARs; pinned entries may exceed it */
	/*
	 * Write each entry to the disk before it appears; it is never compared later. That costs a
	 * flush or two of the disk for each entry.
	 */
	bool sync;
};

/* An entry that is wanted. */
struct input_cache_item {
	const char *what;    /* its path, for messages */
	struct hash sha256;  /* the promised hash of its NAR */
	uint64_t size_bytes; /* the promised size of its NAR */
	/*
	 * Make the entry's contents at DIRFD/NAME (TO for messages) with canonical metadata, and
	 * set *RET to the digest of what was written. A failure leaves nothing.
	 */
	int (*fill)(const struct input_cache_item *item, int dirfd, const char *name,
		    const char *to, struct nar_digest *ret, struct err *e);
	const void *ctx; /* for fill() */
};

/*
 * Open or make the cache, remove what dead runs have left, and choose a directory for a run. A
 * cache that other users could write to is refused. Returns NULL: *E.
 */
struct input_cache *input_cache_open(const struct input_cache_options *o, struct err *e) MUST_CHECK;
/*
 * Return the path of the run's directory, which is to be removed when the run has ended. It does
 * not exist before input_cache_start().
 */
const char *input_cache_run_dir(const struct input_cache *c);
/* Start the run: make its directory. */
int input_cache_start(struct input_cache *c, struct err *e) MUST_CHECK;
/*
 * Return the descriptor of the run's directory, which holds the run's lock: while it is open in
 * some process, pinned entries stay. -1: the run is not started.
 */
int input_cache_fd(const struct input_cache *c);
/* Leave it to the caller to remove the run's directory. */
void input_cache_leave_run_dir(struct input_cache *c);

/* Keep the entries of the N hashes, whether they exist yet or not. */
int input_cache_pin(struct input_cache *c, const struct hash *const *hashes, size_t n,
		    struct err *e) MUST_CHECK;
/*
 * Make sure that the cache contains ITEM, which must be pinned.
 * Returns 1: it does; 0: another process is unpacking ITEM, and WAIT is false; -1: *E, and ITEM is
 * not there. If its contents are not the promised ones, the error is ERR_INPUT.
 */
int input_cache_get(struct input_cache *c, const struct input_cache_item *item, bool wait,
		    struct err *e) MUST_CHECK;
/*
 * Tell whether the cache contains a usable entry, which need not be pinned.
 * Returns 1: it does; 0: not; -1: *E.
 */
int input_cache_has(struct input_cache *c, const struct hash *sha256, struct err *e) MUST_CHECK;
/* Return the path of an entry's contents, a directory, a file or a link, on the heap. NULL: *E. */
char *input_cache_path(const struct input_cache *c, const struct hash *sha256,
		       struct err *e) MUST_CHECK;
/* Tell whether this run has unpacked something. */
bool input_cache_grew(const struct input_cache *c);
/*
 * Remove entries that no living run has pinned, the one that was not used for longest first, until
 * max_bytes is kept.
 */
int input_cache_trim(struct input_cache *c, struct err *e) MUST_CHECK;

/*
 * Free C, and remove the run's directory unless it was left to the caller. The run goes on while
 * another process has input_cache_fd() open. NULL is fine.
 */
void input_cache_free(struct input_cache *c);

#endif

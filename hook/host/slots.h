/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/host/slots.h: how many builds run at once, over all hooks of this machine, and in which
 * order.
 *
 * Nix does not bound how many hooks it starts. A slot is a lock (flock) on one of N files, so the
 * kernel gives it back when its holder dies, however it dies. Who finds no free slot joins a queue,
 * first come first served, and sleeps until woken: nobody polls. The queue has a bound;
 * SLOTS_FULL tells the caller to postpone instead.
 *
 *	slots_open()  once
 *	slots_enter() before the hook accepts: a slot if one is free, else a place in the queue
 *	slots_wait()  after: until there is a slot
 *	slots_fd()    to a process that keeps the slot after this one is gone
 *	slots_free()  gives back whatever is held
 */
#ifndef HOOK_HOST_SLOTS_H
#define HOOK_HOST_SLOTS_H

#include "hook/conf/conf.h"
#include "nar/base/err.h"

struct slots;
enum slots_result { SLOTS_OK = 0, SLOTS_FULL = 1 };

/*
 * Open (and create) the slots under DIR. N slots (at least 1), at most MAX_QUEUED waiting. NULL: *E
 * names the directory that cannot be used. Processes that disagree on N share the lower slots.
 */
struct slots *slots_open(const char *dir, unsigned n, unsigned max_queued,
			 struct err *e) MUST_CHECK;
/* Take a slot or a place in the queue, without waiting for either. SLOTS_OK, SLOTS_FULL, or -1. */
int slots_enter(struct slots *s, struct err *e) MUST_CHECK;
/*
 * Wait for a slot; needs slots_enter(), whose place in the queue is given up. Returns at once with
 * ERR_STOPPED when STOP_FD (-1: none) becomes readable or hangs up.
 */
int slots_wait(struct slots *s, int stop_fd, struct err *e) MUST_CHECK;
/*
 * The descriptor that holds the slot, -1 while there is none. It stays S's; a copy of it (dup(2),
 * or a child's) holds the slot as well.
 */
int slots_fd(const struct slots *s);
/* Whether slots_wait() would have to wait. */
bool slots_queued(const struct slots *s);
/* NULL is fine. */
void slots_free(struct slots *s);

/*
 * Open the slots of this machine, which all its builds share: `max-jobs` of C, or as many as it has
 * processors. Makes the state directory of C as well. NULL: *E.
 */
struct slots *slots_of_machine(const struct conf *c, struct err *e) MUST_CHECK;

#endif

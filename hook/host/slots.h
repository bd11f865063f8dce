/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/host/slots.h: bound how many builds run at once, over all hooks of this machine, and say in
 * which order they start.
 *
 * Nix does not bound how many hooks it starts. A slot is a lock (flock) on one of N files, so the
 * kernel gives it back when its holder dies, however it dies. A hook that finds no free slot joins
 * a queue, first come first served, and sleeps until the kernel wakes it; no hook looks again and
 * again. The queue is bounded: SLOTS_FULL tells the caller to postpone instead.
 *
 *	slots_open()  once
 *	slots_enter() before the hook accepts: takes a free slot, else a place in the queue
 *	slots_wait()  after it has accepted: waits for a slot
 *	slots_fd()    for the supervisor, which holds the slot after the hook has exited
 *	slots_free()  gives back the slot or the place
 */
#ifndef HOOK_HOST_SLOTS_H
#define HOOK_HOST_SLOTS_H

#include "hook/conf/conf.h"
#include "nar/base/err.h"

struct slots;
enum slots_result { SLOTS_OK = 0, SLOTS_FULL = 1 };

/*
 * Open, and create if need be, N slots (at least 1) in DIR and a queue of at most MAX_QUEUED hooks.
 * Processes that disagree on N share the lower slots.
 * NULL: *E names the directory that cannot be used.
 */
struct slots *slots_open(const char *dir, unsigned n, unsigned max_queued,
			 struct err *e) MUST_CHECK;
/*
 * Take a slot or a place in the queue, without waiting.
 * Returns SLOTS_OK: taken; SLOTS_FULL: no slot is free and the queue is full; -1: *E.
 */
int slots_enter(struct slots *s, struct err *e) MUST_CHECK;
/*
 * Wait for a slot, after slots_enter(). The place in the queue is given up with it. Fails at once
 * with ERR_STOPPED when STOP_FD (-1: none) becomes readable or hangs up.
 */
int slots_wait(struct slots *s, int stop_fd, struct err *e) MUST_CHECK;
/*
 * Return the descriptor that holds the slot; -1: S has no slot. S keeps the descriptor. A copy of
 * it, by dup(2) or in a child, holds the slot as well.
 */
int slots_fd(const struct slots *s);
/* Return the number of the slot that S has, from 0 on; -1: S has no slot. */
int slots_number(const struct slots *s);
/* Tell whether S has a place in the queue, so that slots_wait() has to wait. */
bool slots_queued(const struct slots *s);
/* Give back the slot or the place in the queue, and free S. NULL is fine. */
void slots_free(struct slots *s);

/*
 * Open the slots that all builds of this machine share: C's max-jobs, or as many as there are
 * processors. Creates the state directory of C, too, and checks who may write to it.
 */
struct slots *slots_of_machine(const struct conf *c, struct err *e) MUST_CHECK;

#endif

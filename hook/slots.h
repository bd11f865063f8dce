/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/slots.h: how many builds run at once, over all hooks of this machine, and in which order.
 *
 * Nix does not bound how many hooks it starts. A slot is a lock (flock) on one of N files, so the
 * kernel gives it back when its holder dies, however it dies. Who finds no free slot joins a queue,
 * first come first served, and sleeps until woken: nobody polls. The queue has a bound;
 * SLOTS_FULL tells the caller to postpone instead.
 */
#ifndef HOOK_SLOTS_H
#define HOOK_SLOTS_H

#include "nar/err.h"

struct slots;
enum slots_result { SLOTS_OK = 0, SLOTS_FULL = 1 };

/*
 * Open (and create) the slots under DIR. N slots, at most MAX_QUEUED waiting. NULL: *E names the
 * directory that cannot be used.
 */
struct slots *slots_open(const char *dir, unsigned n, unsigned max_queued, struct err *e) MUST_CHECK;
/* Take a place in the queue, before the hook accepts. SLOTS_OK, SLOTS_FULL, or -1: *E. */
int slots_enter(struct slots *s, struct err *e) MUST_CHECK;
/*
 * Wait for a slot; needs the place of slots_enter(), which is given up. Returns at once with
 * ERR_STOPPED when STOP_FD (-1: none) becomes readable or hangs up.
 */
int slots_wait(struct slots *s, int stop_fd, struct err *e) MUST_CHECK;
/* The descriptor that holds the slot, for a process that keeps it after this one is gone. */
int slots_fd(const struct slots *s);
/* Gives back whatever is held. */
void slots_free(struct slots *s);

#endif

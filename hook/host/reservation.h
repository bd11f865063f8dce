/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/host/reservation.h: start a build only when the memory that it will need is free.
 *
 * Slots bound the number of builds; the key `memory-budget` bounds the sum of their memory. A build
 * that has a slot reserves memory before anything of it starts. It waits while the reservations of
 * the builds that run, or what they really use where that is more, leave too little of the budget.
 *
 * Fair: builds start in the order in which they asked. A build may pass an earlier one only while
 * that does not fit, and only for RESERVATION_PATIENCE_S seconds. A build that is larger than the
 * budget runs alone.
 *
 * The key `load-max` bounds the tasks that run, in the same queue: while the machine has as many,
 * nothing starts beside what runs. The number of tasks is that of this moment, not the load
 * average: that lags behind by a minute, in which builds would start one after the other, and then
 * none although the machine is idle. A build that has just started counts as a task of its own.
 *
 * A reservation is a FIFO that its holder has open for writing (see hook/host/slots.c), so the
 * kernel gives it back when the holder dies, however it dies.
 *
 *	reservation_make()  after slots_wait(): waits until the build may start
 *	reservation_fd()    for the supervisor, which holds the reservation after the hook's exit
 *	reservation_note()  names the build's control group, which tells what the build really uses
 *	reservation_done()  gives it back
 */
#ifndef HOOK_HOST_RESERVATION_H
#define HOOK_HOST_RESERVATION_H

#include <stdint.h>

#include "hook/conf/conf.h"
#include "nar/base/err.h"

/* How long later builds may pass a build that does not fit. */
#define RESERVATION_PATIENCE_S 600

struct reservation {
	char *dir; /* for messages */
	int dirfd; /* -1: nothing is reserved */
	int fd;    /* holds the reservation */
	uint64_t ticket, bytes;
	uint64_t load_max;  /* thousandths of a task; 0: no bound */
	bool runs;          /* the build may start */
	uint64_t waited_ms; /* until it might */
};
#define RESERVATION_INIT              \
	{                             \
		.dirfd = -1, .fd = -1 \
	}

/*
 * Reserve what C says a build needs: `memory-reserve`; or else EXPECTED bytes, where that is not 0;
 * or else `memory-default`. Waits until the build may start. Nothing happens without a
 * `memory-budget`. ERR_STOPPED: STOP_FD (-1: none) became readable or hung up.
 */
int reservation_make(const struct conf *c, uint64_t expected, int stop_fd, struct reservation *ret,
		     struct err *e) MUST_CHECK;
/* The same of BYTES, whatever the keys say. */
int reservation_make_bytes(const struct conf *c, uint64_t bytes, int stop_fd,
			   struct reservation *ret, struct err *e) MUST_CHECK;
/* The descriptor that holds the reservation, or -1. It stays R's; a copy of it holds as well. */
int reservation_fd(const struct reservation *r);
/* Tell those who wait that the control group in directory GROUP is the build's. */
int reservation_note(const struct reservation *r, const char *group, struct err *e) MUST_CHECK;
/* A cleared reservation is fine. */
void reservation_done(struct reservation *r);
#define scoped_reservation __attribute__((cleanup(reservation_done)))

#endif

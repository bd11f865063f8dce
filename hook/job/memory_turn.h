/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/job/memory_turn.h: let a build wait until the memory that it will need is free. */
#ifndef HOOK_JOB_MEMORY_TURN_H
#define HOOK_JOB_MEMORY_TURN_H

#include "hook/conf/conf.h"
#include "hook/drv/derivation.h"
#include "hook/host/reservation.h"
#include "hook/job/reporting.h"
#include "nar/base/err.h"

/*
 * Reserve memory for a build of D: `memory-reserve` of C; or else what the journal says that the
 * last builds of the same package needed, and a tenth more; or else `memory-default`. Where
 * `oom-retry` allows, the `memory-max` of C, which is of this build alone, becomes what the last
 * build was given after it had run out of memory. R gets the time that the build waited. STOP_FD is
 * as for reservation_make().
 */
int memory_turn(struct conf *c, const struct drv *d, int stop_fd, struct reporting *r,
		struct reservation *ret, struct err *e) MUST_CHECK;

#endif

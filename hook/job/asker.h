/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/job/asker.h: the Nix process that started this hook, and what it can take.
 *
 * Nix holds five descriptors for each accepted build of one output (three ends of pipes, the log,
 * the output's lock): also for one that waits, and for one that has ended as long as Nix goes on
 * asking about others. Where it has no more, the whole nix-build ends with "Too many open files".
 */
#ifndef HOOK_JOB_ASKER_H
#define HOOK_JOB_ASKER_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Tell whether process PID, the parent of this one, can take another build: it has used less than
 * seven eighths of the descriptors that it may have. The rest is for what Nix does besides:
 * downloads, builds of its own. True where that cannot be known, and where PID has no other child,
 * as then it would have to wait for ever.
 */
bool asker_has_room(pid_t pid);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/job/asker.h: the Nix process that started this hook, and what it can take.
 *
 * Nix holds five descriptors for each accepted build of one output: three ends of pipes, the log,
 * the output's lock. It holds them also for a build that waits, and, while it goes on asking about
 * other builds, for one that has ended. When it has no descriptor left, the whole nix-build ends
 * with "Too many open files".
 */
#ifndef HOOK_JOB_ASKER_H
#define HOOK_JOB_ASKER_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Tell whether process PID, the parent of this one, can take another build: it has used less than
 * seven eighths of the descriptors that it may have. The rest is for what Nix does besides:
 * downloads, builds of its own. Also true if that cannot be known, and if PID has no other child,
 * because then Nix would wait for ever.
 */
bool asker_has_room(pid_t pid);
/*
 * Find whom process PID, a process of nix-daemon, serves: *RET_PID, as user *RET_UID. Nix tells a
 * hook nothing of it, but the daemon writes its client's pid over its own second argument (Nix's
 * daemon.cc, "For debugging, stuff the pid into argv[1]"). For reports only: the client may have
 * exited, and another process may have its pid. False: PID is no such process, or nothing is known.
 */
bool asker_client(pid_t pid, pid_t *ret_pid, uid_t *ret_uid);

#endif

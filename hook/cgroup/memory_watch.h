/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cgroup/memory_watch.h: hear that a group's memory runs out, and which process has most.
 *
 *	memory_watch_start(&w, &dirs);
 *	poll() on memory_watch_fill()'s descriptors
 *	if (memory_watch_hear(&w))
 *		... the kernel has killed a process of the group: kill the others ...
 *	memory_watch_done(&w);
 *
 * v1 has no memory.oom.group: the kernel kills one process, and says so by an eventfd that stands
 * in cgroup.event_control. With v2 (memory.events) all of the group is dead by then, so the
 * largest process is looked for each time that the group meets its limit, as far as that takes
 * little time. Without any descriptor to wait for, nothing is heard, and the count of kills in the
 * end (usage.h) is all there is.
 * Runs in: the supervisor.
 */
#ifndef HOOK_CGROUP_MEMORY_WATCH_H
#define HOOK_CGROUP_MEMORY_WATCH_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "nar/base/buf.h"

/* A process by its name (proc(5), comm) and the memory of it that is resident. */
struct memory_largest {
	char name[32]; /* "": not known */
	uint64_t bytes;
};

#define MEMORY_WATCH_FDS 3
struct memory_watch {
	const struct strv *dirs;
	int events_fd;        /* v2: memory.events */
	int oom_fd, near_fd;  /* v1: eventfds; memory ran out, little is left */
	int64_t look_next_ms; /* when the largest process may be looked for again */
	struct memory_largest largest;
};
#define MEMORY_WATCH_INIT ((struct memory_watch){.events_fd = -1, .oom_fd = -1, .near_fd = -1})

/* Watch the group of the directories DIRS, which stay the caller's and unchanged. */
void memory_watch_start(struct memory_watch *w, const struct strv *dirs);
void memory_watch_fill(const struct memory_watch *w, struct pollfd fds[MEMORY_WATCH_FDS]);
/* Something is in one of FDS: tell whether a process of the group was killed for want of memory. */
bool memory_watch_hear(struct memory_watch *w, const struct pollfd fds[MEMORY_WATCH_FDS]);
void memory_watch_done(struct memory_watch *w);

#endif

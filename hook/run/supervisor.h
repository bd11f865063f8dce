/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/supervisor.h: the process that starts the runtime and cleans up. Its client is run.c;
 * run.h says what the two do for each other.
 *
 * Runs in: the supervisor.
 *
 * The two talk over a SOCK_SEQPACKET pair. A message is one packet, and its first byte the type.
 * The supervisor carries out the hook's requests in their order and does not answer them, so a
 * request costs one system call. When the hook's end of the socket closes, by the hook or by its
 * death, the supervisor cleans up and exits.
 *
 * A supervisor that has failed (SUP_ERROR) kills the container and goes on to listen. From then on
 * its list may lack something, or name something that must stay. So it removes nothing before the
 * hook's end closes, and it leaves the record. It exits with status 0 only when it missed nothing
 * and everything is removed.
 */
#ifndef HOOK_RUN_SUPERVISOR_H
#define HOOK_RUN_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hook/cgroup/memory_watch.h"
#include "hook/cgroup/usage.h"
#include "hook/run/run.h"
#include "hook/runtime/runtime.h"

enum sup_type {
	SUP_OWN = 'o',     /* path */
	SUP_DISOWN = 'd',  /* path */
	SUP_HOLD = 'h',    /* nothing, with a descriptor: keep it open until the end */
	SUP_CGROUPS = 'g', /* paths, each ended by NUL */
	SUP_RECORD = 'n',  /* path of the record: remove it last, when all else is removed */
	SUP_KEEP = 'f',    /* keep_plan_print()'s bytes: keep it if the hook dies; empty: nothing */
	SUP_RUN = 'r',     /* struct sup_run and strings, with descriptors */
	SUP_KILL = 'k',    /* kill the container, if there is one; SUP_ENDED says when it is dead */
	SUP_READY = 'y',   /* from the supervisor: a kill of the hook's process group spares it */
	SUP_ENDED = 'e',   /* from the supervisor: struct sup_ended */
	SUP_ERROR = 'x',   /* from the supervisor: text */
	SUP_CLEAN = 'c',   /* from the supervisor, its last: it has removed what it can */
};

/*
 * A request to run a container. Behind it come strings, each ended by NUL: the container's id,
 * `bundle`, `state_dir` and `scratch` of struct run_place, and the runtime's argument vector. The
 * descriptors are the terminal, state_fd, and mount_fd if there is a memdir.
 */
struct sup_run {
	uint8_t kind;       /* enum runtime_kind */
	uint8_t layout;     /* enum cgroup_layout */
	bool detaches;      /* the builder becomes the supervisor's child; its pid is in SUP_PID */
	bool makes_cgroups; /* the runtime makes cgroups, which must be looked for */
	bool enters_group;  /* struct run_place's */
	bool may_stay_out;  /* struct run_place's */
	bool mounts_null;   /* struct run_place's */
	bool owns_machine;  /* struct run_place's */
	unsigned long personality;
};

struct sup_ended {
	int32_t runtime_status; /* as waitpid(2) gives it */
	int32_t builder_status; /* as waitpid(2) gives it; valid if builder_seen */
	bool builder_seen;
	bool oom_killed;
	struct memory_largest largest;
	struct cgroup_usage usage; /* of the groups of SUP_CGROUPS, read when all was dead */
	struct run_rusage rusage;
};

#define SUP_FDS_MAX 3
/* Files in the runtime's state directory. */
#define SUP_LOG "log"
#define SUP_CRASH SUP_LOG RUNTIME_CRASH_SUFFIX
#define SUP_PID "pid"

/* Less than a SOCK_SEQPACKET socket takes by default (net.core.wmem_default). */
#define SUP_MESSAGE_MAX 65536

/*
 * Be the supervisor at SOCK, and hold the locks KEEP_FDS (ended by -1). Call it in a fresh child;
 * it ends by _exit().
 */
_Noreturn void supervisor_main(int sock, const int *keep_fds);

#endif

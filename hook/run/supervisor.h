/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/supervisor.h: the process that starts the runtime and cleans up; hook/run/run.h is its
 * client.
 *
 * They talk over a SOCK_SEQPACKET pair, one message a packet, its first byte a type. The client's
 * requests are carried out in their order and not answered, so telling costs one system call. The
 * end of the client's side, whether closed or by its death, is the request to clean up and exit.
 *
 * A supervisor that has failed (SUP_ERROR) kills the container and goes on to listen. What it has
 * on its list may be lacking something then, or have what must stay; so it removes nothing before
 * the hook's end. It exits with status 0 only when it missed nothing and all is removed. After any
 * other end the hook cleans up, or the next run by the record (hook/run/record.h).
 */
#ifndef HOOK_RUN_SUPERVISOR_H
#define HOOK_RUN_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hook/runtime/runtime.h"

enum sup_type {
	SUP_OWN = 'o',    /* path */
	SUP_DISOWN = 'd', /* path */
	SUP_CGROUP = 'g', /* path */
	SUP_RECORD = 'n', /* path: to be removed last, and only when all else is gone */
	SUP_KEEP = 'f',   /* keep_plan_print(), if the hook dies from now on; empty: not any more */
	SUP_RUN = 'r',    /* struct sup_run and strings, with descriptors */
	SUP_KILL = 'k',   /* the container, if there is one; SUP_ENDED tells when it is dead */
	SUP_READY = 'y',  /* from the supervisor: a kill of the hook's process group spares it */
	SUP_ENDED = 'e',  /* from the supervisor: struct sup_ended */
	SUP_ERROR = 'x',  /* from it: text */
	SUP_CLEAN = 'c',  /* from it, its last: what can be cleaned up is; without, it was killed */
};

/*
 * Followed by strings, each ended by NUL: id, struct run_place's bundle, state_dir, scratch and
 * cgroup, argument vector. The descriptors: the terminal, state_fd, and mount_fd where there is
 * one.
 */
struct sup_run {
	uint8_t kind;       /* enum runtime_kind */
	uint8_t layout;     /* enum cgroup_layout */
	bool detaches;      /* the builder becomes our child; its pid stands in the pid file */
	bool makes_cgroups; /* which must be looked for */
	bool mounts_null;   /* as of struct run_place */
	bool owns_machine;  /* the same */
	unsigned long personality;
};

struct sup_ended {
	int32_t runtime_status; /* as of waitpid(2) */
	int32_t builder_status; /* the same, where `builder_seen` */
	bool builder_seen;
	bool oom_killed;
};

#define SUP_FDS_MAX 3
/* In the runtime's state directory. */
#define SUP_LOG "log"
#define SUP_CRASH SUP_LOG RUNTIME_CRASH_SUFFIX
#define SUP_PID "pid"

/* Below what a SOCK_SEQPACKET socket takes by default (net.core.wmem_default). */
#define SUP_MESSAGE_MAX 65536

/*
 * Be the supervisor at SOCK, with locks KEEP_FDS (ended by -1). In a fresh child; ends by _exit().
 */
_Noreturn void supervisor_main(int sock, const int *keep_fds);

#endif

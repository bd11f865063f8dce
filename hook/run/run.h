/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/run.h: run a bundle's container, whatever happens to us.
 *
 * Two processes. The supervisor (a fork in a session of its own, a subreaper) starts the runtime
 * as its child, holds the build's slot and ids, and keeps the list of what this run made. The hook
 * reads the log and enforces time limits. A socket joins them: when the hook's end closes, because
 * it is done or because Nix killed it, the supervisor kills whatever of the container still lives,
 * removes what is on its list and exits. So there is one way of cleaning up, and SIGKILL takes it
 * too. A hook that is told to end may therefore just die. Should the supervisor be killed instead,
 * its descendants become the hook's, which does all of that.
 *
 *	run_start()     before anything is made that must vanish: fork the supervisor
 *	run_make_dir()  make a directory that goes with the run
 *	run_own_tree()  put a path on its list, before creating it
 *	run_container() run to the end; log to log_fd
 *	run_disown()    what shall stay
 *	run_finish()    let the supervisor clean up and wait until it has
 *
 * The supervisor has none of our descriptors but those it was given, so nobody who waits for the
 * end of our output (Nix does) waits for it. Not thread-safe; all of it is for one thread, which
 * has one run at a time and, while that lasts, no other child processes that shall live on.
 */
#ifndef HOOK_RUN_RUN_H
#define HOOK_RUN_RUN_H

#include <stdint.h>
#include <sys/types.h>

#include "hook/runtime/runtime.h"
#include "nar/base/err.h"

struct record;
struct run;
struct keep_plan;

/* Below STATE_DIR, what a runtime gets as its --root. */
#define RUN_RUNTIME_ROOT "r"

enum run_end {
	RUN_EXITED,    /* status: exit code of the builder */
	RUN_SIGNALED,  /* status: the signal that killed it */
	RUN_TIMED_OUT, /* after `timeout` */
	RUN_SILENT,    /* no output for `max-silent-time` */
	RUN_OOM,       /* killed for want of memory; status: the signal */
};

struct run_limits {
	uint64_t timeout_s;        /* 0: none */
	uint64_t max_silent_s;     /* 0: none */
	unsigned long personality; /* for personality(2) before the runtime starts; 0: as we are */
	const char *builder; /* its path, for "executing '...': No such file"; NULL: not known */
};

struct run_result {
	enum run_end end;
	int status;
	bool oom_killed; /* some process of it was killed for want of memory */
};

/*
 * Fork the supervisor. KEEP_FDS (ended by -1) are the locks that it holds until it exits. Must be
 * called while the process has one thread. NULL: *E.
 */
struct run *run_start(const int *keep_fds, struct err *e) MUST_CHECK;
/*
 * A descriptor that holds the cleaning up back: after our death the supervisor waits until nobody
 * has it open any more. For what may still be at work in a tree of this run.
 */
int run_fd(const struct run *r);
/*
 * From now on run_container() ends with ERR_STOPPED when FD becomes readable or hangs up. It always
 * does so when nobody reads LOG_FD any more.
 */
void run_stop_on(struct run *r, int fd);
/*
 * From now on RECORD, which gets its name here, goes with the run: it is removed when all else is
 * gone, and stays for the next run where something could not be removed. It must live as long as R.
 */
int run_keep_record(struct run *r, struct record *record, struct err *e) MUST_CHECK;
/*
 * Make the directory PATH (absolute; mode 0700; what is there is removed), and have it removed in
 * the end, by the next run if need be: it is put on the supervisor's list and into the record
 * before it exists. Returns its descriptor, or -1: *E.
 */
int run_make_dir(struct run *r, const char *path, struct err *e) MUST_CHECK;
/*
 * The supervisor will remove the tree at PATH (absolute) when it ends. It is not in the record: for
 * what may have become valid when that is read, and for what the next run finds by itself.
 */
int run_own_tree(struct run *r, const char *path, struct err *e) MUST_CHECK;
/* ... but will not, after all: keep-failed, or it was moved into the store. */
int run_disown(struct run *r, const char *path, struct err *e) MUST_CHECK;
/*
 * The same for the control group DIR, which goes with the container, or else at the end. Its
 * processes must be the container's.
 */
int run_own_cgroup(struct run *r, const char *dir, struct err *e) MUST_CHECK;
/*
 * Should we be gone before run_forget_failed(), the supervisor keeps BUILD_DIR as P wants it. P is
 * not one that keeps nothing.
 */
int run_keep_failed(struct run *r, const struct keep_plan *p, const char *build_dir,
		    struct err *e) MUST_CHECK;
int run_forget_failed(struct run *r, struct err *e) MUST_CHECK;
/* Where a container's files are. */
struct run_place {
	const char *bundle;    /* as the runtime sees it */
	const char *state_dir; /* the same: fresh, short, for the runtime's own files */
	int state_fd;          /* the same, opened */
	int mount_fd;          /* a memdir to be mounted at BUNDLE, STATE_DIR in it; or -1 */
	const char *scratch;   /* with a memdir: what of the bundle is on the disk */
	const char *cgroup;    /* that of v2 in which the runtime is started; NULL: in ours */
	bool mounts_null;      /* the bundle lacks a null device, and finds one mounted */
	bool owns_machine;     /* the runtime may change what is the machine's root's */
};
/*
 * Run the container of a bundle to its end: when this returns, no process of it lives. What the
 * build writes goes to LOG_FD as it comes, up to the last byte; a LOG_FD that is full stops the
 * build, not the clock of TIMEOUT, and does not count as silence. The builder's standard output and
 * error are one raw pseudo-terminal, owned by UID and nobody's controlling terminal; input is
 * /dev/null. A builder that closes both and goes on is waited for. (With runsc it is a pipe; gVisor
 * passes no terminal on.)
 *
 * A builder that cannot be executed ends as with Nix: its path and the reason in the log, and exit
 * code 1. A runtime that fails itself (not the build): -1 with its own words.
 *
 * Limit: where the runtime stays in between (crun, runsc) it says 128+N both for signal N and for
 * that exit code. For crun the supervisor looks at the builder itself once it has run for 50 ms;
 * before, SIGSEGV and its kin are taken for signals, others for exit codes. For runsc all but those
 * are exit codes.
 */
int run_container(struct run *r, const struct runtime *rt, const struct run_place *at,
		  const char *id, bool network, uid_t uid, const struct run_limits *lim, int log_fd,
		  struct run_result *ret, struct err *e) MUST_CHECK;
/*
 * Clean up and wait for it. Failing to remove something is an error; what stays is left to the next
 * run, if there is a record. R is gone after.
 */
int run_finish(struct run *r, struct err *e) MUST_CHECK;

#endif

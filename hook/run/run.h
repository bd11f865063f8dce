/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/run/run.h: run a bundle's container, and leave nothing of the run, whatever happens.
 *
 * The processes of a run:
 *
 *	process     started by          what it does
 *	hook        Nix                 makes the bundle, reads the log, enforces time limits,
 *	                                registers the outputs (run.c, container.c)
 *	worker      nix-oci-hook-build  is the hook of one build without Nix (hook/nonix/work.c);
 *	                                below, "the hook" means either of both
 *	supervisor  hook                starts the runtime, cleans up at the end (supervisor.c)
 *	runtime     supervisor          creates the container: crun, runc, youki or runsc
 *	                                (supervisor_exec.c is what precedes its execve(2))
 *	launcher    runtime             the container's first program: becomes the builder, or with
 *	                                runsc stays as the builder's parent (launch/launch.c)
 *
 * How a run is cleaned up. Nix ends a hook by SIGKILL, before Nix 2.35 without a signal first, so
 * the hook cannot be the process that cleans up. run_start() forks the supervisor before anything
 * is created that must vanish. The supervisor has a session of its own, so Nix's kill of the hook's
 * process group does not reach it. It is a subreaper (children.h), so no process of the container
 * gets away from it. It holds the locks of the build's slot and ids, and a list of what the run
 * made; each path is put on the list before it is created. Two more things exist for the case that
 * the supervisor dies: the hook has the same list and is a subreaper too, and a record on the disk
 * (record.h) names what the run would leave.
 *
 *  - The build ends, or the hook is killed: the hook's end of their socket closes. The supervisor
 *    kills what still lives of the container, removes what is on its list (cleanup.h), then the
 *    record, and exits. Every ordinary build ends so, and a hook that is told to end may just die.
 *  - The supervisor is killed: the kernel kills the runtime (PR_SET_PDEATHSIG), even a stopped one.
 *    The other processes become the hook's children. The hook kills them, and removes what is on
 *    the list and the record.
 *  - The supervisor fails (it has no memory, say): it kills the container and tells the hook why.
 *    Until the hook's end closes it removes nothing, because its list may name what is becoming
 *    valid. Then it removes what it can, but not the record. The hook, if it lives, does all of
 *    that again, and removes the record.
 *  - Both are killed: the kernel kills the runtime. The next run on this machine reads the record
 *    and does the rest.
 *
 * Neither process waits for the other without an end: each notices that the other has died or
 * cannot be spoken to. What has become valid, or is to be kept, is taken off the list before.
 *
 *	run_start()     fork the supervisor
 *	run_make_dir()  make a directory that is removed with the run
 *	run_own_tree()  put a path on the list, before creating it
 *	run_container() run to the end; log to log_fd
 *	run_disown()    take a path off the list: it stays
 *	run_finish()    let the supervisor clean up and wait until it has
 *
 * The supervisor closes all descriptors of the hook except those that it is given. So a process
 * that waits for the end of the hook's output, as Nix does, does not wait for the supervisor.
 *
 * Not thread-safe. One thread calls all of these functions. It has one run at a time, and during
 * the run no child processes that shall outlive it.
 */
#ifndef HOOK_RUN_RUN_H
#define HOOK_RUN_RUN_H

#include <stdint.h>
#include <sys/types.h>

#include "hook/cgroup/memory_watch.h"
#include "hook/cgroup/usage.h"
#include "hook/runtime/runtime.h"
#include "nar/base/err.h"

struct record;
struct run;
struct keep_plan;

/* The directory in a run's state directory that the runtime gets as its --root. */
#define RUN_RUNTIME_ROOT "r"

enum run_end {
	RUN_EXITED,    /* status: exit code of the builder */
	RUN_SIGNALED,  /* status: the signal that killed it */
	RUN_TIMED_OUT, /* killed after timeout_s */
	RUN_SILENT,    /* killed after max_silent_s without output */
	RUN_FLOODED,   /* the log is longer than log_max_bytes; the rest of it is dropped */
	RUN_OOM,       /* the kernel killed a process of it because memory ran out; then all died */
};

struct run_limits {
	uint64_t timeout_s;        /* 0: none */
	uint64_t max_silent_s;     /* 0: none */
	uint64_t log_max_bytes;    /* 0: none */
	unsigned long personality; /* for personality(2) before the runtime starts; 0: the hook's */
	const char *builder;       /* path, for "executing '...': No such file"; NULL: not known */
};

/*
 * What the runtime and all processes of the container used, as wait4(2) tells of those that were
 * waited for. With a runtime that stays, all were; one that leaves its processes to the kernel
 * (runsc) is told of without them.
 */
struct run_rusage {
	uint64_t cpu_user_us, cpu_system_us;
	uint64_t largest_bytes;             /* the largest resident set of any one process */
	uint64_t read_bytes, written_bytes; /* from and to disks */
};

struct run_result {
	enum run_end end;
	int status;
	/* These are filled where run_container() fails as well. */
	struct memory_largest largest; /* a process of it, seen when its memory ran out */
	struct cgroup_usage usage;     /* of the groups of run_own_cgroups() */
	bool has_rusage;               /* also after a failure, once the container has ended */
	struct run_rusage rusage;
};

/*
 * Fork the supervisor. KEEP_FDS (ended by -1) are the locks that it holds until it exits. Call it
 * while the process has one thread. Returns NULL: *E.
 */
struct run *run_start(const int *keep_fds, struct err *e) MUST_CHECK;
/*
 * Return a descriptor that delays the cleaning up: after the hook's death the supervisor waits
 * until no process has it open any more. A process that works in a tree of this run keeps it open.
 */
int run_fd(const struct run *r);
/* Have the supervisor keep FD open, a lock, until it exits. FD stays the caller's. */
int run_hold(struct run *r, int fd, struct err *e) MUST_CHECK;
/* Return the process id of the supervisor, whose descendants all processes of the run are. */
pid_t run_pid(const struct run *r);
/*
 * Make run_container() end with ERR_STOPPED when FD becomes readable or hangs up. When no process
 * reads its log_fd any more, it does so in any case.
 */
void run_stop_on(struct run *r, int fd);
/* Make run_container() call FN with each piece of the log, before LOG_FD gets it. */
typedef void run_listener(void *ctx, const char *data, size_t n);
void run_listen(struct run *r, run_listener *fn, void *ctx);
/*
 * Give RECORD its name, and have it removed in the end, when all else of the run is removed. If
 * something could not be removed, the record stays for the next run. RECORD must live as long as R.
 */
int run_keep_record(struct run *r, struct record *record, struct err *e) MUST_CHECK;
/*
 * Make the directory PATH (absolute) with mode 0700, and have it removed in the end, by the next
 * run if need be: it is on the list and in the record before it exists. What is at PATH already is
 * removed.
 * Returns the directory's descriptor; -1: *E.
 */
int run_make_dir(struct run *r, const char *path, struct err *e) MUST_CHECK;
/*
 * Put the tree at PATH (absolute) on the list of what is removed in the end. It is not put into the
 * record: use this for what may be valid when the record is read, or what the next run finds
 * without it.
 */
int run_own_tree(struct run *r, const char *path, struct err *e) MUST_CHECK;
/* Take PATH off the list, because it is kept (keep-failed) or was moved into the store. */
int run_disown(struct run *r, const char *path, struct err *e) MUST_CHECK;
/*
 * Have the control group of the directories DIRS, which do not exist yet, removed with the
 * container, or in the end if that fails. It must get no processes except the container's. Call
 * before run_container().
 */
int run_own_cgroups(struct run *r, const struct strv *dirs, struct err *e) MUST_CHECK;
/*
 * Have the supervisor keep BUILD_DIR as P says if the hook dies before it calls
 * run_forget_failed(). P must be a plan that keeps something (its `dir` is set).
 */
int run_keep_failed(struct run *r, const struct keep_plan *p, const char *build_dir,
		    struct err *e) MUST_CHECK;
int run_forget_failed(struct run *r, struct err *e) MUST_CHECK;
/* Where a container's files are. */
struct run_place {
	const char *bundle;    /* the bundle's path in the runtime's mount namespace */
	const char *state_dir; /* fresh directory for the runtime's own files; a short path there */
	int state_fd;          /* state_dir, opened */
	int mount_fd;          /* a memdir to mount at `bundle`, with state_dir in it; or -1 */
	const char *scratch;   /* with a memdir: the bundle's scratch directories on the disk */
	bool enters_group;     /* start the runtime in the group of run_own_cgroups() */
	bool may_stay_out;     /* ... unless that fails */
	bool mounts_null;      /* mount a null device into the bundle, which lacks one */
	bool owns_machine;     /* the runtime may change files of the machine's root */
};
/* A container that is to be run. */
struct run_job {
	const struct runtime *runtime;
	const struct run_place *at;
	const char *id; /* the container's name */
	bool network;   /* the configuration leaves the container in the machine's network */
	uid_t uid;      /* the build user, who owns the builder's terminal */
	const struct run_limits *limits;
	int log_fd; /* the build's output is written here */
};
/*
 * Run the container of J to its end. When this returns, no process of the container lives.
 *
 * What the build writes is written to log_fd at once, up to the last byte. While log_fd is full the
 * build is held up: that does not count as silence, but the clock of timeout_s goes on.
 *
 * The builder's standard output and error are one raw pseudo-terminal, which is the controlling
 * terminal of no process. Its input is /dev/null. With runsc it gets a pipe, because gVisor passes
 * no terminal on. A builder that closes its output and goes on is waited for.
 *
 * A builder that cannot be executed ends as with Nix: its path and the reason in the log, and exit
 * code 1. If the runtime itself fails, not the build: -1 with the runtime's own words.
 *
 * Limit: a runtime that waits for the builder (crun, runsc) exits with 128+N both after signal N
 * and after that exit code. With crun the supervisor looks at the builder itself once it has run
 * for 50 ms. Before, and always with runsc, the codes of faults (SIGSEGV, SIGBUS, ...) are taken
 * for signals, and all others for exit codes.
 */
int run_container(struct run *r, const struct run_job *j, struct run_result *ret,
		  struct err *e) MUST_CHECK;
/*
 * Let the supervisor clean up, wait for its end, and free R. It is an error if something cannot be
 * removed; with a record, the next run removes it.
 */
int run_finish(struct run *r, struct err *e) MUST_CHECK;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/runtime/runtime.h: which OCI runtime there is, and the command line that makes it work here.
 */
#ifndef HOOK_RUNTIME_RUNTIME_H
#define HOOK_RUNTIME_RUNTIME_H

#include "hook/cgroup/cgroup.h"
#include "hook/conf/conf.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

enum runtime_kind { RUNTIME_CRUN, RUNTIME_RUNC, RUNTIME_YOUKI, RUNTIME_RUNSC, RUNTIME_OTHER };

struct runtime {
	enum runtime_kind kind;
	char *path; /* absolute */
	char *name; /* "crun": what stands in "oci:crun" */
	enum cgroup_layout cgroups;
	bool own_cgroups;       /* it may put the build into a cgroup of its own */
	bool rootless;          /* we are not root */
	struct strv extra_args; /* the configuration's, before the verb */
	char *passed_over;      /* runtimes found before this one that cannot run here, and why;
				 * NULL: none */
};

/*
 * Find the runtime that the configuration names, else the first of crun, runc, youki, runsc in PATH
 * and the usual directories that can run on this machine. A runtime that would certainly refuse
 * is passed over; that is told from how control groups are mounted and from what this process may
 * do, and no container is started. A runtime that the configuration names is taken as it is, since
 * its version may do what others do not. None: ERR_SYSTEM, with what to install.
 */
int runtime_find(const struct conf *c, struct runtime *ret, struct err *e) MUST_CHECK;
void runtime_done(struct runtime *rt);
#define scoped_runtime __attribute__((cleanup(runtime_done)))
/*
 * Whether `run` shall end once the container runs (--detach), so that the container's first
 * process becomes a child of the supervisor. runc must, as it else puts pipes of its own in place
 * of the builder's terminal. For crun it would cost two forks more, about 1 ms; it is paid where
 * the build has a control group, which crun else removes before anybody has read that it ran out of
 * memory.
 */
bool runtime_detaches(const struct runtime *rt);
/*
 * Whether the builder's parent is the runtime, which waits for it: its end is the build's. For a
 * parent that goes away as soon as the builder runs a signal at its end would be a race lost; runsc
 * has the builder in a world of its own.
 */
static inline bool runtime_is_parent(const struct runtime *rt)
{
	return rt->kind == RUNTIME_CRUN && !runtime_detaches(rt);
}
/*
 * Whether a builder that writes to a full pipe of this machine's may find that write(2) took a part
 * of it only: then its output has to pass through a pipe of the container's own kernel.
 */
static inline bool runtime_cuts_output(const struct runtime *rt)
{
	return rt->kind == RUNTIME_RUNSC;
}
/*
 * The argument vector of `run`: RUNTIME [global options] run --bundle BUNDLE [options] ID, with
 * the options that this runtime needs on this machine. STATE_DIR (short: runtimes make sockets in
 * it) is its --root, LOG_PATH its --log, PID_FILE where one that detaches writes the container's
 * pid.
 */
int runtime_run_argv(const struct runtime *rt, const char *bundle, const char *state_dir,
		     const char *log_path, const char *pid_file, const char *id, bool network,
		     struct strv *ret, struct err *e) MUST_CHECK;
/* Of `delete --force`, which kills the container first, in the same way. */
int runtime_delete_argv(const struct runtime *rt, const char *state_dir, const char *id,
			struct strv *ret, struct err *e) MUST_CHECK;
/*
 * Whether the container stays in the control group of v2 that the runtime is started in. Else that
 * puts it into one at the configuration's linux.cgroupsPath.
 */
bool runtime_keeps_cgroup(const struct runtime *rt);
/*
 * Whether a bundle may be where only the runtime and its children see it (hook/runtime/memdir.h).
 */
bool runtime_takes_memory(const struct runtime *rt);
/* What the runtime is to find where. */
struct runtime_view {
	enum cgroup_layout layout;
	bool makes_cgroups; /* the runtime will */
	bool mounts_null;   /* a device on BUNDLE/root/dev/null */
	int mount_fd;       /* of a memdir to be mounted at BUNDLE, or -1 */
	const char *bundle;
	const char *scratch; /* with a memdir: what is bound at BUNDLE/scratch */
	const char *exe;     /* with a memdir: an empty file for *PROGRAM */
};
/*
 * In the child that is about to exec the runtime *PROGRAM: a mount namespace in which that finds
 * this view, and crun a layout of cgroups that it takes. It refuses hybrid ones, and machines
 * without any. As root, all that the runtime can bind from there is nosuid. *PROGRAM is changed to
 * V->exe where it is to be started from there: crun makes a copy of itself, and loads that with all
 * its libraries once more, unless what it is started from is mounted read-only, which is what keeps
 * a container from writing to it.
 */
int runtime_prepare_child(enum runtime_kind kind, const struct runtime_view *v,
			  const char **program, struct err *e) MUST_CHECK;
/* The last error in the runtime's log DIRFD/NAME, for a message. Heap; NULL: none (no *E). */
char *runtime_log_error(int dirfd, const char *name);
/* runsc: where its kernel's last words are; LOG_PATH with this behind it. */
#define RUNTIME_CRASH_SUFFIX ".crash"
/*
 * What a Go program that crashed says first, in the file DIRFD/NAME: "panic: ..." or "fatal
 * error: ...". Heap; NULL: it did not crash (no *E).
 */
char *runtime_crash(int dirfd, const char *name);
/*
 * If MSG, a runtime's error, says that the builder could not be executed: why, in the words of
 * strerror(3) where it can be told. Else NULL.
 */
const char *runtime_exec_failure(const char *msg);

#endif

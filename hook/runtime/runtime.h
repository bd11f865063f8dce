/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/runtime/runtime.h: find an OCI runtime, make the command line and the mounts with which it
 * works on this machine, and read what it reports.
 */
#ifndef HOOK_RUNTIME_RUNTIME_H
#define HOOK_RUNTIME_RUNTIME_H

#include "hook/cgroup/cgroup.h"
#include "hook/conf/conf.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

enum runtime_kind { RUNTIME_CRUN, RUNTIME_RUNC, RUNTIME_YOUKI, RUNTIME_RUNSC, RUNTIME_OTHER };

/* Find the kind of the runtime called NAME, "crun". Returns false: no runtime is called so. */
bool runtime_kind_parse(const char *name, enum runtime_kind *ret);

struct runtime {
	enum runtime_kind kind;
	char *path; /* absolute */
	char *name; /* "crun", as in "oci:crun" */
	enum cgroup_layout cgroups;
	bool rootless;          /* the hook does not run as root */
	struct strv extra_args; /* runtime-args of the configuration; they precede the command */
	char *passed_over;      /* why runtimes that were found before this one cannot run here;
				 * NULL: there were none */
};

/*
 * Find the runtime that the configuration C names, else the first of crun, runc, youki and runsc
 * that is in PATH or a usual directory and can run on this machine.
 *
 * A runtime that would certainly refuse to run is passed over. No container is started to learn
 * this: it follows from how control groups are mounted and from what this process may do. A runtime
 * that C names is never passed over, because its version may do what others do not.
 * -1: *E; ERR_SYSTEM if there is no runtime, with what to install.
 */
int runtime_find(const struct conf *c, struct runtime *ret, struct err *e) MUST_CHECK;
void runtime_done(struct runtime *rt);
#define scoped_runtime __attribute__((cleanup(runtime_done)))
/*
 * Tell whether `run` gets --detach: the runtime exits once the container runs, and the container's
 * first process becomes a child of the supervisor. Without it runc replaces the builder's terminal
 * by its own pipes.
 */
bool runtime_detaches(const struct runtime *rt);
/*
 * Tell whether the runtime is the builder's parent and waits for it, so that the runtime's end is
 * the build's end. Not so with --detach, where the runtime exits as soon as the builder runs, nor
 * with runsc, whose builder is no process of this kernel.
 */
static inline bool runtime_is_parent(const struct runtime *rt)
{
	return rt->kind == RUNTIME_CRUN && !runtime_detaches(rt);
}
/*
 * Tell whether write(2) of a builder to a full pipe of this machine may write only a part. The
 * output then has to pass through a pipe of the container's own kernel.
 */
static inline bool runtime_cuts_output(const struct runtime *rt)
{
	return rt->kind == RUNTIME_RUNSC;
}
/* How a runtime is called to run a container. */
struct runtime_call {
	const char *id;        /* the container's name */
	const char *bundle;    /* --bundle */
	const char *state_dir; /* --root; must be short, because runtimes make sockets in it */
	const char *log_path;  /* --log */
	const char *pid_file;  /* a runtime that detaches writes the container's pid there */
	bool network;          /* the container uses the machine's network */
};
/*
 * Append to RET the command line of `run` for CALL: RUNTIME [global options] run --bundle BUNDLE
 * [options] ID, with the options that this runtime needs on this machine.
 */
int runtime_run_argv(const struct runtime *rt, const struct runtime_call *call, struct strv *ret,
		     struct err *e) MUST_CHECK;
/* Append to RET the command line of `delete --force`, which kills the container first. */
int runtime_delete_argv(const struct runtime *rt, const char *state_dir, const char *id,
			struct strv *ret, struct err *e) MUST_CHECK;
/*
 * Tell whether the runtime makes control groups, even where it is not asked to. The others are told
 * to make none: a build with a limit is in a group that the hook makes (hook/cgroup/group.h).
 */
bool runtime_makes_cgroups(const struct runtime *rt);
/*
 * Tell whether the container stays in the v2 control group in which the runtime is started. Else
 * the runtime puts it into the group that linux.cgroupsPath of its configuration names.
 */
bool runtime_keeps_cgroup(const struct runtime *rt);
/*
 * Tell whether a bundle may lie where only the runtime and its children see it
 * (hook/runtime/memdir.h).
 */
bool runtime_takes_memory(const struct runtime *rt);
/* What the runtime finds in its mount namespace. */
struct runtime_view {
	enum cgroup_layout layout; /* how this machine mounts control groups */
	bool mounts_null;          /* mount a null device on BUNDLE/root/dev/null */
	int mount_fd;              /* a memdir to mount at BUNDLE; -1: there is none */
	const char *bundle;
	const char *scratch; /* with a memdir: a directory to mount at BUNDLE/scratch */
	const char *exe;     /* with a memdir: an empty file, on which *PROGRAM can be mounted */
};
/*
 * Make a mount namespace in which the runtime *PROGRAM finds what V says. Runs in: the child that
 * executes the runtime next.
 *
 * crun refuses to run where control groups are hybrid or missing; it gets a layout that it accepts.
 * Mounts from which the runtime can bind are made nosuid, except for runsc.
 *
 * *PROGRAM is changed to V->exe if crun is to be started from there, where it is mounted read-only.
 * Otherwise crun would copy itself and load the copy with all its libraries, so that a container
 * cannot write to crun's program.
 */
int runtime_prepare_child(enum runtime_kind kind, const struct runtime_view *v,
			  const char **program, struct err *e) MUST_CHECK;
/*
 * Return the last error in the runtime's log DIRFD/NAME, for a message.
 * Heap. NULL: there is none (no *E).
 */
char *runtime_log_error(int dirfd, const char *name);
/* runsc writes how its kernel crashed to the file LOG_PATH with this suffix. */
#define RUNTIME_CRASH_SUFFIX ".crash"
/*
 * Return the line "panic: ..." or "fatal error: ..." with which a Go program reported its crash in
 * the file DIRFD/NAME.
 * Heap. NULL: it did not crash (no *E).
 */
char *runtime_crash(int dirfd, const char *name);
/*
 * Return why the builder could not be executed, if MSG, a runtime's error, says that it could not:
 * the text of strerror(3) if MSG contains one, else the end of MSG.
 * NULL: MSG says something else.
 */
const char *runtime_exec_failure(const char *msg);

#endif

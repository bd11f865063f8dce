/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/runtime.h: which OCI runtime there is, and the command line that makes it work here.
 */
#ifndef HOOK_RUNTIME_H
#define HOOK_RUNTIME_H

#include "hook/config.h"
#include "nar/buf.h"
#include "nar/err.h"

enum runtime_kind { RUNTIME_CRUN, RUNTIME_RUNC, RUNTIME_YOUKI, RUNTIME_RUNSC, RUNTIME_OTHER };
/* How control groups are mounted on this machine. */
enum cgroup_layout { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

struct runtime {
	enum runtime_kind kind;
	char *path; /* absolute */
	char *name; /* "crun": what stands in "oci:crun" */
	enum cgroup_layout cgroups;
	struct strv extra_args; /* the configuration's, before the verb */
};

/*
 * The one that the configuration names, else the first of crun, runc, youki, runsc in PATH (or in
 * the usual directories where PATH is not set). None: ERR_SYSTEM, with what to install.
 */
int runtime_find(const struct conf *c, struct runtime *ret, struct err *e) MUST_CHECK;
void runtime_done(struct runtime *rt);
#define scoped_runtime __attribute__((cleanup(runtime_done)))
/*
 * The argument vector of `run`: RUNTIME [global options] run --bundle BUNDLE [options] ID, with
 * the options that this runtime needs on this machine. STATE_DIR (short: runtimes make sockets in
 * it) is its --root, LOG_PATH its --log (JSON), PID_FILE where it writes the container's pid.
 */
int runtime_run_argv(const struct runtime *rt, const char *bundle, const char *state_dir,
		     const char *log_path, const char *pid_file, const char *id, bool network,
		     struct strv *ret, struct err *e) MUST_CHECK;
/* In the child that is about to exec the runtime: what the machine needs first (mount namespace,
 * a hybrid cgroup2 mount out of crun's sight). */
int runtime_prepare_child(const struct runtime *rt, struct err *e) MUST_CHECK;
enum cgroup_layout cgroup_layout_detect(void);
/* The last error in the runtime's JSON log at LOG_PATH, for a message. Heap; NULL: none (no *E). */
char *runtime_log_error(const char *log_path);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/job/job.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "hook/bundle/bundle.h"
#include "hook/host/cores.h"
#include "hook/host/machine.h"
#include "hook/host/reservation.h"
#include "hook/host/userns.h"
#include "hook/host/users.h"
#include "hook/inputs/inputs.h"
#include "hook/job/build_group.h"
#include "hook/job/check_mounts.h"
#include "hook/job/disk.h"
#include "hook/job/oom_retry.h"
#include "hook/job/reporting.h"
#include "hook/keep/keep_failed.h"
#include "hook/outputs/outputs.h"
#include "hook/request/builtin_program.h"
#include "hook/request/launcher.h"
#include "hook/request/make.h"
#include "hook/request/pre_build_hook.h"
#include "hook/run/record.h"
#include "hook/runtime/fit.h"
#include "hook/runtime/memdir.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/budget.h"

#include "nar/base/banned.h"

/* A copy of the build directory has at least this time, even after the build's timeout. */
#define KEEP_AT_LEAST_MS 60000

/* Where a job's files are; all of them are on the supervisor's list before they exist. */
struct job_paths {
	char *disk;   /* the part of the bundle that is on the disk */
	char *bundle; /* the bundle as the runtime sees it: `disk`, or the memdir's mount */
	char *state;  /* the runtime's own files; a short path: runtimes make sockets there */
	char *id;     /* the container's name */
	struct build_group group;
	struct record record;
};

#define JOB_PATHS_INIT ((struct job_paths){.group = BUILD_GROUP_INIT, .record = RECORD_INIT})

static void job_paths_done(struct job_paths *p)
{
	free(p->disk);
	free(p->bundle);
	free(p->state);
	free(p->id);
	build_group_done(&p->group);
	record_done(&p->record);
	*p = JOB_PATHS_INIT;
}
#define scoped_paths __attribute__((cleanup(job_paths_done)))

/* Return the directory in which bundles are created on the disk. */
static const char *bundle_parent(const struct job *j)
{
	return j->conf->bundle_dir && j->conf->bundle_dir[0] ? j->conf->bundle_dir
							     : j->store->real_dir;
}

/*
 * Choose the paths of a job, and make its record.
 *
 * The bundle is `<real store>/<drv>.chroot`, as in Nix's own sandbox. It lies on the store's mount,
 * so outputs are moved by rename(2), and the garbage collector knows its name. Another directory is
 * taken only if the configuration names one. IN_MEMORY: a memdir contains all of the bundle except
 * its scratch directories; the runtime alone sees it, mounted at a directory that all runs share.
 */
static int choose_paths(const struct job *j, bool in_memory, struct job_paths *ret, struct err *e)
{
	scoped_paths struct job_paths p = JOB_PATHS_INIT;
	scoped_free char *run_dir = str_fmt(e, "%s/run", j->conf->state_dir);
	const char *base = str_base(j->drv->path);

	p.disk = str_fmt(e, "%s/%s.chroot", bundle_parent(j), base);
	if (!p.disk)
		return -1;
	p.bundle = in_memory ? str_fmt(e, "%s/run", j->conf->state_dir) : str_dup(p.disk, e);
	if (!p.bundle)
		return -1;
	/* The store path's hash and the pid: unique on this machine, and readable in `ps`. */
	p.id = str_fmt(e, "nix-%.*s-%ld", STORE_HASH_LEN, base, (long)getpid());
	if (!p.id)
		return -1;
	if (!run_dir || record_enter(run_dir, &p.record, e) < 0)
		return -1;
	p.state = in_memory ? str_fmt(e, "%s/state", p.bundle) : str_dup(p.record.dir, e);
	if (!p.state)
		return -1;
	*ret = p;
	p = JOB_PATHS_INIT;
	return 0;
}

/*
 * Choose the personality as Nix's setPersonality() does: a build for a 32-bit system sees one, and
 * addresses are not randomised.
 */
static int choose_personality(const struct job *j, unsigned long *ret, struct err *e)
{
	static const char *const systems_32[] = {"i686-linux", "armv7l-linux", "armv6l-linux",
						 "armv5tel-linux"};
	unsigned long p = PER_LINUX;
	bool linux26;

	if (settings_bool(j->settings, "impersonate-linux-26", false, &linux26, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(systems_32); i++)
		if (str_eq(j->drv->system, systems_32[i]))
			p = PER_LINUX32;
	if (linux26 &&
	    (str_eq(j->drv->system, "i686-linux") || str_eq(j->drv->system, "x86_64-linux")))
		p |= UNAME26;
	*ret = p | ADDR_NO_RANDOMIZE;
	return 0;
}

static int choose_limits(const struct job *j, struct run_limits *ret, struct err *e)
{
	if (settings_u64(j->settings, "timeout", 0, &ret->timeout_s, e) < 0 ||
	    settings_u64(j->settings, "max-silent-time", 0, &ret->max_silent_s, e) < 0)
		return -1;
	/* Nix itself keeps its max-build-log-size, of this log as well. */
	ret->log_max_bytes = j->conf->log_max;
	return choose_personality(j, &ret->personality, e);
}

/* Set *E, in Nix's words, for a builder that took longer than SETTING allows. */
static int report_timeout(const struct job *j, const char *setting, const char *more, struct err *e)
{
	uint64_t s = 0;

	if (settings_u64(j->settings, setting, 0, &s, e) < 0)
		return -1;
	if (settings_of_2_32(j->settings))
		return err_set(e, ERR_BUILD, "timed out after %" PRIu64 " seconds", s);
	return err_set(e, ERR_BUILD,
		       "building of '%s' from .drv file timed out after %" PRIu64 " seconds%s",
		       j->drv->path, s, more);
}

/* A job and all that it holds while it runs. */
struct attempt {
	const struct job *j;
	const struct request_source *in; /* the request was made of this */
	const struct build_user *user;
	struct request *req;
	struct job_paths *paths;
	const struct memdir *mem;
	struct inputs *inputs;
	struct run *run;
	struct oom_retry *retry;
};

/* Make the directory into which inputs are unpacked, if they are. */
static int start_inputs(const struct attempt *a, struct err *e)
{
	const char *dir = inputs_dir(a->inputs);

	if (!dir)
		return 0;
	if (run_own_tree(a->run, dir, e) < 0)
		return -1;
	inputs_leave_dir(a->inputs);
	if (inputs_start(a->inputs, e) < 0)
		return -1;
	return run_hold(a->run, inputs_fd(a->inputs), e);
}

/* Make the inputs of the request available at the paths from which they are mounted. */
static int prepare_inputs(const struct attempt *a, struct machine *m, struct err *e)
{
	const struct inputs_job in = {a->j->store, a->req, m, a->j->stop_fd};
	const uint64_t since_us = clock_now_us();
	const int rc = inputs_prepare(a->inputs, &in, e);
	reporting_took(a->j->reporting, REPORT_INPUTS_US, since_us);
	return rc;
}

/* Check that the build can have its user namespace; else let it do without, if it may. */
static int ensure_userns(const struct attempt *a, struct spec_host *h, struct err *e)
{
	scoped_buf struct buf warning = BUF_INIT(ERR_MSG_MAX);
	/* runsc starts a process of its own in a user namespace, whatever the build has. */
	const bool needed = a->j->runtime->kind == RUNTIME_RUNSC;
	const int why = h->userns || needed ? userns_try() : 0;

	if (!why)
		return 0;
	if (userns_do_without(h, why, needed, a->j->settings, &warning, e) < 0)
		return -1;
	log_warn("%s", warning.data);
	return 0;
}

/* Describe the machine in *M, and make available what the request names. */
static int prepare(const struct attempt *a, struct machine *m, struct err *e)
{
	const struct job *j = a->j;
	const char *where = a->paths->bundle;

	if (machine_describe(j->conf, j->settings, a->req, a->user, m, e) < 0)
		return -1;
	if (ensure_userns(a, &m->host, e) < 0 || start_inputs(a, e) < 0)
		return -1;
	if (!pre_build_hook_is_set(j->settings) && prepare_inputs(a, m, e) < 0)
		return -1;
	if (inputs_dir(a->inputs) && path_reachable(where))
		where = inputs_dir(a->inputs);
	runtime_fit_host(&m->host, j->runtime->kind, where);
	m->host.cgroups_path = a->paths->group.named;
	/* The group has the limits, and these put the container below it, or into it. */
	if (j->runtime->kind != RUNTIME_YOUKI && j->runtime->kind != RUNTIME_OTHER)
		m->host.memory_max_bytes = 0;
	/* runc keeps the limit of processes itself: it takes some in that group (build_group.c). */
	if (j->runtime->kind == RUNTIME_CRUN || j->runtime->kind == RUNTIME_RUNSC)
		m->host.pids_max = 0;
	m->host.own_null = true;
	return 0;
}

/* The context of the two functions below, which bundle_create() calls. */
struct asking {
	const struct attempt *a;
	struct machine *m;
};

/* Run the pre-build hook, which needs the ROOT directory and may add inputs to the request. */
static int ask_for_more(void *ctx, const char *root, struct err *e)
{
	const struct asking *asking = ctx;
	const struct attempt *a = asking->a;

	if (pre_build_hook_run(a->in, root, a->j->log_fd, a->req, e) < 0)
		return -1;
	return prepare_inputs(a, asking->m, e);
}

static int make_top(void *ctx, const char *path, struct err *e)
{
	const struct conf *c = ((const struct asking *)ctx)->a->j->conf;

	disk_unmount(c, path); /* an earlier try's */
	return disk_mount(c, run_make_dir(((const struct asking *)ctx)->a->run, path, e), path, e);
}

static int create_bundle(const struct attempt *a, struct machine *m, struct bundle *ret,
			 struct err *e)
{
	const struct job *j = a->j;
	const char *path = a->paths->disk;
	struct asking asking = {a, m};
	const bool asks = pre_build_hook_is_set(j->settings);
	const struct bundle_job bundle = {
		.path = path,
		.mem_dirfd = a->mem->dirfd,
		.request = a->req,
		.profile = j->conf->profile,
		.host = &m->host,
		.user = a->user,
		.ctx = &asking,
		.make_top = make_top,
		.ask = asks ? ask_for_more : NULL,
	};

	if (bundle_create(&bundle, ret, e) < 0)
		return asks ? -1 : err_wrap(e, "creating the bundle '%s'", path);
	return 0;
}

/*
 * Keep the build directory of a build that has failed, for whatever reason. The build's error is
 * logged later. The build's clock goes on, but a copy has at least a minute, so that also a build
 * that has timed out is kept.
 */
static void keep_failed(const struct attempt *a, const struct keep_plan *plan,
			const char *build_dir, struct budget budget)
{
	const char *quote = settings_quote(a->j->settings);
	const int64_t soon_ms = clock_now_ms() + KEEP_AT_LEAST_MS;
	const struct keep_list list = {a->run, run_own_tree, run_disown};
	struct err e = ERR_INIT;
	scoped_free char *kept = NULL;

	budget.left_bytes = UINT64_MAX; /* the copy may go to another disk than the outputs */
	if (budget.deadline_ms && budget.deadline_ms < soon_ms)
		budget.deadline_ms = soon_ms;
	if (keep_move(plan, build_dir, &list, &budget, &kept, &e) < 0)
		log_warn("the build directory is not kept: %s", e.msg);
	else
		log_msg(LOG_ERROR, "note: keeping build directory %s%s%s", quote, kept, quote);
}

/* Make the directory for the runtime's own files, in the memdir if there is one. */
static int make_state(const struct attempt *a, struct err *e)
{
	const char *exe = str_base(a->j->runtime->path);
	int fd;

	if (a->mem->dirfd < 0)
		fd = io_mkdir(AT_FDCWD, a->paths->state, 0700, e);
	else
		fd = io_mkdir(a->mem->dirfd, "state", 0700, e);
	if (fd < 0)
		return err_wrap(e, "the runtime's state directory (see 'state-dir')");
	/* An empty file, on which the runtime's program is mounted. */
	if (a->mem->dirfd >= 0 && mknodat(fd, exe, S_IFREG | 0755, 0) < 0) {
		err_sys(e, "creating '%s' in memory", exe);
		close(fd);
		return -1;
	}
	return fd;
}

/* Run the container of bundle B. */
static int run_in(const struct attempt *a, const struct bundle *b, int state_fd,
		  const struct run_limits *lim, struct run_result *ret, struct err *e)
{
	const struct job_paths *p = a->paths;
	scoped_free char *scratch = str_fmt(e, "%s/scratch", p->disk);

	if (!scratch)
		return -1;
	const struct run_place at = {
		.bundle = p->bundle,
		.state_dir = p->state,
		.state_fd = state_fd,
		.mount_fd = a->mem->mount_fd,
		.scratch = scratch,
		.enters_group = !p->group.named && p->group.g.dirs.n,
		.may_stay_out = p->group.optional,
		.mounts_null = b->lacks_null,
		.owns_machine = b->owns_machine,
	};
	const struct run_job job = {
		.runtime = a->j->runtime,
		.at = &at,
		.id = p->id,
		.network = a->req->constraints.network,
		.uid = a->user->uid,
		.limits = lim,
		.log_fd = a->j->log_fd,
	};
	reporting_run_begin(a->j->reporting, a->run, b, a->req->args.items[0]);
	const int64_t since_ms = clock_now_ms();
	const int rc = run_container(a->run, &job, ret, e);
	const uint64_t ran_ms = (uint64_t)(clock_now_ms() - since_ms);
	reporting_run_end(a->j->reporting, ret);
	oom_retry_note(a->retry, a->j, ret, build_group_met_limit(&p->group, ret), ran_ms);
	a->retry->again = a->retry->again && rc == 0;
	if (rc == 0)
		return 0;
	/* Each runtime says in words of its own that its state directory is full. */
	if (e->kind == ERR_SYSTEM && a->mem->dirfd < 0 && disk_has_no_room(p->state))
		return err_wrap(e, "no space left on the file system of '%s' (see 'state-dir')",
				p->state);
	/* gVisor cannot go on without a thread that it wants. */
	if (e->kind == ERR_SYSTEM && ret->usage.pids_refused.n)
		return err_wrap(e, "the build was refused more processes (see 'pids-max')");
	return -1;
}

/* Append to NOTE what there is to say of a disk that is full. */
static int note_disk(const struct attempt *a, const struct bundle *b, struct buf *note,
		     struct err *e)
{
	const struct job *j = a->j;

	if (disk_note(j->conf, j->store->real_dir, b, a->req, note, e) < 0)
		return -1;
	/* A runtime that cannot write its log there only leaves an exit code. */
	if (!note->len && a->mem->dirfd < 0 && disk_has_no_room(j->conf->state_dir))
		return buf_adds(note, DISK_NOTE, e);
	return 0;
}

/* Set *E, in Nix's words, for a builder that failed. Returns 0: it succeeded. */
static int report_end(const struct attempt *a, const struct bundle *b, const struct run_result *r,
		      struct err *e)
{
	const struct job *j = a->j;
	const char *drv = j->drv->path;
	scoped_buf struct buf note = BUF_INIT(ERR_MSG_MAX);
	const char *pids = r->usage.pids_refused.n
				   ? "\nnote: the build was refused more processes (see 'pids-max')"
				   : "";

	if (r->end == RUN_EXITED && r->status == 0)
		return 0;
	if ((r->end == RUN_EXITED || r->end == RUN_SIGNALED) && note_disk(a, b, &note, e) < 0)
		return -1;
	switch (r->end) {
	case RUN_EXITED:
		return err_set(e, ERR_BUILD, "builder for '%s' failed with exit code %d%s%s", drv,
			       r->status, pids, note.len ? note.data : "");
	case RUN_SIGNALED:
		return err_set(e, ERR_BUILD, "builder for '%s' failed due to signal %d (%s)%s%s",
			       drv, r->status, strsignal(r->status), pids,
			       note.len ? note.data : "");
	case RUN_OOM:
		return build_group_report_oom(&a->paths->group, drv, j->runtime, r, e);
	case RUN_FLOODED:
		return err_set(e, ERR_BUILD,
			       "building of '%s' from .drv file killed after writing more than "
			       "%" PRIu64 " bytes of log output (see 'log-max')",
			       drv, j->conf->log_max);
	case RUN_TIMED_OUT:
		return report_timeout(j, "timeout", "", e);
	case RUN_SILENT:
		return report_timeout(j, "max-silent-time", " of silence", e);
	}
	return err_set(e, ERR_SYSTEM, "builder for '%s' died abnormally", drv);
}

/* Keep the build directory if the build has failed, and tell the supervisor that it need not. */
static void end_keeping(const struct attempt *a, const struct keep_plan *plan,
			const char *build_dir, struct budget budget, bool failed)
{
	struct err e = ERR_INIT;

	if (failed)
		keep_failed(a, plan, build_dir, budget);
	if (run_forget_failed(a->run, &e) < 0)
		log_warn("the build directory may be kept: %s", e.msg);
}

/* Return the budget for the work on the outputs: the build's clock, which starts now. */
static struct budget budget_of(const struct job *j, const struct run_limits *lim)
{
	struct budget b = BUDGET_INIT;

	b.stop_fd = j->stop_fd;
	if (lim->timeout_s && lim->timeout_s < INT32_MAX)
		b.deadline_ms = clock_now_ms() + (int64_t)lim->timeout_s * 1000;
	return b;
}

/* Check the outputs that the build left in B, and make them valid, within the build's time. */
static int register_outputs(const struct attempt *a, const struct bundle *b, struct budget *budget,
			    struct run_result *ret, struct err *e)
{
	const struct job *j = a->j;
	struct outputs_cost cost = {0};
	const struct outputs_job out = {
		.drv = j->drv,
		.wanted = j->wanted,
		.inputs = j->inputs,
		.store = j->store,
		.settings = j->settings,
		.user = a->user,
		.output_dir = b->output_dir,
		.output_dirfd = b->output_dirfd,
		.run = a->run,
		.own = run_own_tree,
		.disown = run_disown,
		.make_dir = run_make_dir,
		.cost = &cost,
		.budget = budget,
	};
	const uint64_t since_us = clock_now_us();
	const int rc = outputs_register(&out, e);
	reporting_outputs(j->reporting, &cost, rc == 0, since_us);
	if (rc == 0)
		return 0;
	if (!budget->timed_out)
		return -1;
	err_clear(e);
	ret->end = RUN_TIMED_OUT;
	return report_timeout(j, "timeout", "", e);
}

/* Tell the builds that wait for memory by which group they see what this one uses. */
static void note_group(const struct attempt *a)
{
	const char *dir = build_group_dir(&a->paths->group);
	struct err e = ERR_INIT;

	if (dir && a->j->reservation && reservation_note(a->j->reservation, dir, &e) < 0)
		log_debug("%s", e.msg);
}

/* Do everything between the supervisor's start and its end. */
static int run_supervised(const struct attempt *a, struct run_result *ret, struct err *e)
{
	scoped_machine struct machine m = {0};
	scoped_bundle struct bundle b = BUNDLE_INIT;
	scoped_keep_plan struct keep_plan plan = KEEP_PLAN_INIT;
	const struct job *j = a->j;
	struct job_paths *p = a->paths;
	struct run_limits lim;

	if (build_group_choose(j, p->id, a->req->constraints.uid_range, a->user, a->run, &p->group,
			       e) < 0 ||
	    prepare(a, &m, e) < 0 || choose_limits(j, &lim, e) < 0 ||
	    keep_plan(j->drv, j->settings, j->store->state_dir, a->user, &plan, e) < 0)
		return -1;
	lim.builder = a->req->args.items[0];
	oom_retry_limits(a->retry, j->reporting->phases.bytes, &lim);
	run_stop_on(a->run, j->stop_fd);
	if (run_keep_record(a->run, &p->record, e) < 0 ||
	    (a->mem->dirfd < 0 && run_own_tree(a->run, p->state, e) < 0))
		return -1;
	scoped_fd int state_fd = make_state(a, e);
	if (state_fd < 0)
		return -1;
	if (create_bundle(a, &m, &b, e) < 0)
		return -1;
	if (record_runtime(&p->record, j->runtime, p->id, a->mem->dirfd < 0, e) < 0 ||
	    build_group_make(&p->group, &p->record, a->run, a->user, e) < 0)
		return -1;
	note_group(a);
	if (plan.dir && run_keep_failed(a->run, &plan, b.build_dir, e) < 0)
		return -1;
	struct budget budget = budget_of(j, &lim);
	const bool failed = run_in(a, &b, state_fd, &lim, ret, e) < 0 ||
			    report_end(a, &b, ret, e) < 0 ||
			    register_outputs(a, &b, &budget, ret, e) < 0;
	/* A hook that is stopped has no time for it: the supervisor keeps the directory then. */
	if (plan.dir && (!failed || e->kind != ERR_STOPPED))
		end_keeping(a, &plan, b.build_dir, budget, failed && !a->retry->again);
	return failed ? -1 : 0;
}

/* Start the supervisor with all locks that must be held until nothing of the run is left. */
static struct run *start_run(const struct job *j, const struct build_user *user,
			     const struct job_paths *paths, struct err *e)
{
	const int held[] = {j->slot_fd, user->lock_fd, paths->record.fd, j->reporting->active.fd,
			    j->reservation ? reservation_fd(j->reservation) : -1};
	int fds[ARRAY_SIZE(held) + JOB_KEEP_MAX + 1];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(held); i++)
		if (held[i] >= 0)
			fds[n++] = held[i];
	for (const int *fd = j->keep_fds; *fd >= 0; fd++) {
		assert(n < ARRAY_SIZE(fds) - 1);
		fds[n++] = *fd;
	}
	fds[n] = -1;
	return run_start(fds, e);
}

static uint32_t launch_flags(const struct runtime *rt)
{
	return (runtime_is_parent(rt) ? LAUNCH_DIE_WITH_PARENT : 0u) |
	       (runtime_cuts_output(rt) ? LAUNCH_RELAY : 0u);
}

/*
 * Return the job's stored request, or the one that is made of its derivation in OWN. The launcher
 * is added to it. NULL: *E.
 */
static struct request *get_request(const struct job *j, const struct request_source *in,
				   struct builtin_program *builtin, struct request *own,
				   struct err *e)
{
	struct request *req = j->request ? j->request : own;

	if (!j->request &&
	    ((drv_is_builtin(j->drv) && builtin_program_find(j->conf, builtin, e) < 0) ||
	     request_make(in, own, e) < 0))
		return NULL;
	return launcher_wrap(req, launch_flags(j->runtime), e) < 0 ? NULL : req;
}

/* Nix names the outputs that it wants; if one is not the derivation's, nothing is to be built. */
static int check_wanted(const struct job *j, struct err *e)
{
	for (size_t i = 0; i < j->wanted->n; i++)
		if (!drv_output(j->drv, j->wanted->items[i]))
			return err_set(e, ERR_INPUT, "derivation '%s' has no output '%s'",
				       j->drv->path, j->wanted->items[i]);
	return 0;
}

/* Run the build once. RETRY learns how that went, and whether to run it again. */
static int build_once(const struct job *j, struct oom_retry *retry, struct run_result *ret,
		      struct err *e)
{
	scoped_build_user struct build_user user = BUILD_USER_INIT;
	scoped_builtin struct builtin_program builtin = BUILTIN_PROGRAM_INIT;
	scoped_request struct request own = {0};
	scoped_paths struct job_paths paths = JOB_PATHS_INIT;
	scoped_memdir struct memdir mem = MEMDIR_INIT;
	scoped_inputs struct inputs inputs = INPUTS_INIT;
	struct err cleanup = ERR_INIT;
	const struct request_source in = {
		.drv = j->drv,
		.settings = j->settings,
		.store = j->store,
		.inputs = j->inputs,
		.environ = environ,
		.secrets_allowed = &j->conf->impure_env_secrets,
		.builtin = &builtin,
		.builtin_secrets = true,
		.own_shell = conf_has_shell(j->conf),
	};
	int rc;

	/* Before files are opened: a link from another namespace's mount is one across devices. */
	if (disk_isolate(j->conf, e) < 0 || check_wanted(j, e) < 0)
		return -1;
	struct request *req = get_request(j, &in, &builtin, &own, e);
	if (!req)
		return -1;
	const bool in_memory = !(j->conf->bundle_dir && j->conf->bundle_dir[0]) &&
			       runtime_takes_memory(j->runtime) &&
			       !pre_build_hook_is_set(j->settings) &&
			       bundle_fits_memory(req, j->conf->profile) && memdir_new(&mem);
	/* Before ids are chosen, because it kills processes of dead runs, which may have some. */
	if (choose_paths(j, in_memory, &paths, e) < 0)
		return -1;
	if (build_user_acquire(j->settings, j->store->state_dir, req->constraints.uid_range,
			       j->stop_fd, &user, e) < 0)
		return -1;
	if (inputs_open(&inputs, j->conf, j->store, e) < 0 ||
	    check_mounts(j, bundle_parent(j), inputs_dir(&inputs), e) < 0)
		return -1;
	reporting_open_active(j);
	struct run *run = start_run(j, &user, &paths, e);
	if (!run)
		return -1;
	reporting_fill_active(j, run, user.uid, build_group_dir(&paths.group));
	const struct attempt a = {j, &in, &user, req, &paths, &mem, &inputs, run, retry};
	rc = run_supervised(&a, ret, e);
	if (run_finish(run, &cleanup) < 0) {
		/* What could not be removed does not change the result of the build. */
		log_warn("%s", cleanup.msg);
	}
	return rc;
}

int job_run(const struct job *j, struct run_result *ret, struct err *e)
{
	struct conf conf = *j->conf; /* its heap stays the caller's */
	struct job current = *j;
	struct oom_retry retry = {0};
	int rc;

	current.conf = &conf;
	while ((rc = build_once(&current, &retry, ret, e)) < 0 && retry.again) {
		retry.again = false;
		*ret = (struct run_result){0};
		err_clear(e);
		if (oom_retry_prepare(&retry, &current, &conf, e) < 0) {
			rc = -1;
			break;
		}
	}
	reporting_end(&current, ret, rc, e);
	return rc;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verb that Nix starts. Nix asks one process about derivations, one after the other, until the
 * process accepts one. That build is the last thing that the process does.
 *
 * Nothing may fail before the reply: Nix takes an early exit as "unexpected EOF" and gives up the
 * whole nix-build. The hook finds a fault of this machine or of the derivation before it replies
 * (no runtime, state directory not writable, .drv damaged). It then accepts, and reports the fault
 * as the failure of that one build.
 */
#include "hook/cmd/cmd.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "hook/cmd/cli.h"
#include "hook/conf/conf.h"
#include "hook/host/reservation.h"
#include "hook/host/slots.h"
#include "hook/job/asker.h"
#include "hook/job/decide.h"
#include "hook/job/job.h"
#include "hook/job/memory_turn.h"
#include "hook/job/reporting.h"
#include "hook/nix/protocol.h"
#include "hook/request/narrow.h"
#include "nar/base/clock.h"
#include "nar/base/scope.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

/* Exit codes that Nix up to 2.31 understands (derivation-goal.cc: buildDone, hook != nullptr). */
#define EXIT_PERMANENT_FAILURE 100
#define EXIT_TIMED_OUT 101
#define LOG_WAIT_MS 10000 /* how long to wait until Nix has read the end of the log */

struct hook {
	struct settings settings;
	struct conf conf;
	struct store store;
	struct runtime runtime;
	struct slots *slots;
	struct reservation reservation;
	struct strv told; /* derivations whose refusal was logged */
};

static void hook_done(struct hook *h)
{
	strv_done(&h->told);
	reservation_done(&h->reservation);
	slots_free(h->slots);
	runtime_done(&h->runtime);
	store_done(&h->store);
	conf_done(&h->conf);
	settings_done(&h->settings);
}
#define scoped_hook __attribute__((cleanup(hook_done)))

/* Find everything that builds need. With an error of this function each build fails. */
static int hook_prepare(struct hook *h, const struct cli *c, struct err *e)
{
	if (conf_load(&h->conf, c->config_path, &c->conf_options, e) < 0)
		return -1;
	if (store_open(&h->store, &h->settings, h->conf.registration, e) < 0)
		return -1;
	store_choose_durable(&h->store, h->conf.sync);
	if (!h->store.local)
		return 0; /* each build is declined, and needs no runtime or slot */
	if (runtime_find(&h->conf, &h->runtime, e) < 0)
		return -1;
	h->slots = slots_of_machine(&h->conf, e);
	return h->slots ? 0 : -1;
}

static int accept_job(struct hook *h, struct proto *p, struct proto_job *job, struct err *e)
{
	scoped_free char *store = NULL;

	if (h->conf.store_name && h->conf.store_name[0])
		store = str_dup(h->conf.store_name, e);
	else
		store = str_fmt(e, "oci:%s", h->runtime.name ? h->runtime.name : "none");
	if (!store || proto_accept(store, e) < 0)
		return -1;
	return proto_read_job(p, job, e);
}

/*
 * Choose the exit code after a builder failed. Nix up to 2.31 reads 100 as the failure of the build
 * and 101 as a time-out, so that nix-build ends as after a local build. Newer versions read all
 * statuses alike and print them, so they get the builder's own: for a signal, this process kills
 * itself by it.
 */
static int exit_code_for(const struct run_result *r, const struct settings *s)
{
	bool new_nix = settings_of_2_32(s);

	switch (r->end) {
	case RUN_EXITED:
		return new_nix && r->status > 0 && r->status < 256 ? r->status
								   : EXIT_PERMANENT_FAILURE;
	case RUN_SIGNALED:
	case RUN_OOM:
		if (new_nix) {
			/* Nix then prints "failed due to signal N". */
			const struct rlimit no_core = {0, 0};

			setrlimit(RLIMIT_CORE, &no_core);
			signal(r->status, SIG_DFL);
			raise(r->status);
		}
		return EXIT_PERMANENT_FAILURE;
	case RUN_FLOODED:
		return EXIT_PERMANENT_FAILURE;
	case RUN_TIMED_OUT:
	case RUN_SILENT:
		return EXIT_TIMED_OUT;
	}
	return EXIT_FAILURE;
}

/*
 * Log WHY a builder failed. Nix 2.32 prints the exit code or the signal by itself: then log only
 * the lines after WHY's first.
 */
static void log_end(const struct run_result *r, const struct settings *s, const struct err *why)
{
	const char *note = strchr(why->msg, '\n');

	if (!settings_of_2_32(s) || (r->end != RUN_EXITED && r->end != RUN_SIGNALED))
		log_err(why);
	else if (note)
		log_msg(LOG_ERROR, "%s", note + 1);
}

/* Wait for a slot, and then for memory. */
static int wait_for_turn(struct hook *h, const struct drv *d, struct reporting *r, struct err *e)
{
	const uint64_t since_us = clock_now_us();

	if (slots_wait(h->slots, PROTO_LOG_FD, e) < 0)
		return -1;
	reporting_took(r, REPORT_WAIT_SLOT_US, since_us);
	r->report.n[REPORT_SLOT] = (uint64_t)slots_number(h->slots);
	return memory_turn(&h->conf, d, PROTO_LOG_FD, r, &h->reservation, e);
}

/* Build the accepted derivation. Returns the exit code; -1: *E. */
static int build(struct hook *h, const struct drv *d, const struct proto_job *pj, struct err *e)
{
	scoped_reporting struct reporting reporting = REPORTING_INIT;
	struct run_result end = {0};

	reporting_begin(&reporting);
	/* Before the build waits for a slot: the hook has accepted, so Nix does not wait for it. */
	if (store_ready(&h->store, e) < 0)
		return -1;
	if (h->store.why_not_sqlite && h->conf.registration == REG_AUTO)
		log_msg(LOG_TALKATIVE, "outputs are registered by nix-store --load-db: %s",
			h->store.why_not_sqlite);
	if (h->runtime.passed_over)
		log_msg(LOG_TALKATIVE,
			"the build runs in '%s', as other runtimes cannot run here: %s",
			h->runtime.path, h->runtime.passed_over);
	if (wait_for_turn(h, d, &reporting, e) < 0)
		return -1;
	const struct job job = {
		.conf = &h->conf,
		.settings = &h->settings,
		.runtime = &h->runtime,
		.store = &h->store,
		.drv = d,
		.inputs = &pj->inputs,
		.wanted = &pj->outputs,
		.slot_fd = slots_fd(h->slots),
		.keep_fds = (const int[]){-1},
		.log_fd = PROTO_LOG_FD,
		.stop_fd = PROTO_LOG_FD,
		.reporting = &reporting,
		.reservation = &h->reservation,
	};
	const int rc = job_run(&job, &end, e);
	proto_await_reader(PROTO_LOG_FD, LOG_WAIT_MS);
	if (rc == 0)
		return EXIT_SUCCESS;
	if (end.end == RUN_EXITED && end.status == 0)
		return -1; /* the builder succeeded, and a later step failed */
	log_end(&end, &h->settings, e);
	return exit_code_for(&end, &h->settings);
}

/*
 * Write WHY into the build's log: Nix shows the log, and keeps it for `nix log`.
 * Returns the exit code; -1: *E.
 */
static int fail_in_log(const struct err *why, struct err *e)
{
	if (log_err_to(PROTO_LOG_FD, why, e) < 0)
		return -1;
	proto_await_reader(PROTO_LOG_FD, LOG_WAIT_MS);
	return EXIT_FAILURE;
}

/* Accept the derivation and fail its build with the reason WHY. Returns the exit code; -1: *E. */
static int accept_and_fail(struct hook *h, struct proto *p, const struct err *why, struct err *e)
{
	scoped_job struct proto_job job = {0};

	return accept_job(h, p, &job, e) < 0 ? -1 : fail_in_log(why, e);
}

/*
 * Tell whether E is a failure of the hook, not of the build or its outputs. Only a failure of the
 * hook goes into the build's log: Nix does not log a build's failure there either.
 */
static bool is_own_failure(const struct err *e)
{
	return e->kind != ERR_BUILD && e->kind != ERR_STOPPED;
}

#define ASK_AGAIN (-2)

/*
 * Log why the hook declines a derivation. If Nix will not build it either, log at a level that
 * people see, because Nix's error only says that no machine builds it. Do so once, although Nix may
 * ask again.
 */
static int tell_why(struct hook *h, enum decision decision, const char *drv, const char *why,
		    struct err *e)
{
	uint64_t jobs;

	if (settings_u64(&h->settings, "max-jobs", 1, &jobs, e) < 0)
		return -1;
	if ((decision == DECIDE_DECLINE && jobs > 0) || strv_has(&h->told, drv)) {
		log_debug("declining '%s': %s", drv, why);
		return 0;
	}
	log_msg(LOG_NOTICE, "nix-oci-hook does not build '%s': %s", drv, why);
	return strv_add(&h->told, drv, e);
}

static int decline(struct hook *h, struct proto *p, enum decision decision, const char *drv,
		   const char *why, struct err *e)
{
	struct err bad = ERR_INIT;

	if (tell_why(h, decision, drv, why, &bad) < 0)
		return accept_and_fail(h, p, &bad, e);
	return proto_decline(e) < 0 ? -1 : ASK_AGAIN;
}

static int read_and_decide(struct hook *h, const struct proto_try *t, struct drv *d,
			   enum decision *ret, struct buf *why, struct err *e)
{
	scoped_free char *real = store_real_path(&h->store, t->drv_path, e);

	if (!real)
		return -1;
	if (drv_read(t->drv_path, real, h->store.dir, d, e) < 0) {
		if (e->kind != ERR_SYSTEM || e->sys != ENOENT)
			return -1;
		/*
		 * The derivation exists only in the store that Nix evaluates with (--eval-store).
		 * Nix does not tell a hook where that store is.
		 */
		err_clear(e);
		*ret = DECIDE_DECLINE;
		return buf_addf(why, e, "it is not in the store ('--eval-store')");
	}
	const struct decide_here here = {&h->settings, &h->store, &h->conf.policy};
	return decide(&here, t, d, ret, why, e);
}

/*
 * From here on this process has the build of D alone: its configuration becomes what holds for D,
 * and with it the runtime.
 */
static int narrow(struct hook *h, const struct drv *d, struct err *e)
{
	if (!h->conf.policy.n)
		return 0;
	if (conf_narrow(&h->conf, d, e) < 0)
		return -1;
	runtime_done(&h->runtime);
	return runtime_find(&h->conf, &h->runtime, e);
}

/*
 * Answer one question of Nix. MACHINE is the error of hook_prepare(), if it failed.
 * Returns the exit code after an accepted build; ASK_AGAIN: read the next question; -1: *E.
 */
static int answer(struct hook *h, struct proto *p, const struct proto_try *t,
		  const struct err *machine, struct err *e)
{
	scoped_drv struct drv d = {0};
	scoped_job struct proto_job job = {0};
	scoped_buf struct buf why = BUF_INIT(ERR_MSG_MAX);
	struct err bad = ERR_INIT;
	enum decision decision;
	const char *base;
	int place;

	if (err_is_set(machine))
		return accept_and_fail(h, p, machine, e);
	if (!h->store.local) {
		if (buf_addf(&why, e,
			     "the hook cannot register outputs in the store '%s'; it needs a local "
			     "store that it can write to",
			     h->store.uri) < 0)
			return -1;
		return decline(h, p, DECIDE_DECLINE, t->drv_path, why.data, e);
	}
	if (storepath_check(t->drv_path, h->store.dir, &base, &bad) < 0)
		return accept_and_fail(h, p, &bad, e);
	if (read_and_decide(h, t, &d, &decision, &why, &bad) < 0)
		return bad.kind == ERR_UNSUPPORTED
			       ? decline(h, p, DECIDE_DECLINE, t->drv_path, bad.msg, e)
			       : accept_and_fail(h, p, &bad, e);
	if (decision != DECIDE_ACCEPT)
		return decline(h, p, decision, t->drv_path, why.data, e);
	if (!asker_has_room(getppid()))
		return proto_postpone(e) < 0 ? -1 : ASK_AGAIN;
	place = slots_enter(h->slots, &bad);
	if (place < 0)
		return accept_and_fail(h, p, &bad, e);
	if (place == SLOTS_FULL)
		return proto_postpone(e) < 0 ? -1 : ASK_AGAIN;
	if (narrow(h, &d, &bad) < 0)
		return accept_and_fail(h, p, &bad, e);
	if (accept_job(h, p, &job, e) < 0)
		return -1;
	const int rc = build(h, &d, &job, &bad);
	if (rc >= 0)
		return rc;
	return is_own_failure(&bad) ? fail_in_log(&bad, e) : err_set(e, bad.kind, "%s", bad.msg);
}

/* Set the level of the log from Nix's verbosity, the last argument (hook/base/log.h). */
static int set_verbosity(const char *arg, struct err *e)
{
	uint64_t level;

	if (!num_parse_u64(arg, strlen(arg), UINT64_MAX, &level))
		return err_set(e, ERR_INPUT, "the verbosity '%s' is not a number", arg);
	log_init(level < LOG_VOMIT ? (enum log_level)level : LOG_VOMIT, LOG_NIX);
	return 0;
}

static int serve(struct hook *h, const struct cli *c, struct err *e)
{
	scoped_proto struct proto p = {.fd = -1};
	struct err machine = ERR_INIT;

	if (set_verbosity(c->args[0], e) < 0 || proto_fix_fds(e) < 0 ||
	    proto_init(&p, STDIN_FILENO, e) < 0 || proto_read_settings(&p, &h->settings, e) < 0)
		return -1;
	if (hook_prepare(h, c, &machine) < 0)
		log_debug("%s", machine.msg);
	for (;;) {
		scoped_try struct proto_try t = {0};
		int n = proto_read_try(&p, &t, e);

		if (n <= 0)
			return n; /* 0: Nix has nothing more to build */
		n = answer(h, &p, &t, &machine, e);
		if (n != ASK_AGAIN)
			return n;
	}
}

int cmd_hook(int argc, char **argv, struct err *e)
{
	scoped_hook struct hook h = {.reservation = RESERVATION_INIT};
	scoped_cli struct cli c = {
		.synopsis = "VERBOSITY",
		.about = "Serve Nix as its build hook, on standard input and error and descriptor "
			 "4.\n"
			 "Nix starts this verb by its setting build-hook; see nix-oci-hook(1).",
		.min_args = 1,
		.max_args = 1,
	};
	int rc;

	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	conf_init(&h.conf);
	return serve(&h, &c, e);
}

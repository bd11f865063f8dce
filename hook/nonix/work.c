/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs in: nix-oci-hook-build ("the parent"), and a child of it for each build ("the worker").
 *
 * Three pipes lead from a worker to the parent:
 *
 *	log     the builder's output, and the messages of the worker
 *	result  the outputs: narinfos, each with an empty line after it
 *	watch   no data; the build's supervisor keeps it open until it has cleaned up
 *
 * A build has ended when all three pipes have ended. So the parent waits for the supervisor even
 * if the worker was killed.
 */
#include "hook/nonix/work.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "hook/host/reservation.h"
#include "hook/job/job.h"
#include "hook/job/memory_turn.h"
#include "hook/job/reporting.h"
#include "hook/nonix/narinfos.h"
#include "hook/nonix/upload.h"
#include "hook/request/narrow.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/cache/dest.h"
#include "nar/narinfo.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

/* The bytes of a build's result pipe. */
#define RESULT_MAX (64u << 20)
#define LOG_READ_BYTES (64u << 10)
#define LOG_LINE_MAX (64u << 10)

enum { PIPE_LOG, PIPE_RESULT, PIPE_WATCH, PIPE_COUNT };

/* The exit codes of a worker. */
enum {
	EXIT_BUILT = 0,
	EXIT_OTHER = 1,
	EXIT_BUILD_FAILED = 100,
	EXIT_TIMED_OUT = 101,
};

/* A worker, as the parent sees it. */
struct worker {
	struct build_node *node; /* its build; NULL: the worker is idle */
	pid_t pid;
	int fds[PIPE_COUNT]; /* the parent's ends of the pipes; -1 after the end */
	struct buf result;
	struct buf line; /* an unfinished line of the log, if several builds print at once */
};

/* All builds and workers of one call of work_run(). */
struct crew {
	const struct work *w;
	struct build_node **builds;
	size_t n, n_ended, n_running;
	bool look;              /* a build may have become ready to begin */
	struct worker *workers; /* w->max_jobs of them */
	bool stopping;          /* no more builds begin */
	bool told;              /* w->stop_fd became readable */
	enum work_end end;
};

/* ---- in the worker ---- */

static int job_inputs(const struct work *w, const struct build_node *n, struct strv *ret,
		      struct err *e)
{
	/* The inputs of a request are a whole closure. */
	if (w->request)
		return strv_copy(ret, &n->inputs, e);
	return n->inputs.n ? store_closure(w->store, &n->inputs, ret, e) : 0;
}

static int wait_for_slot(struct slots *s, struct reporting *r, struct err *e)
{
	const uint64_t since_us = clock_now_us();
	const int rc = slots_enter(s, e);

	if (rc < 0)
		return -1;
	if (rc == SLOTS_FULL)
		return err_set(e, ERR_SYSTEM,
			       "too many builds wait on this machine already (see "
			       "'max-queued')");
	if (slots_queued(s) && slots_wait(s, -1, e) < 0)
		return -1;
	reporting_took(r, REPORT_WAIT_SLOT_US, since_us);
	r->report.n[REPORT_SLOT] = (uint64_t)slots_number(s);
	return 0;
}

/* This process has the build of N alone: its configuration becomes what holds for that. */
static int narrow(const struct work *w, const struct build_node *n, struct err *e)
{
	if (!w->conf->policy.n)
		return 0;
	if (conf_narrow(w->conf, &n->drv, e) < 0)
		return -1;
	runtime_done(w->runtime);
	return runtime_find(w->conf, w->runtime, e);
}

static int build(const struct work *w, const struct build_node *n, int watch_fd,
		 struct run_result *end, struct err *e)
{
	scoped_strv struct strv inputs = STRV_INIT;
	scoped_reservation struct reservation reservation = RESERVATION_INIT;
	struct slots *slots = slots_of_machine(w->conf, e);
	scoped_reporting struct reporting reporting = REPORTING_INIT;
	int rc;

	if (!slots)
		return -1;
	reporting_begin(&reporting);
	rc = narrow(w, n, e) < 0 || wait_for_slot(slots, &reporting, e) < 0 ||
			     memory_turn(w->conf, &n->drv, -1, &reporting, &reservation, e) < 0 ||
			     job_inputs(w, n, &inputs, e) < 0
		     ? -1
		     : 0;
	if (rc == 0) {
		const int keep[] = {watch_fd, w->hold_fd, -1};
		const struct job job = {
			.conf = w->conf,
			.settings = w->settings,
			.runtime = w->runtime,
			.store = w->store,
			.drv = &n->drv,
			.inputs = &inputs,
			.wanted = &n->wanted,
			.request = w->request,
			.slot_fd = slots_fd(slots),
			.keep_fds = keep,
			.log_fd = STDERR_FILENO,
			.stop_fd = -1,
			.reporting = &reporting,
			.reservation = &reservation,
		};
		rc = job_run(&job, end, e);
	}
	slots_free(slots);
	return rc;
}

static int made_paths(const struct build_node *n, struct strv *ret, struct err *e)
{
	for (size_t i = 0; i < n->wanted.n; i++)
		if (strv_add(ret, drv_output(&n->drv, n->wanted.items[i])->path, e) < 0)
			return -1;
	return 0;
}

static int publish(const struct work *w, const struct strv *paths, struct err *e)
{
	scoped_cache_dest struct cache_dest *dest = cache_dest_open(w->to, w->cache, e);
	const struct upload p = {
		.dest = dest,
		.compress = w->compress,
		.secret_keys = w->secret_keys,
		.store = w->store,
		.deriver = !w->request,
	};

	return dest ? upload_paths(&p, paths, e) : -1;
}

/*
 * Report an output to the parent, as it is registered here. The cache may have other contents for
 * this path, from another build.
 */
static int tell(const struct work *w, const char *path, int fd, struct err *e)
{
	scoped_store_path_info struct store_path_info info = {0};
	scoped_buf struct buf text = BUF_INIT(NARINFO_MAX_BYTES);
	scoped_narinfo struct narinfo n = {0};

	if (store_path_info(w->store, path, &info, e) < 0 ||
	    narinfo_from_registered(&n, path, &info, e) < 0)
		return -1;
	/* A narinfo must have a URL and a compression; nobody reads these two. */
	n.url = str_dup("-", e);
	n.compression = n.url ? str_dup("none", e) : NULL;
	if (!n.compression)
		return -1;
	if (narinfo_print(&n, &text, e) < 0 || buf_addc(&text, '\n', e) < 0)
		return -1;
	return io_write(fd, text.data, text.len, "the pipe for results", e);
}

static int build_and_publish(const struct work *w, const struct build_node *n, const int fds[],
			     struct run_result *end, struct err *e)
{
	scoped_strv struct strv paths = STRV_INIT;

	if (build(w, n, fds[PIPE_WATCH], end, e) < 0 || made_paths(n, &paths, e) < 0 ||
	    publish(w, &paths, e) < 0)
		return -1;
	for (size_t i = 0; i < paths.n; i++)
		if (tell(w, paths.items[i], fds[PIPE_RESULT], e) < 0)
			return -1;
	return 0;
}

static int exit_code(const struct run_result *end, const struct err *e)
{
	if (end->end == RUN_TIMED_OUT || end->end == RUN_SILENT)
		return EXIT_TIMED_OUT;
	return e->kind == ERR_BUILD ? EXIT_BUILD_FAILED : EXIT_OTHER;
}

/* Be the worker of build N, and end by _exit(). PARENT is the parent's pid. */
static void __attribute__((noreturn))
be_worker(const struct crew *c, const struct build_node *n, const int fds[], pid_t parent)
{
	struct run_result end = {0};
	struct err e = ERR_INIT;
	sigset_t none;

	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(EXIT_OTHER);
	for (size_t i = 0; i < c->w->max_jobs; i++)
		for (size_t j = 0; c->workers[i].node && j < PIPE_COUNT; j++)
			scope_close(&c->workers[i].fds[j]);
	if (dup2(fds[PIPE_LOG], STDERR_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		_exit(EXIT_OTHER);
	close(fds[PIPE_LOG]);
	c->w->show->live = false; /* the status line belongs to the parent */
	if (build_and_publish(c->w, n, fds, &end, &e) == 0)
		_exit(EXIT_BUILT);
	log_err(&e);
	_exit(exit_code(&end, &e));
}

/* ---- in the parent: begin a build ---- */

static void worker_done(struct worker *k)
{
	for (size_t i = 0; i < PIPE_COUNT; i++) {
		scope_close(&k->fds[i]);
		k->fds[i] = -1;
	}
	buf_done(&k->result);
	buf_done(&k->line);
	k->node = NULL;
}

static int make_pipes(struct worker *k, int write_ends[PIPE_COUNT], struct err *e)
{
	for (size_t i = 0; i < PIPE_COUNT; i++) {
		int p[2];

		if (pipe2(p, O_CLOEXEC) < 0)
			return err_sys(e, "making a pipe");
		k->fds[i] = p[0];
		write_ends[i] = p[1];
	}
	return 0;
}

static int start(struct crew *c, struct worker *k, struct build_node *n, struct err *e)
{
	int write_ends[PIPE_COUNT] = {-1, -1, -1};
	const pid_t self = getpid();
	int rc;

	assert(!k->node);
	*k = (struct worker){
		.fds = {-1, -1, -1},
		.result = BUF_INIT(RESULT_MAX),
		.line = BUF_INIT(LOG_LINE_MAX),
	};
	rc = make_pipes(k, write_ends, e);
	if (rc == 0) {
		if (log_level() >= LOG_INFO) {
			progress_clear(c->w->show);
			log_msg(LOG_INFO, "building '%s'...", n->drv.path);
		}
		k->pid = fork();
		if (k->pid == 0)
			be_worker(c, n, write_ends, self);
		if (k->pid < 0)
			rc = err_sys(e, "starting a process for a build");
	}
	for (size_t i = 0; i < PIPE_COUNT; i++)
		scope_close(&write_ends[i]);
	if (rc < 0) {
		worker_done(k);
		return -1;
	}
	k->node = n;
	c->n_running++;
	return 0;
}

/* ---- in the parent: what a worker says ---- */

/* Print whole lines, each with the name of the build before it. */
static void say_named(struct crew *c, struct worker *k, const char *data, size_t n)
{
	struct err ignored = ERR_INIT;

	while (n) {
		const char *end = memchr(data, '\n', n);
		const size_t len = end ? (size_t)(end - data) : n;
		const size_t room = LOG_LINE_MAX - 512 - k->line.len;
		const size_t part = len < room ? len : room;

		if ((!k->line.len && buf_addf(&k->line, &ignored, "%s> ", k->node->drv.name) < 0) ||
		    buf_add(&k->line, data, part, &ignored) < 0)
			return; /* without memory, drop the text */
		if (end && part == len) {
			data++;
			n--;
		}
		if ((end && part == len) || part == room) {
			if (buf_addc(&k->line, '\n', &ignored) < 0)
				return;
			progress_text(c->w->show, k->line.data, k->line.len);
			buf_reset(&k->line);
		}
		data += part;
		n -= part;
	}
}

static void say(struct crew *c, struct worker *k, const char *data, size_t n)
{
	if (c->w->max_jobs > 1)
		say_named(c, k, data, n);
	else
		progress_text(c->w->show, data, n);
}

/* Read from pipe I of K. */
static int hear(struct crew *c, struct worker *k, size_t i, struct err *e)
{
	char data[LOG_READ_BYTES];
	const ssize_t n = read(k->fds[i], data, sizeof data);

	if (n < 0)
		return errno == EINTR ? 0 : err_sys(e, "reading from a build's process");
	if (n == 0) {
		scope_close(&k->fds[i]);
		k->fds[i] = -1;
		return 0;
	}
	if (i == PIPE_LOG)
		say(c, k, data, (size_t)n);
	else if (i == PIPE_RESULT)
		return buf_add(&k->result, data, (size_t)n, e);
	return 0;
}

/* ---- in the parent: the end of a build ---- */

static int learn_one(const struct work *w, const struct build_node *n, const char *text, size_t len,
		     struct err *e)
{
	scoped_narinfo struct narinfo i = {0};

	if (narinfo_parse(text, len, w->store->dir, "of a build", &i, e) < 0)
		return -1;
	return narinfo_register(&i, n->drv.path, w->store, e);
}

static int learn(const struct work *w, const struct worker *k, struct err *e)
{
	const char *p = k->result.data ? k->result.data : "";
	size_t told = 0;

	for (const char *end; (end = strstr(p, "\n\n")); p = end + 2, told++)
		if (learn_one(w, k->node, p, (size_t)(end + 1 - p), e) < 0)
			return -1;
	if (told != k->node->wanted.n)
		return err_set(e, ERR_SYSTEM,
			       "the process that built '%s' told of %zu outputs, "
			       "not %zu",
			       k->node->drv.path, told, k->node->wanted.n);
	return 0;
}

static void note_end(struct crew *c, int status)
{
	const int code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_OTHER;
	enum work_end end = WORK_FAILED;

	if (code == EXIT_BUILD_FAILED)
		end = WORK_BUILD_FAILED;
	else if (code == EXIT_TIMED_OUT)
		end = WORK_TIMED_OUT;
	if (c->end == WORK_DONE)
		c->end = end;
}

/* Mark N as failed, and all builds that need it, which come after it in the list. */
static void fail(struct crew *c, struct build_node *n)
{
	n->failed = true;
	for (size_t i = 0; i < c->n; i++)
		for (size_t u = 0; c->builds[i]->failed && u < c->builds[i]->n_users; u++)
			c->builds[i]->users[u]->failed = true;
}

static int reap(struct crew *c, struct worker *k, struct err *e)
{
	struct build_node *n = k->node;
	int status, rc = 0;

	while (waitpid(k->pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "waiting for a build's process");
	if (k->line.len)
		say_named(c, k, "\n", 1);
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_BUILT) {
		rc = learn(c->w, k, e);
		for (size_t i = 0; rc == 0 && i < n->n_users; i++)
			n->users[i]->n_left--;
	} else {
		if (WIFSIGNALED(status) && !c->told) {
			progress_clear(c->w->show);
			log_msg(LOG_ERROR, "error: the process that built '%s' died of signal %d",
				n->drv.path, WTERMSIG(status));
		}
		note_end(c, status);
		fail(c, n);
		if (!c->w->keep_going)
			c->stopping = true;
	}
	worker_done(k);
	c->n_running--;
	c->n_ended++;
	c->look = true;
	return rc;
}

static bool has_ended(const struct worker *k)
{
	for (size_t i = 0; i < PIPE_COUNT; i++)
		if (k->fds[i] >= 0)
			return false;
	return true;
}

/* ---- the loop ---- */

static struct worker *idle(const struct crew *c)
{
	for (size_t i = 0; i < c->w->max_jobs; i++)
		if (!c->workers[i].node)
			return &c->workers[i];
	return NULL;
}

/* Start the builds that can begin, as long as a worker is idle. */
static int start_ready(struct crew *c, struct err *e)
{
	if (!c->look)
		return 0;
	c->look = false;
	for (size_t i = 0; !c->stopping && i < c->n; i++) {
		struct build_node *n = c->builds[i];
		struct worker *k = idle(c);

		if (!k)
			break;
		if (!n->build || n->n_left || n->failed)
			continue;
		n->build = false; /* it has begun */
		if (start(c, k, n, e) < 0)
			return -1;
	}
	return 0;
}

static void kill_all(struct crew *c)
{
	c->stopping = true;
	for (size_t i = 0; i < c->w->max_jobs; i++)
		if (c->workers[i].node)
			kill(c->workers[i].pid, SIGTERM);
}

static void progress_state(const struct crew *c)
{
	char names[512] = "";
	size_t len = 0;

	for (size_t i = 0; i < c->w->max_jobs && len < sizeof names; i++)
		if (c->workers[i].node)
			len += (size_t)snprintf(names + len, sizeof names - len, ", %s",
						c->workers[i].node->drv.name);
	progress_status(c->w->show, "[%zu/%zu built]%s", c->n_ended, c->n, len ? names + 1 : "");
}

/* Wait until a pipe or w->stop_fd is readable, and handle it. */
static int turn(struct crew *c, struct pollfd *fds, struct err *e)
{
	size_t n = 0;

	fds[n++] = (struct pollfd){.fd = c->told ? -1 : c->w->stop_fd, .events = POLLIN};
	for (size_t i = 0; i < c->w->max_jobs; i++)
		for (size_t j = 0; j < PIPE_COUNT; j++)
			fds[n++] = (struct pollfd){
				.fd = c->workers[i].node ? c->workers[i].fds[j] : -1,
				.events = POLLIN,
			};
	if (poll(fds, n, -1) < 0)
		return errno == EINTR ? 0 : err_sys(e, "waiting for builds");
	if (fds[0].revents) {
		c->told = true;
		kill_all(c);
	}
	for (size_t i = 0; i < c->w->max_jobs; i++) {
		struct worker *k = &c->workers[i];

		for (size_t j = 0; k->node && j < PIPE_COUNT; j++)
			if (fds[1 + i * PIPE_COUNT + j].revents && hear(c, k, j, e) < 0)
				return -1;
		if (k->node && has_ended(k) && reap(c, k, e) < 0)
			return -1;
	}
	return 0;
}

static int loop(struct crew *c, struct pollfd *fds, struct err *e)
{
	for (;;) {
		if (start_ready(c, e) < 0)
			return -1;
		if (!c->n_running)
			break;
		progress_state(c);
		/* Without keep_going, one failure stops all builds. */
		if (c->stopping && !c->told && c->end != WORK_DONE)
			kill_all(c);
		if (turn(c, fds, e) < 0)
			return -1;
	}
	if (c->told)
		return err_set(e, ERR_STOPPED, "stopped");
	return 0;
}

/* Stop the running workers after an error, and wait for them. */
static void abandon(struct crew *c)
{
	kill_all(c);
	for (size_t i = 0; i < c->w->max_jobs; i++) {
		struct worker *k = &c->workers[i];

		if (!k->node)
			continue;
		while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
			;
		worker_done(k);
	}
}

int work_run(const struct work *w, struct build_node **builds, size_t n, enum work_end *ret,
	     struct err *e)
{
	scoped_free struct worker *workers = mem_new(w->max_jobs, sizeof *workers, e);
	scoped_free struct pollfd *fds =
		workers ? mem_new(1 + w->max_jobs * PIPE_COUNT, sizeof *fds, e) : NULL;
	struct crew c = {.w = w, .builds = builds, .n = n, .workers = workers, .look = true};
	int rc;

	if (!fds)
		return -1;
	rc = loop(&c, fds, e);
	if (rc < 0)
		abandon(&c);
	progress_status(w->show, "%s", "");
	if (rc == 0)
		*ret = c.end;
	return rc;
}

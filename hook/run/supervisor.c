/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. run.h says how a run is cleaned up, and what happens if this process is
 * killed.
 *
 * Runs in: the supervisor.
 *
 * Every process of the container is a descendant of this process, which adopts each descendant that
 * loses its parent (hook/run/children.h). The kernel kills all processes of a pid namespace when
 * its first one dies, so no process inside can fork faster than it is killed.
 *
 * All signals are blocked, so only SIGKILL ends this process. Nix's SIGKILL to the hook's process
 * group does not reach it (setsid). It holds no copy of a descriptor whose end another process
 * waits for.
 *
 * Only the builder's parent learns how the builder ended, and crun in the foreground turns signal N
 * into exit code 128+N. So once the builder has run for a moment, crun is stopped (SIGSTOP); it
 * would only wait. The dead builder then stays a zombie until its status has been read from
 * /proc/PID/stat, and crun is continued.
 */
#include "hook/run/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "hook/base/environment.h"
#include "hook/base/fds.h"
#include "hook/cgroup/cgroup.h"
#include "hook/cgroup/usage.h"
#include "hook/keep/keep_failed.h"
#include "hook/run/children.h"
#include "hook/run/cleanup.h"
#include "hook/run/clone_into.h"
#include "hook/run/supervisor_internal.h"
#include "hook/runtime/runtime.h"
#include "nar/base/buf.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Crun is stopped only for builders that have run this long: shorter ones save the time. */
#define LOOK_AFTER_MS 50
#define LOOK_AT_MOST_MS 5000
#define PID_FILE_MAX 64
/* After so many failed requests it is this process that has failed. */
#define FAILURES_MAX 100
/* Time for keeping the build directory when the hook is dead. */
#define KEEP_INTERRUPTED_MS 60000

/*
 * Send a message to the hook.
 * Returns false: it cannot be sent. If the hook waits for it, this process must end, which the hook
 * learns without a message.
 */
static bool tell(int sock, enum sup_type type, const void *data, size_t n)
{
	char kind = (char)type;
	struct iovec iov[] = {{&kind, 1}, {(void *)(uintptr_t)data, n}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	unsigned tries = 0;

	while (sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		if (!io_again(&tries))
			return errno == EPIPE; /* the hook is dead and waits for nothing */
	return true;
}

static void tell_error(int sock, const struct err *e)
{
	tell(sock, SUP_ERROR, e->msg, strlen(e->msg));
}

/* ---- processes ---- */

/* Put the control groups of process PID on the list of what is removed. */
static void note_cgroups(void *ctx, pid_t pid)
{
	struct sup *s = ctx;
	struct err e = ERR_INIT;
	unsigned tries = 0;

	while (s->how.makes_cgroups && s->runtime &&
	       cgroup_find(pid, s->words.items[WORD_ID], &s->cgroups, &e) < 0) {
		errno = e.sys;
		s->failed = s->failed || !io_again(&tries);
		if (s->failed)
			return;
		err_clear(&e);
	}
}

/* Put the control groups on the list in which the runtime puts containers by default. */
static void guess_cgroups(struct sup *s)
{
	struct err e = ERR_INIT;
	unsigned tries = 0;

	while (s->how.makes_cgroups && s->runtime &&
	       cgroup_guess(s->words.items[WORD_ID], &s->cgroups, &e) < 0) {
		errno = e.sys;
		s->failed = s->failed || !io_again(&tries);
		if (s->failed)
			return;
		err_clear(&e);
	}
}

static void note_end(void *ctx, pid_t pid, int status)
{
	struct sup *s = ctx;

	if (pid == s->runtime) {
		s->runtime_ended = true;
		s->end.runtime_status = status;
	} else if (pid == s->builder) {
		s->end.builder_seen = true;
		s->end.builder_status = status;
	}
}

static struct children_watch watch(struct sup *s)
{
	return (struct children_watch){note_cgroups, note_end, s, s->sigfd};
}

static void kill_container(struct sup *s)
{
	const struct children_watch w = watch(s);

	children_kill(&w);
}

/* ---- the runtime's start ---- */

/* What the child needs that becomes the runtime. */
struct birth {
	const struct sup *s;
	int tty;
	char *const *env;
	size_t entered; /* it begins in this one of S's groups; SUP_NOT_ENTERED: in none */
};

/* Be that child. It changes nothing in the supervisor's memory, which it shares. */
static void be_runtime(void *arg)
{
	const struct birth *b = arg;
	struct err why = ERR_INIT;

	if (become_runtime(b->s, b->entered, b->tty, b->env, &why) < 0)
		tell_error(b->s->sock, &why);
	_exit(127);
}

/* Start the child in the v2 group of the run, if there is one. -1: there is none, or it cannot. */
static pid_t start_in_group(struct birth *b)
{
	const struct sup *s = b->s;

	/* That of v2 is the last one; for one of v1 clone_into() fails. */
	if (!s->how.enters_group || !s->cgroups.n)
		return -1;
	b->entered = s->cgroups.n - 1;
	scoped_fd int fd = open(s->cgroups.items[b->entered], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const pid_t pid = fd < 0 ? -1 : clone_into(fd, be_runtime, b);
	if (pid < 0)
		b->entered = SUP_NOT_ENTERED;
	return pid;
}

static int start_runtime(struct sup *s, int tty, struct err *e)
{
	/*
	 * vfork(2) saves copying page tables. The child changes nothing in this process's memory;
	 * descriptors, signals, personality and mount namespace are the child's own.
	 */
	scoped_free char **env = environment_for(ENVIRONMENT_RUNTIME, e);
	struct birth b = {s, tty, env, SUP_NOT_ENTERED};
	unsigned tries = 0;

	if (!env)
		return -1;
	pid_t pid = start_in_group(&b);
	while (pid < 0 && (pid = vfork()) < 0)
		if (!io_again(&tries))
			return err_sys(e, "starting the runtime");
	if (pid == 0)
		be_runtime(&b);
	s->runtime = pid;
	s->look_again_ms = LOOK_AFTER_MS;
	s->look_at_ms = s->how.kind == RUNTIME_CRUN ? clock_now_ms() + LOOK_AFTER_MS : -1;
	return 0;
}

struct fds {
	int items[SUP_FDS_MAX]; /* as sent; -1 for those that were not */
};

static void close_fds(struct fds *f)
{
	for (size_t i = 0; i < SUP_FDS_MAX; i++)
		scope_close(&f->items[i]);
}
#define scoped_fds __attribute__((cleanup(close_fds)))

/* Append to RET the strings in the N bytes at P, each ended by NUL. */
static int add_strings(struct strv *ret, const char *p, size_t n, struct err *e)
{
	for (size_t at = 0; at < n;) {
		const size_t len = strnlen(p + at, n - at);

		if (strv_addn(ret, p + at, len, e) < 0)
			return -1;
		at += len + 1;
	}
	return 0;
}

/* Carry out SUP_RUN: its struct and strings are the N bytes at P. */
static int handle_run(struct sup *s, const char *p, size_t n, struct fds *fds, struct err *e)
{
	if (n < sizeof s->how || s->runtime)
		return err_set(e, ERR_SYSTEM,
			       "the supervisor received a damaged request to run a container");
	memcpy(&s->how, p, sizeof s->how);
	if (add_strings(&s->words, p + sizeof s->how, n - sizeof s->how, e) < 0)
		return -1;
	if (s->words.n <= WORD_ARGV || fds->items[0] < 0 || fds->items[1] < 0)
		return err_set(e, ERR_SYSTEM,
			       "the supervisor received a damaged request to run a container");
	s->state_fd = TAKE(fds->items[1], -1);
	s->mount_fd = TAKE(fds->items[2], -1);
	if (start_runtime(s, fds->items[0], e) < 0)
		return -1;
	/* While the runtime loads: what v1 does for it takes some milliseconds. */
	memory_watch_start(&s->memory, &s->cgroups);
	return 0;
}

/* ---- the container's end ---- */

static void container_done(struct sup *s)
{
	int *const fds[] = {&s->builder_fd, &s->state_fd, &s->mount_fd};

	strv_done(&s->words);
	memory_watch_done(&s->memory);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		scope_close(fds[i]);
		*fds[i] = -1;
	}
	s->runtime = s->builder = 0;
	s->runtime_ended = false;
	s->look_at_ms = -1;
	s->end = (struct sup_ended){0};
}

static void note_oom(struct sup *s)
{
	s->end.oom_killed = s->end.oom_killed || cgroup_oom_kills(&s->cgroups).n > 0;
}

static int tell_ended(struct sup *s, struct err *e)
{
	if (tell(s->sock, SUP_ENDED, &s->end, sizeof s->end))
		return 0;
	return err_set(e, ERR_SYSTEM, "the hook cannot be told that the container has ended");
}

static int container_ended(struct sup *s, struct err *e)
{
	struct err later = ERR_INIT;

	guess_cgroups(s);
	note_oom(s);
	kill_container(s); /* helpers of the runtime, and what the builder left running */
	if (s->cgroups.n)
		cgroup_usage_read(&s->cgroups, &s->end.usage);
	s->end.largest = s->memory.largest;
	children_rusage(&s->end.rusage);
	const int rc = tell_ended(s, e);
	container_done(s);
	/* Meanwhile the hook goes on. Groups that cannot be removed now are tried in the end. */
	if (cgroup_remove(&s->cgroups, &later) == 0)
		strv_done(&s->cgroups);
	return rc;
}

/* Learn the pid of the builder, which is the supervisor's child once the runtime has detached. */
static void adopt_builder(struct sup *s)
{
	scoped_buf struct buf b = BUF_INIT(PID_FILE_MAX);
	struct err e = ERR_INIT;
	unsigned tries = 0;
	uint64_t pid;

	while (io_read_file(s->state_fd, SUP_PID, &b, &e) < 0) {
		errno = e.sys;
		if (!io_again(&tries))
			return;
		err_clear(&e);
		buf_reset(&b);
	}
	if (!b.data || !num_parse_u64(b.data, strcspn(b.data, "\n"), INT32_MAX, &pid))
		return;
	s->builder = (pid_t)pid;
	note_cgroups(s, s->builder);
}

static int reap(struct sup *s, struct err *e)
{
	pid_t pid;
	int status;

	if (!s->runtime)
		return 0;
	/* The runtime first, because before its end the builder's pid is not known. */
	if (!s->runtime_ended) {
		while ((pid = waitpid(s->runtime, &status, WNOHANG)) < 0 && errno == EINTR)
			continue;
		if (pid != s->runtime)
			return 0;
		note_end(s, s->runtime, status);
		if (s->how.detaches && status == 0)
			adopt_builder(s);
	}
	const struct children_watch w = watch(s);
	children_reap(&w);
	if (!s->how.detaches || !s->builder || s->end.builder_seen)
		return container_ended(s, e);
	return 0;
}

/* Tell whether process PID, a child of RUNTIME, has executed another program: the builder. */
static bool has_executed(pid_t runtime, pid_t pid)
{
	struct stat a, b;
	char path[2][32];

	snprintf(path[0], sizeof path[0], "/proc/%d/exe", (int)runtime);
	snprintf(path[1], sizeof path[1], "/proc/%d/exe", (int)pid);
	return stat(path[0], &a) == 0 && stat(path[1], &b) == 0 &&
	       (a.st_dev != b.st_dev || a.st_ino != b.st_ino);
}

/* Stop the waiting runtime, so that it does not reap the builder before its status is read. */
static void look_for_builder(struct sup *s)
{
	pid_t pids[2];

	s->look_at_ms = -1;
	if (children_list(s->runtime, pids, 2) != 1 || !has_executed(s->runtime, pids[0])) {
		if (s->look_again_ms < LOOK_AT_MOST_MS)
			s->look_again_ms *= 2;
		s->look_at_ms = clock_now_ms() + s->look_again_ms;
		return;
	}
	s->builder_fd = (int)syscall(SYS_pidfd_open, pids[0], 0);
	if (s->builder_fd < 0)
		return; /* Linux before 5.3 */
	fcntl(s->builder_fd, F_SETFD, FD_CLOEXEC);
	s->builder = pids[0];
	note_cgroups(s, s->builder);
	kill(s->runtime, SIGSTOP);
}

/* Read how the builder, a zombie now, ended, and let the stopped runtime go on. */
static void read_builder(struct sup *s)
{
	uint64_t status;

	/* Field 52, "exit_code", in the form of waitpid(2). */
	if (proc_stat_field(s->builder, 52, &status) && status <= INT32_MAX) {
		s->end.builder_seen = true;
		s->end.builder_status = (int32_t)status;
	}
	note_oom(s); /* now, because the runtime will remove the cgroup */
	close(TAKE(s->builder_fd, -1));
	kill(s->runtime, SIGCONT);
}

/* ---- the loop ---- */

/* Carry out the request of N bytes at MSG, with the descriptors FDS. */
static int handle(struct sup *s, const char *msg, size_t n, struct fds *fds, struct err *e)
{
	switch (msg[0]) {
	case SUP_OWN:
		return strv_addn(&s->owned, msg + 1, n - 1, e);
	case SUP_DISOWN:
		/* This must not fail, because the path is about to become valid. */
		strv_remove(&s->owned, msg + 1);
		return 0;
	case SUP_HOLD:
		fds->items[0] = -1;
		return 0;
	case SUP_RECORD:
		free(s->record);
		s->record = str_ndup(msg + 1, n - 1, e);
		return s->record ? 0 : -1;
	case SUP_KEEP:
		buf_reset(&s->keep);
		return buf_add(&s->keep, msg + 1, n - 1, e);
	case SUP_CGROUPS:
		return add_strings(&s->cgroups, msg + 1, n - 1, e);
	case SUP_RUN:
		if (s->failed) /* the hook gets the SUP_ERROR of that failure first */
			return tell_ended(s, e);
		return handle_run(s, msg + 1, n - 1, fds, e);
	case SUP_KILL:
		if (!s->runtime)
			return 0;
		kill_container(s);
		return container_ended(s, e);
	default:
		return err_set(e, ERR_SYSTEM,
			       "the supervisor received a request of unknown type %d", msg[0]);
	}
}

/*
 * Receive one request and carry it out.
 * Returns 1: it is done; 0: the hook's end is closed; -1: *E.
 */
static int receive(struct sup *s, struct err *e)
{
	static char msg[SUP_MESSAGE_MAX + 1];
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(SUP_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {msg, sizeof msg - 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof control};
	scoped_fds struct fds fds = {{-1, -1, -1}};
	unsigned tries = 0;
	ssize_t n;

	/*
	 * ECONNRESET comes once, if the hook died before it read all messages. The requests that
	 * it sent can still be received.
	 */
	while ((n = recvmsg(s->sock, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT)) < 0)
		if (errno != ECONNRESET && !io_again(&tries))
			return err_sys(e, "receiving a request of the hook");
	if (n == 0)
		return 0;
	msg[n] = '\0';
	const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len <= CMSG_LEN(sizeof fds))
		memcpy(&fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	if (m.msg_flags & MSG_TRUNC)
		return err_set(e, ERR_SYSTEM,
			       "the supervisor received a request of more than %d bytes",
			       SUP_MESSAGE_MAX);
	if (m.msg_flags & MSG_CTRUNC)
		return err_set(e, ERR_SYSTEM,
			       "the supervisor has too many open files to receive descriptors");
	return handle(s, msg, (size_t)n, &fds, e) < 0 ? -1 : 1;
}

/* Out of memory is the end of the whole build: what is left of it might succeed without a part. */
static int hear_memory(struct sup *s, const struct pollfd *p, struct err *e)
{
	bool any = false;

	for (int i = 0; i < MEMORY_WATCH_FDS; i++)
		any = any || p[i].revents;
	if (!any || !s->runtime || !memory_watch_hear(&s->memory, p))
		return 0;
	kill_container(s);
	return container_ended(s, e);
}

/* Wait for an event and deal with it. Returns as receive() does. */
static int serve_one(struct sup *s, struct err *e)
{
	struct pollfd p[3 + MEMORY_WATCH_FDS] = {
		{s->sigfd, POLLIN, 0}, {s->sock, POLLIN, 0}, {s->builder_fd, POLLIN, 0}};
	int64_t wait_ms = s->look_at_ms < 0 ? -1 : s->look_at_ms - clock_now_ms();
	struct signalfd_siginfo info;
	unsigned tries = 0;

	memory_watch_fill(&s->memory, p + 3);
	if (s->look_at_ms >= 0 && wait_ms < 0)
		wait_ms = 0;
	while (poll(p, ARRAY_SIZE(p), (int)wait_ms) < 0)
		if (!io_again(&tries))
			return err_sys(e, "waiting for the container");
	if (p[2].revents)
		read_builder(s);
	if (p[0].revents && read(s->sigfd, &info, sizeof info) > 0 && reap(s, e) < 0)
		return -1;
	if (hear_memory(s, p + 3, e) < 0)
		return -1;
	if (s->look_at_ms >= 0 && clock_now_ms() >= s->look_at_ms)
		look_for_builder(s);
	return p[1].revents ? receive(s, e) : 1;
}

/* Tell the hook that a request failed and why, kill the container, and tell that it has ended. */
static int give_up(struct sup *s, const struct err *why, struct err *e)
{
	s->failed = true;
	tell_error(s->sock, why);
	if (!s->runtime)
		return tell_ended(s, e);
	kill_container(s);
	return container_ended(s, e);
}

/* Serve until the hook's end closes. Returns -1: this process cannot go on, *E says why. */
static int serve(struct sup *s, struct err *e)
{
	static struct err why;
	unsigned failures = 0;

	for (;;) {
		const int r = serve_one(s, &why);

		if (r == 0)
			return 0;
		if (r > 0)
			continue;
		if (++failures > FAILURES_MAX)
			return err_set(e, ERR_SYSTEM, "%s", why.msg);
		if (give_up(s, &why, e) < 0)
			return -1;
		err_clear(&why);
	}
}

/*
 * Keep the build directory of a build that was interrupted, as Nix does for its own builds: the
 * hook died and had not said that the build is over. No process is left to tell an error.
 */
static void keep_interrupted(struct sup *s)
{
	static struct err e;
	const struct keep_list list = {NULL, NULL, NULL};
	scoped_keep_plan struct keep_plan p = KEEP_PLAN_INIT;
	scoped_free char *build_dir = NULL, *kept = NULL;
	struct budget b = BUDGET_INIT;

	b.deadline_ms = clock_now_ms() + KEEP_INTERRUPTED_MS;
	if (s->keep.len && !s->failed &&
	    (keep_plan_parse(s->keep.data, s->keep.len, &p, &build_dir, &e) < 0 ||
	     keep_move(&p, build_dir, &list, &b, &kept, &e) < 0))
		err_clear(&e);
}

/* Remove all that the run made. After a failure the record stays: the list may lack something. */
static int clean_up(struct sup *s, struct err *e)
{
	kill_container(s);
	keep_interrupted(s);
	guess_cgroups(s);
	return cleanup(&s->cgroups, &s->owned, s->failed ? NULL : s->record, e);
}

/* ---- becoming the supervisor ---- */

static int compare_ints(const void *a, const void *b)
{
	const int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* Close all descriptors except 0, 1, 2, SOCK and KEEP_FDS. */
static int close_others(int sock, const int *keep_fds, struct err *e)
{
	int fds[16] = {sock};
	size_t n = 1;
	unsigned first = 3;

	for (; *keep_fds >= 0 && n < ARRAY_SIZE(fds); keep_fds++)
		fds[n++] = *keep_fds;
	qsort(fds, n, sizeof *fds, compare_ints);
	for (size_t i = 0; i < n; i++) {
		if (fds[i] < 3)
			continue;
		if (fds_close(first, (unsigned)fds[i] - 1, e) < 0)
			return -1;
		first = (unsigned)fds[i] + 1;
		fcntl(fds[i], F_SETFD, FD_CLOEXEC);
	}
	return fds_close(first, UINT_MAX, e);
}

static int detach(struct sup *s, const int *keep_fds, struct err *e)
{
	sigset_t all;

	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &s->mask) < 0)
		return err_sys(e, "blocking signals");
	/* If SIGCHLD were ignored, the kernel would reap the children. */
	signal(SIGCHLD, SIG_DFL);
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return err_sys(e, "opening '/dev/null'");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null, fd) < 0)
			return err_sys(e, "opening '/dev/null'");
	if (close_others(s->sock, keep_fds, e) < 0)
		return -1;
	if (setsid() < 0)
		return err_sys(e, "detaching from the hook");
	if (children_adopt(e) < 0)
		return -1;
	prctl(PR_SET_NAME, "oci-hook-watch", 0, 0, 0);
	if (chdir("/") < 0)
		return err_sys(e, "changing to '/'");
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	s->sigfd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->sigfd < 0 ? err_sys(e, "waiting for signals") : 0;
}

_Noreturn void supervisor_main(int sock, const int *keep_fds)
{
	static struct err e, later;
	static struct sup s;

	s.self = getpid();
	s.sock = sock;
	s.sigfd = s.builder_fd = s.state_fd = s.mount_fd = -1;
	s.look_at_ms = -1;
	s.memory = MEMORY_WATCH_INIT;
	s.keep = (struct buf)BUF_INIT(SUP_MESSAGE_MAX);
	int rc = detach(&s, keep_fds, &e);
	if (rc == 0 && !tell(sock, SUP_READY, "", 0))
		rc = err_set(&e, ERR_SYSTEM,
			     "the hook cannot be told that its supervisor is ready");
	if (rc == 0)
		rc = serve(&s, &e);
	if (rc < 0) {
		/* The hook lives and may work in what is on the list. It removes it by its copy. */
		kill_container(&s);
		tell_error(sock, &e);
		_exit(EXIT_FAILURE);
	}
	if (clean_up(&s, &later) < 0) {
		tell_error(sock, &later);
		s.failed = true;
	}
	tell(sock, SUP_CLEAN, "", 0);
	_exit(s.failed ? EXIT_FAILURE : EXIT_SUCCESS);
}

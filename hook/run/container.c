/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One container, from the hook's side: the terminal, the log, the clocks, and what its end means.
 *
 * The log is read from the master of a pseudo-terminal. read(2) fails there with EIO when no
 * process has the other side open and everything was read. That does not say that the build has
 * ended, because a builder may close its output and go on. The build has ended when the supervisor
 * says that all processes are dead. Then the rest of the terminal's bytes is read without waiting.
 *
 * One buffer lies between the terminal and LOG_FD. While it contains bytes the terminal is not
 * read, so a slow reader of the log holds up the builder, and the clock of silence stands still.
 * LOG_FD may be shared with other processes, so it is not made non-blocking: poll(2) says when
 * PIPE_BUF bytes fit into a pipe.
 */
#include "hook/run/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

#include "hook/run/run_internal.h"
#include "hook/run/supervisor.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* How long the supervisor may take to kill a container; then the build fails. */
#define KILL_WAIT_MS 10000
/* A terminal buffers 4096 bytes (N_TTY_BUF_SIZE in the kernel), so no read(2) returns more. */
#define LOG_BUFFER 4096
/*
 * The flag that open(2) of a 64-bit libc adds by itself. TIOCGPTPEER takes just the flags that it
 * is given, and the builder sees them by F_GETFL. So this one is given, and O_CLOEXEC is not.
 */
#define KERNEL_LARGEFILE 0100000
/* So many last bytes of the output are kept, because they may be the runtime's error. */
#define TAIL_MAX 1024

/* ---- the terminal ---- */

/* Make the builder's terminal as Nix does: raw, mode 0600, owned by the build user, group root. */
static int prepare_slave(int slave, uid_t uid, struct err *e)
{
	struct termios t;

	if (geteuid() == 0 && fchown(slave, uid, 0) < 0)
		return err_sys(e, "giving the builder's terminal to uid %u", (unsigned)uid);
	if (fchmod(slave, 0600) < 0)
		return err_sys(e, "setting the mode of the builder's terminal");
	if (tcgetattr(slave, &t) < 0)
		return err_sys(e, "reading the mode of the builder's terminal");
	cfmakeraw(&t);
	if (tcsetattr(slave, TCSANOW, &t) < 0)
		return err_sys(e, "making the builder's terminal raw");
	return 0;
}

/* Open both sides of a pseudo-terminal. */
static int open_terminal(uid_t uid, int *ret_master, int *ret_slave, struct err *e)
{
	scoped_fd int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	if (master < 0)
		return err_sys(e, "opening a pseudo-terminal (/dev/ptmx)");
	if (unlockpt(master) < 0)
		return err_sys(e, "unlocking a pseudo-terminal");
	/* By ioctl(2), not by name: /dev/pts may be another instance than that of /dev/ptmx. */
	scoped_fd int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | KERNEL_LARGEFILE);
	if (slave < 0 || fcntl(slave, F_SETFD, FD_CLOEXEC) < 0)
		return err_sys(e, "opening the builder's side of a pseudo-terminal");
	if (prepare_slave(slave, uid, e) < 0)
		return -1;
	*ret_master = TAKE(master, -1);
	*ret_slave = TAKE(slave, -1);
	return 0;
}

/*
 * Open a pipe, which a builder in runsc gets in place of a terminal. gVisor (releases of 2022 and
 * 2024) passes on no terminal except one that runsc made itself: any other is a device to the
 * builder whose settings it cannot read.
 */
static int open_pipe(int *ret_read, int *ret_write, struct err *e)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, "making a pipe for the builder's output");
	/* Only the hook's side is non-blocking: the builder's must block. */
	if (fcntl(p[0], F_SETFL, O_NONBLOCK) < 0) {
		err_sys(e, "making a pipe for the builder's output");
		close(p[0]);
		close(p[1]);
		return -1;
	}
	*ret_read = p[0];
	*ret_write = p[1];
	return 0;
}

/* ---- the log and the clocks ---- */

enum why { WHY_NOT, WHY_TIMEOUT, WHY_SILENCE, WHY_STOPPED, WHY_LOG, WHY_FLOOD };

struct pump {
	struct run *run;
	int master; /* the hook's side of the terminal or pipe; -1: at its end */
	int log_fd;
	char buf[LOG_BUFFER];
	size_t at, n;        /* bytes of buf that LOG_FD does not have yet */
	char tail[TAIL_MAX]; /* the output's last bytes */
	size_t tail_n;
	uint64_t logged; /* bytes of output so far */

	int64_t started_ms, heard_ms;
	const struct run_limits *lim;
	enum why killed; /* why the hook had the container killed */
	int64_t killed_ms;
	bool ended;
	struct sup_ended end;
	struct err *runtime_err; /* the first SUP_ERROR, e.g. why the runtime cannot be executed */
};

static void keep_tail(struct pump *p, const char *data, size_t n)
{
	if (n > TAIL_MAX) {
		data += n - TAIL_MAX;
		n = TAIL_MAX;
	}
	const size_t keep = p->tail_n + n > TAIL_MAX ? TAIL_MAX - n : p->tail_n;
	memmove(p->tail, p->tail + p->tail_n - keep, keep);
	memcpy(p->tail + keep, data, n);
	p->tail_n = keep + n;
}

/* Ask the supervisor to kill the container, because of WHY. */
static void pump_kill(struct pump *p, enum why why)
{
	struct err ignored = ERR_INIT;
	const char type = SUP_KILL;
	const struct buf b = {(char *)(uintptr_t)&type, 1, 1, 1};

	if (p->killed != WHY_NOT)
		return;
	p->killed = why;
	p->killed_ms = clock_now_ms();
	/* If the supervisor cannot be told it is dead, and the socket says so next. */
	if (!p->ended && run_tell(p->run, &b, NULL, 0, &ignored) < 0)
		return;
}

/* Count what was read. Tell whether the log is longer than it may be, as Nix does. */
static bool is_flood(struct pump *p)
{
	p->logged += p->n;
	return p->lim->log_max_bytes && p->logged > p->lim->log_max_bytes;
}

/*
 * Read what the terminal contains.
 * Returns false: nothing for now, or its end is reached (master is -1 then).
 */
static bool pump_read(struct pump *p)
{
	if (p->master < 0)
		return false;
	const ssize_t n = read(p->master, p->buf, LOG_BUFFER);
	if (n > 0) {
		p->at = 0;
		p->n = (size_t)n;
		p->heard_ms = clock_now_ms();
		keep_tail(p, p->buf, p->n);
		if (p->run->listener)
			p->run->listener(p->run->listener_ctx, p->buf, p->n);
		if (is_flood(p)) {
			p->n = 0;
			pump_kill(p, WHY_FLOOD);
		}
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close(TAKE(p->master, -1)); /* EIO: no process has the other side open */
	return false;
}

/* Write as much of the buffer as LOG_FD, which is ready, surely takes. */
static int pump_write(struct pump *p, struct err *e)
{
	const size_t n = p->n < PIPE_BUF ? p->n : PIPE_BUF;
	const ssize_t w = write(p->log_fd, p->buf + p->at, n);

	if (w < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (w < 0 && errno == EPIPE)
		return err_set(e, ERR_STOPPED, "stopped: nobody reads the build's log any more");
	if (w < 0)
		return err_sys(e, "writing the build's log");
	p->at += (size_t)w;
	p->n -= (size_t)w;
	/* The log may have held up the builder, so silence counts from now. */
	p->heard_ms = clock_now_ms();
	return 0;
}

/* Return the time SECONDS after START_MS; INT64_MAX (never) for 0 and where it overflows. */
static int64_t deadline(int64_t start_ms, uint64_t seconds)
{
	if (seconds == 0 || seconds > (uint64_t)(INT64_MAX - start_ms) / 1000)
		return INT64_MAX;
	return start_ms + (int64_t)seconds * 1000;
}

/* Return when the first clock runs out, and set *RET_WHY to which clock that is. */
static int64_t next_deadline(const struct pump *p, enum why *ret_why)
{
	const int64_t timeout = deadline(p->started_ms, p->lim->timeout_s);
	/* While the log is held up, the builder is not silent. */
	const int64_t silence = p->n ? INT64_MAX : deadline(p->heard_ms, p->lim->max_silent_s);

	if (p->killed != WHY_NOT) {
		*ret_why = p->killed;
		return p->killed_ms + KILL_WAIT_MS;
	}
	*ret_why = timeout <= silence ? WHY_TIMEOUT : WHY_SILENCE;
	return timeout <= silence ? timeout : silence;
}

static int hear_supervisor(struct pump *p, struct err *e)
{
	struct run_message m;
	const int n = run_receive(p->run, &m, e);

	if (n < 0)
		return -1;
	if (n == 0) {
		run_kill_orphans(p->run);
		return err_is_set(p->runtime_err)
			       ? err_set(e, ERR_SYSTEM, "%s", p->runtime_err->msg)
			       : run_gone(e);
	}
	if (m.data[0] == SUP_ERROR && !err_is_set(p->runtime_err))
		err_set(p->runtime_err, ERR_SYSTEM, "%s", m.data + 1);
	if (m.data[0] == SUP_ENDED && m.n == 1 + sizeof p->end) {
		memcpy(&p->end, m.data + 1, sizeof p->end);
		p->ended = true;
	}
	return 0;
}

static int check_clocks(struct pump *p, struct err *e)
{
	enum why why;

	if (p->ended || clock_now_ms() < next_deadline(p, &why))
		return 0;
	if (p->killed != WHY_NOT)
		return err_set(e, ERR_SYSTEM,
			       "the build's processes still live %d s after they were to be killed",
			       KILL_WAIT_MS / 1000);
	pump_kill(p, why);
	return 0;
}

static int poll_ms(const struct pump *p)
{
	enum why why;
	const int64_t at = next_deadline(p, &why);

	if (p->ended)
		return -1;
	const int64_t left = at - clock_now_ms();
	return left < 0 ? 0 : left > RUN_LOOK_MS ? RUN_LOOK_MS : (int)left;
}

/* Wait for an event and deal with it. */
static int pump_step(struct pump *p, struct err *e)
{
	enum { SUPERVISOR, TERMINAL, LOG, STOP, N };
	struct pollfd f[N] = {
		[SUPERVISOR] = {p->ended ? -1 : p->run->sock, POLLIN, 0},
		[TERMINAL] = {p->n || p->ended ? -1 : p->master, POLLIN, 0},
		[LOG] = {p->log_fd, p->n ? POLLOUT : 0, 0},
		[STOP] = {p->run->stop_fd, POLLIN, 0},
	};

	unsigned tries = 0;
	int n;

	while ((n = poll(f, N, poll_ms(p))) < 0)
		if (!io_again(&tries))
			return err_sys(e, "waiting for the build");
	if (f[STOP].revents)
		pump_kill(p, WHY_STOPPED);
	if (f[LOG].revents & (POLLERR | POLLNVAL)) {
		pump_kill(p, WHY_LOG);
		p->log_fd = -1;
	}
	if (p->log_fd >= 0 && f[LOG].revents & POLLOUT && p->n && pump_write(p, e) < 0)
		return -1;
	if (f[TERMINAL].revents)
		pump_read(p);
	if (p->log_fd < 0)
		p->n = 0; /* no process reads the log */
	if ((f[SUPERVISOR].revents || (n == 0 && !p->ended && run_is_dead(p->run))) &&
	    hear_supervisor(p, e) < 0)
		return -1;
	return check_clocks(p, e);
}

static bool log_is_wanted(const struct pump *p)
{
	return p->killed != WHY_STOPPED && p->killed != WHY_LOG && p->killed != WHY_FLOOD;
}

/* Wait for the container's end, and pass on its log up to the last byte. */
static int pump_run(struct pump *p, struct err *e)
{
	while (!p->ended)
		if (pump_step(p, e) < 0)
			return -1;
	while (log_is_wanted(p) && (p->n || pump_read(p)))
		if (pump_step(p, e) < 0)
			return -1;
	return 0;
}

/* ---- what it means ---- */

static bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE ||
	       sig == SIGTRAP || sig == SIGSYS;
}

static struct run_result decode_status(int status)
{
	if (WIFEXITED(status))
		return (struct run_result){RUN_EXITED, WEXITSTATUS(status)};
	return (struct run_result){RUN_SIGNALED, WTERMSIG(status)};
}

/* Tell how the builder ended by the exit CODE of a runtime that waited for it. */
static struct run_result decode_code(int code)
{
	/* Signals from inside do not kill the first process of a pid namespace, except faults. */
	if (code > 128 && is_fault(code - 128))
		return (struct run_result){RUN_SIGNALED, code - 128};
	return (struct run_result){RUN_EXITED, code};
}

static int log_exec_failure(const struct pump *p, const char *reason, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(ERR_MSG_MAX);

	if (buf_addf(&b, e, "error: executing '%s': %s\n",
		     p->lim->builder ? p->lim->builder : "the builder", reason) < 0)
		return -1;
	return io_write(p->log_fd, b.data, b.len, "the build's log", e);
}

/*
 * Tell why the runtime failed before it executed the builder. That the builder cannot be executed
 * is not the runtime's failure: as with Nix, the log says so and the exit code is 1.
 */
static int runtime_failed(const struct pump *p, const struct runtime *rt, const char *said,
			  struct run_result *ret, struct err *e)
{
	const int status = p->end.runtime_status;
	const char *reason = said ? runtime_exec_failure(said) : NULL;

	if (reason) {
		if (log_exec_failure(p, reason, e) < 0)
			return -1;
		*ret = (struct run_result){RUN_EXITED, 1};
		return 0;
	}
	if (WIFSIGNALED(status))
		return err_set(e, ERR_SYSTEM, "the runtime '%s' was killed by signal %d (%s)",
			       rt->path, WTERMSIG(status), strsignal(WTERMSIG(status)));
	/* The runtime writes errors to the terminal only before it has opened its log. */
	size_t n = p->tail_n;
	while (n > 0 && strchr(" \r\n", p->tail[n - 1]))
		n--;
	if (!said && n > 0)
		return err_set(e, ERR_SYSTEM, "the runtime '%s' cannot run the build: %.*s",
			       rt->path, (int)n, p->tail);
	return err_set(e, ERR_SYSTEM, "the runtime '%s' cannot run the build: %s (exit code %d)",
		       rt->path, said ? said : "it does not say why", WEXITSTATUS(status));
}

static int interpret(const struct pump *p, const struct runtime *rt, int state_fd,
		     struct run_result *ret, struct err *e)
{
	const int status = p->end.runtime_status;

	switch (p->killed) {
	case WHY_NOT:
		break;
	case WHY_TIMEOUT:
		*ret = (struct run_result){RUN_TIMED_OUT, SIGKILL};
		return 0;
	case WHY_SILENCE:
		*ret = (struct run_result){RUN_SILENT, SIGKILL};
		return 0;
	case WHY_FLOOD:
		*ret = (struct run_result){RUN_FLOODED, SIGKILL};
		return 0;
	case WHY_STOPPED:
		return err_set(e, ERR_STOPPED, "stopped");
	case WHY_LOG:
		return err_set(e, ERR_STOPPED, "stopped: nobody reads the build's log any more");
	}
	if (err_is_set(p->runtime_err))
		return err_set(e, ERR_SYSTEM, "%s", p->runtime_err->msg);
	/* However the builder ended: it may have gone on, and succeeded, without a killed child. */
	if (p->end.oom_killed) {
		*ret = (struct run_result){RUN_OOM, SIGKILL};
		return 0;
	}
	/* The supervisor kills a builder whose runtime was killed: the runtime has failed. */
	if (WIFSIGNALED(status) && p->end.builder_seen && WIFSIGNALED(p->end.builder_status) &&
	    WTERMSIG(p->end.builder_status) == SIGKILL)
		return runtime_failed(p, rt, NULL, ret, e);
	if (p->end.builder_seen) {
		*ret = decode_status(p->end.builder_status);
		return 0;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !runtime_detaches(rt)) {
		*ret = (struct run_result){RUN_EXITED, 0};
		return 0;
	}
	/* gVisor's kernel has crashed and taken the builder with it; the exit code is Go's. */
	scoped_free char *crash = runtime_crash(state_fd, SUP_CRASH);
	if (crash)
		return err_set(e, ERR_SYSTEM, "the runtime '%s' crashed: %s", rt->path, crash);
	/* If there is no log, the runtime failed before it opened one. */
	scoped_free char *said = runtime_log_error(state_fd, SUP_LOG);
	if (said || runtime_detaches(rt) || !WIFEXITED(status) ||
	    faccessat(state_fd, SUP_LOG, F_OK, 0) < 0)
		return runtime_failed(p, rt, said, ret, e);
	*ret = decode_code(WEXITSTATUS(status));
	return 0;
}

/* ---- putting it together ---- */

static int add_string(struct buf *b, const char *s, struct err *e)
{
	return buf_add(b, s, strlen(s) + 1, e);
}

/* Append the strings that follow struct sup_run, in the order of WORD_ID and the others. */
static int add_words(struct buf *b, const struct run_place *at, const char *id,
		     const struct strv *argv, struct err *e)
{
	if (add_string(b, id, e) < 0 || add_string(b, at->bundle, e) < 0 ||
	    add_string(b, at->state_dir, e) < 0 ||
	    add_string(b, at->scratch ? at->scratch : "", e) < 0)
		return -1;
	for (size_t i = 0; i < argv->n; i++)
		if (add_string(b, argv->items[i], e) < 0)
			return -1;
	return 0;
}

/* Ask the supervisor to run the container of J, with the builder's output at SLAVE. */
static int ask_to_run(struct run *r, const struct run_job *j, int slave, struct err *e)
{
	const struct runtime *rt = j->runtime;
	const struct run_place *at = j->at;
	scoped_strv struct strv argv = STRV_INIT;
	scoped_buf struct buf b = BUF_INIT(SUP_MESSAGE_MAX + 1);
	const int fds[SUP_FDS_MAX] = {slave, at->state_fd, at->mount_fd};
	const struct sup_run how = {
		.kind = (uint8_t)rt->kind,
		.layout = (uint8_t)rt->cgroups,
		.detaches = runtime_detaches(rt),
		.makes_cgroups = runtime_makes_cgroups(rt),
		.enters_group = at->enters_group,
		.may_stay_out = at->may_stay_out,
		.mounts_null = at->mounts_null,
		.owns_machine = at->owns_machine,
		.personality = j->limits->personality,
	};
	scoped_free char *root = str_fmt(e, "%s/" RUN_RUNTIME_ROOT, at->state_dir);
	if (!root)
		return -1;
	scoped_free char *log_path = str_fmt(e, "%s/" SUP_LOG, at->state_dir);
	if (!log_path)
		return -1;
	scoped_free char *pid_file = str_fmt(e, "%s/" SUP_PID, at->state_dir);
	const struct runtime_call call = {j->id, at->bundle, root, log_path, pid_file, j->network};
	if (!pid_file || runtime_run_argv(rt, &call, &argv, e) < 0)
		return -1;
	if (how.makes_cgroups && !r->id && !(r->id = str_dup(j->id, e)))
		return -1;
	if (buf_addc(&b, SUP_RUN, e) < 0 || buf_add(&b, &how, sizeof how, e) < 0 ||
	    add_words(&b, at, j->id, &argv, e) < 0)
		return -1;
	return run_tell(r, &b, fds, at->mount_fd >= 0 ? 3 : 2, e);
}

int run_container(struct run *r, const struct run_job *j, struct run_result *ret, struct err *e)
{
	struct err runtime_err = ERR_INIT;
	struct sigaction old, ignore = {.sa_handler = SIG_IGN};
	struct pump p = {
		.run = r, .log_fd = j->log_fd, .lim = j->limits, .runtime_err = &runtime_err};
	scoped_fd int slave = -1;
	if ((j->runtime->kind == RUNTIME_RUNSC ? open_pipe(&p.master, &slave, e)
					       : open_terminal(j->uid, &p.master, &slave, e)) < 0)
		return -1;
	p.started_ms = p.heard_ms = clock_now_ms();
	int rc = ask_to_run(r, j, slave, e);
	/* While the hook holds the builder's side open, reading never reaches the end. */
	close(TAKE(slave, -1));
	/* A log that no process reads shall be an error (EPIPE), not end the hook by a signal. */
	sigaction(SIGPIPE, &ignore, &old);
	if (rc == 0)
		rc = pump_run(&p, e);
	if (rc == 0)
		rc = interpret(&p, j->runtime, j->at->state_fd, ret, e);
	ret->largest = p.end.largest;
	ret->usage = p.end.usage;
	ret->has_rusage = p.ended;
	ret->rusage = p.end.rusage;
	sigaction(SIGPIPE, &old, NULL);
	if (p.master >= 0)
		close(p.master);
	return rc;
}

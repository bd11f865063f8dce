/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hook's side of a run: start the supervisor, send it requests, and clean up instead of it if
 * it was killed or has failed. container.c runs a container.
 */
#include "hook/run/run.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "hook/cgroup/cgroup.h"
#include "hook/keep/keep_failed.h"
#include "hook/run/children.h"
#include "hook/run/cleanup.h"
#include "hook/run/record.h"
#include "hook/run/run_internal.h"
#include "hook/run/supervisor.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* ---- talking to the supervisor ---- */

int run_gone(struct err *e)
{
	return err_set(e, ERR_SYSTEM, "the build's supervisor process has died");
}

bool run_is_dead(const struct run *r)
{
	siginfo_t info = {0};

	/* WNOWAIT: run_finish() wants the status. */
	if (waitid(P_PID, (id_t)r->supervisor, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return errno == ECHILD; /* run_kill_orphans() has reaped it */
	return info.si_pid == r->supervisor;
}

/* Wait until a message can be received, or the supervisor is dead. */
static void await_message(const struct run *r)
{
	struct pollfd p = {r->sock, POLLIN, 0};

	for (;;) {
		const int n = poll(&p, 1, RUN_LOOK_MS);

		if (n > 0 || run_is_dead(r))
			return;
		if (n < 0)
			io_pause_ms(1);
	}
}

int run_receive(struct run *r, struct run_message *m, struct err *e)
{
	bool waited = false;
	unsigned tries = 0;

	for (;;) {
		const ssize_t n = recv(r->sock, m->data, sizeof m->data - 1, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN && !waited) {
			await_message(r);
			waited = true;
			continue;
		}
		if (n < 0 && errno == EAGAIN && run_is_dead(r))
			errno = ECONNRESET;
		if (n >= 0 || errno == ECONNRESET) {
			m->n = n > 0 ? (size_t)n : 0;
			m->data[m->n] = '\0';
			r->clean = r->clean || (n > 0 && m->data[0] == SUP_CLEAN);
			return n > 0;
		}
		if (!io_again(&tries))
			return err_sys(e, "receiving from the build's supervisor process");
	}
}

/* Wait until a signal to the hook's process group does not reach the supervisor any more. */
static int await_ready(struct run *r, struct err *e)
{
	struct run_message m;

	if (r->ready)
		return 0;
	const int n = run_receive(r, &m, e);
	if (n < 0)
		return -1;
	if (n == 0)
		return run_gone(e);
	if (m.data[0] == SUP_ERROR)
		return err_set(e, ERR_SYSTEM, "%s", m.data + 1);
	assert(m.data[0] == SUP_READY);
	r->ready = true;
	return 0;
}

int run_tell(struct run *r, const struct buf *b, const int *fds, size_t n, struct err *e)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(SUP_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {b->data, b->len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	unsigned tries = 0;

	if (await_ready(r, e) < 0)
		return -1;
	if (b->len > SUP_MESSAGE_MAX)
		return err_set(e, ERR_LIMIT,
			       "a request for the build's supervisor process has %zu bytes, more "
			       "than %d",
			       b->len, SUP_MESSAGE_MAX);
	if (n > 0) {
		assert(n <= SUP_FDS_MAX);
		memset(&control, 0, sizeof control);
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n * sizeof *fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		*c = (struct cmsghdr){CMSG_LEN(n * sizeof *fds), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(c), fds, n * sizeof *fds);
	}
	while (sendmsg(r->sock, &m, MSG_NOSIGNAL) < 0)
		if (!io_again(&tries))
			return errno == EPIPE
				       ? run_gone(e)
				       : err_sys(e, "sending to the build's supervisor process");
	return 0;
}

static int tell_path(struct run *r, enum sup_type type, const char *path, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(SUP_MESSAGE_MAX + 1);

	assert(path[0] == '/');
	if (buf_addc(&b, (char)type, e) < 0 || buf_adds(&b, path, e) < 0)
		return -1;
	return run_tell(r, &b, NULL, 0, e);
}

int run_hold(struct run *r, int fd, struct err *e)
{
	char type = SUP_HOLD;
	const struct buf b = {.data = &type, .len = 1};

	return run_tell(r, &b, &fd, 1, e);
}

static void run_free(struct run *r)
{
	close(r->sock);
	strv_done(&r->owned);
	strv_done(&r->cgroups);
	free(r->id);
	free(r);
}

struct run *run_start(const int *keep_fds, struct err *e)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0) {
		err_sys(e, "making a socket for the supervisor process");
		return NULL;
	}
	struct run *r = mem_new(1, sizeof *r, e);
	const pid_t pid = r ? fork() : -1;
	if (pid == 0)
		supervisor_main(sv[1], keep_fds);
	close(sv[1]);
	if (pid < 0) {
		if (r)
			err_sys(e, "starting the build's supervisor process");
		close(sv[0]);
		free(r);
		return NULL;
	}
	*r = (struct run){.sock = sv[0], .supervisor = pid, .stop_fd = -1};
	/* If the supervisor is killed, its children become the hook's. */
	if (children_adopt(e) < 0) {
		run_free(r);
		return NULL;
	}
	return r;
}

int run_fd(const struct run *r)
{
	return r->sock;
}

pid_t run_pid(const struct run *r)
{
	return r->supervisor;
}

void run_stop_on(struct run *r, int fd)
{
	r->stop_fd = fd;
}

void run_listen(struct run *r, run_listener *fn, void *ctx)
{
	r->listener = fn;
	r->listener_ctx = ctx;
}

int run_own_tree(struct run *r, const char *path, struct err *e)
{
	if (strv_add(&r->owned, path, e) < 0)
		return -1;
	return tell_path(r, SUP_OWN, path, e);
}

int run_disown(struct run *r, const char *path, struct err *e)
{
	strv_remove(&r->owned, path);
	return tell_path(r, SUP_DISOWN, path, e);
}

/*
 * Make the directory PATH. What is there already is stale: the caller has the right to make PATH,
 * so it belongs to no other run.
 */
static int make_new(const char *path, struct err *e)
{
	if (mkdir(path, 0700) == 0)
		return 0;
	if (errno == EEXIST && io_rmtree(AT_FDCWD, path, path, e) < 0)
		return -1;
	if (mkdir(path, 0700) < 0)
		return err_sys(e, "creating directory '%s'", path);
	return 0;
}

int run_make_dir(struct run *r, const char *path, struct err *e)
{
	if (run_own_tree(r, path, e) < 0 || (r->record && record_intend(r->record, path, e) < 0) ||
	    make_new(path, e) < 0)
		return -1;
	scoped_fd int fd = io_opendir(AT_FDCWD, path, e);
	if (fd < 0 || (r->record && record_made(r->record, fd, path, e) < 0))
		return -1;
	return TAKE(fd, -1);
}

int run_keep_record(struct run *r, struct record *record, struct err *e)
{
	if (tell_path(r, SUP_RECORD, record->path, e) < 0)
		return -1;
	r->record = record;
	record->left = true;
	return record_appear(record, e);
}

int run_own_cgroups(struct run *r, const struct strv *dirs, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(SUP_MESSAGE_MAX + 1);

	if (buf_addc(&b, SUP_CGROUPS, e) < 0)
		return -1;
	for (size_t i = 0; i < dirs->n; i++)
		if (strv_add(&r->cgroups, dirs->items[i], e) < 0 ||
		    buf_add(&b, dirs->items[i], strlen(dirs->items[i]) + 1, e) < 0)
			return -1;
	return dirs->n ? run_tell(r, &b, NULL, 0, e) : 0;
}

int run_keep_failed(struct run *r, const struct keep_plan *p, const char *build_dir, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(SUP_MESSAGE_MAX + 1);

	if (buf_addc(&b, SUP_KEEP, e) < 0 || keep_plan_print(p, build_dir, &b, e) < 0)
		return -1;
	return run_tell(r, &b, NULL, 0, e);
}

int run_forget_failed(struct run *r, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(16);

	return buf_addc(&b, SUP_KEEP, e) < 0 ? -1 : run_tell(r, &b, NULL, 0, e);
}

/* ---- without a supervisor ---- */

static void note_cgroups(void *ctx, pid_t pid)
{
	struct run *r = ctx;
	struct err ignored = ERR_INIT;

	/* A group that cannot be found is guessed later: clean_up_for_it(). */
	if (r->id && cgroup_find(pid, r->id, &r->cgroups, &ignored) < 0)
		return;
}

void run_kill_orphans(struct run *r)
{
	const struct children_watch w = {note_cgroups, NULL, r, -1};

	children_kill(&w);
}

/* Do what the supervisor would have done. The record stays if a control group may be missed. */
static int clean_up_for_it(struct run *r, struct err *e)
{
	struct err lost = ERR_INIT;
	bool complete = true;

	run_kill_orphans(r);
	if (r->id && cgroup_guess(r->id, &r->cgroups, &lost) < 0)
		complete = false;
	return cleanup(&r->cgroups, &r->owned, r->record && complete ? r->record->path : NULL, e);
}

/* Wait for the supervisor's end. Returns true: it carried out all requests and removed all. */
static bool wait_for_it(const struct run *r)
{
	int status = 0;
	pid_t pid;

	do
		pid = waitpid(r->supervisor, &status, 0);
	while (pid < 0 && errno == EINTR);
	if (pid < 0) /* run_kill_orphans() has reaped it, so it was killed */
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

/* Ask the supervisor to clean up, and receive what it says of that. */
static int hear_of_the_end(struct run *r, struct err *e)
{
	struct err lost = ERR_INIT;
	struct run_message m;
	unsigned tries = 0;
	int rc = 0;

	while (shutdown(r->sock, SHUT_WR) < 0)
		if (!io_again(&tries)) {
			/* Both processes would wait for each other. */
			kill(r->supervisor, SIGKILL);
			break;
		}
	while (!r->clean && run_receive(r, &m, &lost) > 0)
		if (m.data[0] == SUP_ERROR && rc == 0)
			rc = err_set(e, ERR_SYSTEM, "%s", m.data + 1);
	/* Its messages cannot be received, so it is not waited for: the hook cleans up. */
	if (err_is_set(&lost))
		kill(r->supervisor, SIGKILL);
	return rc;
}

int run_finish(struct run *r, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = hear_of_the_end(r, &why);

	if (!wait_for_it(r)) {
		/*
		 * A supervisor that failed and cleaned up (SUP_CLEAN), or told an error before, is
		 * no error where the hook could remove the rest. One that was killed is.
		 */
		rc = clean_up_for_it(r, e);
		if (rc == 0 && !r->clean && !err_is_set(&why))
			rc = run_gone(e);
	} else if (rc < 0) {
		*e = why;
	}
	run_free(r);
	return rc;
}

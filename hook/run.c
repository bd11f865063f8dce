/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hook's side of hook/supervisor.h: its process, what is told to it, and what has to be done
 * where it is killed. hook/run_container.c has the container.
 */
#include "hook/run.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "hook/cgroup.h"
#include "hook/children.h"
#include "hook/run_internal.h"
#include "hook/supervisor.h"
#include "nar/io.h"
#include "nar/scope.h"

#include "nar/banned.h"

/* ---- talking to the supervisor ---- */

int run_gone(struct err *e)
{
	return err_set(e, ERR_SYSTEM, "the build's supervisor process has died");
}

int run_receive(struct run *r, struct run_message *m, struct err *e)
{
	for (;;) {
		const ssize_t n = recv(r->sock, m->data, sizeof m->data - 1, 0);

		if (n >= 0 || errno == ECONNRESET) {
			m->n = n > 0 ? (size_t)n : 0;
			m->data[m->n] = '\0';
			r->clean = r->clean || (n > 0 && m->data[0] == SUP_CLEAN);
			return n > 0;
		}
		if (errno != EINTR)
			return err_sys(e, "hearing from the build's supervisor process");
	}
}

/* Wait until a signal to our process group does not reach the supervisor any more. */
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

	if (await_ready(r, e) < 0)
		return -1;
	if (b->len > SUP_MESSAGE_MAX)
		return err_set(e, ERR_LIMIT, "a message for the supervisor process has %zu bytes",
			       b->len);
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
		if (errno != EINTR)
			return errno == EPIPE
				       ? run_gone(e)
				       : err_sys(e, "telling the build's supervisor process");
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
	/* Should the supervisor be killed, what it had becomes ours. */
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

void run_stop_on(struct run *r, int fd)
{
	r->stop_fd = fd;
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

int run_own_cgroup(struct run *r, const char *dir, struct err *e)
{
	if (strv_add(&r->cgroups, dir, e) < 0)
		return -1;
	return tell_path(r, SUP_CGROUP, dir, e);
}

/* ---- without a supervisor ---- */

static void note_cgroups(void *ctx, pid_t pid)
{
	struct run *r = ctx;
	struct err ignored = ERR_INIT;

	/* What cannot be found cannot be removed. */
	if (r->id && cgroup_find(pid, r->id, &r->cgroups, &ignored) < 0)
		return;
}

void run_kill_orphans(struct run *r)
{
	const struct children_watch w = {note_cgroups, NULL, r, -1};

	children_kill(&w);
}

static int clean_up_for_it(struct run *r, struct err *e)
{
	struct err ignored = ERR_INIT;

	run_kill_orphans(r);
	if (r->id && cgroup_guess(r->id, &r->cgroups, &ignored) < 0)
		err_clear(&ignored);
	int rc = cgroup_remove(&r->cgroups, e);
	return io_rmtrees(&r->owned, rc < 0 ? &ignored : e) < 0 ? -1 : rc;
}

int run_finish(struct run *r, struct err *e)
{
	struct err lost = ERR_INIT;
	struct run_message m;
	int rc = 0, status = 0;

	shutdown(r->sock, SHUT_WR);
	while (run_receive(r, &m, &lost) > 0)
		if (m.data[0] == SUP_ERROR && rc == 0)
			rc = err_set(e, ERR_SYSTEM, "%s", m.data + 1);
	pid_t pid;
	do
		pid = waitpid(r->supervisor, &status, 0);
	while (pid < 0 && errno == EINTR);
	if (!r->clean) {
		rc = clean_up_for_it(r, e);
		if (rc == 0)
			rc = run_gone(e);
	}
	run_free(r);
	return rc;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/run/children.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "hook/run/run.h"
#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define KILL_AGAIN_MS 20
#define PROC_MAX (1 << 20)

int children_adopt(struct err *e)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(e, "becoming the parent of orphaned processes");
	return 0;
}

static int read_file(const char *path, struct buf *b)
{
	struct err ignored = ERR_INIT;
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || buf_read_fd(b, fd, path, &ignored) < 0)
		return -1;
	return buf_addc(b, '\0', &ignored);
}

ssize_t children_list(pid_t pid, pid_t *ret, size_t max)
{
	scoped_buf struct buf b = BUF_INIT(PROC_MAX);
	char path[64];
	size_t n = 0;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
	if (read_file(path, &b) < 0)
		return -1;
	for (const char *p = b.data; *p && n < max;) {
		const size_t len = strcspn(p, " ");
		uint64_t child;

		if (num_parse_u64(p, len, INT32_MAX, &child) && child > 0)
			ret[n++] = (pid_t)child;
		p += len + strspn(p + len, " ");
	}
	return (ssize_t)n;
}

bool proc_stat_field(pid_t pid, int field, uint64_t *ret)
{
	scoped_buf struct buf b = BUF_INIT(PROC_MAX);
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (read_file(path, &b) < 0)
		return false;
	/* Field 2, the program's name, is in parentheses and may contain any bytes. */
	const char *p = strrchr(b.data, ')');
	for (int i = 2; p && i < field; i++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	return p && num_parse_u64(p, strcspn(p, " \n"), UINT64_MAX, ret);
}

/* Like children_list(), for kernels without lists of children (CONFIG_PROC_CHILDREN). */
static ssize_t scan_children(pid_t parent, pid_t *ret, size_t max)
{
	scoped_dir DIR *d = opendir("/proc");
	size_t n = 0;

	if (!d)
		return -1;
	for (const struct dirent *de; n < max && (de = readdir(d));) {
		uint64_t pid, ppid;

		if (num_parse_u64(de->d_name, strlen(de->d_name), INT32_MAX, &pid) &&
		    proc_stat_field((pid_t)pid, 4, &ppid) && ppid == (uint64_t)parent)
			ret[n++] = (pid_t)pid;
	}
	return (ssize_t)n;
}

bool children_reap(const struct children_watch *w)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (w->after_end)
			w->after_end(w->ctx, pid, status);
	return pid == 0 || errno != ECHILD;
}

static void kill_each(const struct children_watch *w)
{
	pid_t pids[256];
	ssize_t n = children_list(getpid(), pids, ARRAY_SIZE(pids));

	if (n < 0)
		n = scan_children(getpid(), pids, ARRAY_SIZE(pids));
	for (ssize_t i = 0; i < n; i++) {
		if (w->before_kill)
			w->before_kill(w->ctx, pids[i]);
		kill(pids[i], SIGKILL);
	}
}

void children_kill(const struct children_watch *w)
{
	struct signalfd_siginfo info;
	struct pollfd p = {.fd = w->sigfd, .events = POLLIN};
	int wait_ms = w->sigfd < 0 ? 1 : KILL_AGAIN_MS;

	/* A list of children may miss one while others start and end: only waitpid(2) is sure. */
	while (children_reap(w)) {
		kill_each(w);
		if (poll(&p, 1, wait_ms) > 0 && read(w->sigfd, &info, sizeof info) < 0)
			continue; /* a signal is only a hint to look again */
		if (wait_ms < KILL_AGAIN_MS)
			wait_ms++;
	}
}

static uint64_t timeval_us(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

void children_rusage(struct run_rusage *ret)
{
	struct rusage u = {0};

	/* Fails for no reason that a caller could help. */
	getrusage(RUSAGE_CHILDREN, &u);
	*ret = (struct run_rusage){
		.cpu_user_us = timeval_us(&u.ru_utime),
		.cpu_system_us = timeval_us(&u.ru_stime),
		.largest_bytes = (uint64_t)u.ru_maxrss * 1024,
		.read_bytes = (uint64_t)u.ru_inblock * 512,
		.written_bytes = (uint64_t)u.ru_oublock * 512,
	};
}

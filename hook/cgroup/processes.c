/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cgroup/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define FILE_MAX (1 << 20)
#define DEPTH_MAX 32
#define KILL_TRIES 200
#define KILL_WAIT_MS 5

struct each {
	void (*fn)(void *ctx, pid_t pid);
	void *ctx;
	size_t n;
};

static void each_of(int dirfd, struct each *each)
{
	scoped_buf struct buf b = BUF_INIT(FILE_MAX);
	struct err ignored = ERR_INIT;

	if (io_read_file(dirfd, "cgroup.procs", &b, &ignored) < 0 || !b.data)
		return;
	for (const char *p = b.data, *end = b.data + b.len; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl ? nl : end;
		uint64_t pid;

		/* 0: a process that this pid namespace does not show. */
		if (num_parse_u64(p, (size_t)(stop - p), INT32_MAX, &pid) && pid > 0) {
			each->n++;
			each->fn(each->ctx, (pid_t)pid);
		}
		p = nl ? nl + 1 : end;
	}
}

static void each_below(int dirfd, unsigned depth, struct each *each)
{
	const int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scoped_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);

	each_of(dirfd, each);
	if (!d && fd >= 0)
		close(fd);
	for (const struct dirent *de; d && depth > 0 && (de = readdir(d));) {
		if (de->d_type != DT_DIR || str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
			continue;
		scoped_fd int sub =
			openat(dirfd, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			each_below(sub, depth - 1, each);
	}
}

size_t cgroup_each_process(const char *dir, bool below, void (*fn)(void *ctx, pid_t pid), void *ctx)
{
	scoped_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct each each = {fn, ctx, 0};

	if (fd >= 0)
		each_below(fd, below ? DEPTH_MAX : 0, &each);
	return each.n;
}

/* Tell whether PID is in a group one of whose components is NAME. */
static bool is_in(pid_t pid, const char *name)
{
	scoped_buf struct buf b = BUF_INIT(FILE_MAX);
	struct err ignored = ERR_INIT;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && buf_read_fd(&b, fd, path, &ignored) == 0 &&
	       buf_addc(&b, '\0', &ignored) == 0 && strstr(b.data, name);
}

/* A number may be another process's by now; not any more once we have its pidfd (Linux 5.3). */
static void kill_one(void *ctx, pid_t pid)
{
	const char *name = ctx;
	scoped_fd int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (!is_in(pid, name))
		return;
	if (fd < 0)
		kill(pid, SIGKILL);
	else
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

void cgroup_kill(const char *dir)
{
	struct err ignored = ERR_INIT;
	scoped_free char *path = str_fmt(&ignored, "%s/cgroup.kill", dir);
	scoped_free char *name = str_dup(str_base(dir), &ignored);
	scoped_fd int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;

	if (!name || (fd >= 0 && write(fd, "1", 1) == 1))
		return;
	for (int i = 0; i < KILL_TRIES && cgroup_each_process(dir, true, kill_one, name) > 0; i++)
		io_pause_ms(KILL_WAIT_MS);
}

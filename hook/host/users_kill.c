/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/host/users_internal.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* How often user_kill_all() starts a child, and how often user_kill_range() goes through /proc. */
#define TRIES_MAX 100
#define STATUS_MAX 65536

#ifdef SYS_setresuid32
#define SETRESUID SYS_setresuid32
#else
#define SETRESUID SYS_setresuid
#endif

/*
 * Become user UID and kill all processes of that user. Calls the kernel directly: the C library's
 * setresuid(3) would change the ids of all threads. Runs in: a child of the hook.
 * Returns 0, or the errno of the call that failed.
 */
static int kill_as(uid_t uid)
{
	if (syscall(SETRESUID, uid, uid, uid) < 0)
		return errno;
	/* kill(-1, ...) spares pid 1 and the caller. ESRCH, EPERM: there is no process to kill. */
	while (kill(-1, SIGKILL) < 0) {
		if (errno == ESRCH || errno == EPERM)
			break;
		if (errno != EINTR)
			return errno;
	}
	return 0;
}

/*
 * Tell whether a child that becomes another user may share the memory of this process. It may not
 * where that user could trace the child. The kernel protects a process that has changed its ids
 * from that, unless fs.suid_dumpable is 1.
 */
static bool may_share_memory(void)
{
	char c = '1';
	scoped_fd int fd = open("/proc/sys/fs/suid_dumpable", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, &c, 1) == 1 && c != '1';
}

/*
 * Run kill_as() in a child. *RET_STATUS is that of waitpid(2). Each build waits for this, so the
 * child is made by vfork(2) where it may be: that takes 0.2 ms of a CPU, fork(2) took 3 ms.
 */
static int fork_kill(uid_t uid, int *ret_status, struct err *e)
{
	const int dumpable = prctl(PR_GET_DUMPABLE);
	const bool share = may_share_memory();
	const pid_t pid = share ? vfork() : fork();

	if (pid < 0)
		return err_sys(e, "starting the process that kills those of uid %u", (unsigned)uid);
	if (pid == 0)
		_exit(kill_as(uid));
	if (share)
		(void)prctl(PR_SET_DUMPABLE, dumpable); /* the flag belongs to the shared memory */
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "waiting for the process that kills those of uid %u",
				       (unsigned)uid);
	return 0;
}

int user_kill_all(uid_t uid, struct err *e)
{
	int status = 0;

	assert(uid != 0 && uid != (uid_t)-1 && uid != getuid() && uid != geteuid());
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		if (fork_kill(uid, &status, e) < 0)
			return -1;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			return 0;
		if (WIFEXITED(status)) {
			errno = WEXITSTATUS(status);
			return err_sys(e, "killing the processes of the build user with uid %u",
				       (unsigned)uid);
		}
	}
	return err_set(
		e, ERR_SYSTEM,
		"the processes of the build user with uid %u cannot be killed: they kill every "
		"process that is to kill them",
		(unsigned)uid);
}

/*
 * Tell whether a process has a real, effective, saved or file system uid among the COUNT from FIRST
 * on. TEXT is its /proc/PID/status.
 */
static bool has_id_in(const char *text, uid_t first, uint32_t count)
{
	const char *line = strstr(text, "\nUid:");
	unsigned ids[4];

	if (!line || sscanf(line, "\nUid: %u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]) != 4)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		if (ids[i] >= first && ids[i] - first < count)
			return true;
	return false;
}

/*
 * Kill the process PID if it has one of the COUNT uids from FIRST on.
 * Returns 1: it has, and was sent SIGKILL; 0: it has none of them, or has ended; -1: *E.
 */
static int kill_if_in(int procfd, const char *pid, uid_t first, uint32_t count, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(STATUS_MAX);
	struct err gone = ERR_INIT;
	/*
	 * The descriptor stands for this process (pidfd_send_signal(2), Linux 5.1), even if its pid
	 * is given to another one meanwhile.
	 */
	scoped_fd int dir = openat(procfd, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return 0;
	if (io_read_file(dir, "status", &text, &gone) < 0)
		return gone.kind == ERR_MEMORY ? err_memory(e) : 0;
	if (!text.data || strstr(text.data, "\nState:\tZ") || !has_id_in(text.data, first, count))
		return 0;
	if (syscall(SYS_pidfd_send_signal, dir, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(e, "killing process %s, which has an id of the build", pid);
	return 1;
}

/*
 * Go through /proc once, and kill every process that has one of the COUNT uids from FIRST on.
 * Returns how many there were; -1: *E.
 */
static int kill_round(uid_t first, uint32_t count, struct err *e)
{
	scoped_fd int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n = 0, r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		return err_sys(e, "looking for processes that have an id of the build in '/proc'");
	fd = -1;
	for (const struct dirent *ent; r >= 0 && (ent = readdir(d));)
		if (isdigit((unsigned char)ent->d_name[0])) {
			r = kill_if_in(dirfd(d), ent->d_name, first, count, e);
			n += r > 0;
		}
	closedir(d);
	return r < 0 ? -1 : n;
}

int user_kill_range(uid_t first, uint32_t count, struct err *e)
{
	assert(first != 0 && count <= UINT32_MAX - first);
	assert(getuid() < first || getuid() - first >= count);
	/* A process may have forked after it was looked at, so go on until none is found. */
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		const int n = kill_round(first, count, e);

		if (n <= 0)
			return n;
		usleep(1000);
	}
	return err_set(e, ERR_SYSTEM,
		       "processes that have one of the ids %u to %u of the build do not end",
		       (unsigned)first, (unsigned)(first + (count - 1)));
}

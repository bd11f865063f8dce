/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fourth word of a line of mountinfo names the directory of the file system that is mounted,
 * the fifth where it is mounted. The fourth is only a hint, because two stores on one file system
 * may contain directories of the same name. So a line is a hit only if the mounted directory, seen
 * through /proc/PID/root, is the directory that is looked for (device and inode).
 */
#include "hook/run/tenants.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define MOUNTINFO_MAX (8u << 20)
#define ROUNDS_MAX 100
#define DEATH_WAIT_MS 10000

/* Read the word at *P, with octal escapes (\040) as bytes, and move *P to the word's end. */
static int next_word(const char **p, struct buf *ret, struct err *e)
{
	ret->len = 0;
	*p += strspn(*p, " ");
	while (**p && **p != ' ' && **p != '\n') {
		char c = *(*p)++;

		if (c == '\\' && strspn(*p, "01234567") >= 3) {
			c = (char)((*p)[0] - '0') * 64 + ((*p)[1] - '0') * 8 + ((*p)[2] - '0');
			*p += 3;
		}
		if (buf_addc(ret, c, e) < 0)
			return -1;
	}
	return buf_addc(ret, '\0', e);
}

static bool same_directory(const char *a, const char *b)
{
	struct stat x, y;

	return lstat(a, &x) == 0 && lstat(b, &y) == 0 && S_ISDIR(x.st_mode) &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

struct place {
	const char *dir; /* DIR/SUB of tenants_kill() */
	const char *end; /* "/name of DIR/SUB/": this and a name end the fourth word of a hit */
};

/*
 * Tell whether LINE of the mountinfo of process PID mounts a directory of the place AT.
 * Returns 1: it does; 0: not; -1: *E.
 */
static int is_hit(const struct place *at, pid_t pid, const char *line, struct err *e)
{
	scoped_buf struct buf word = BUF_INIT(MOUNTINFO_MAX), point = BUF_INIT(MOUNTINFO_MAX);

	for (int i = 0; i < 4; i++)
		if (next_word(&line, &word, e) < 0)
			return -1;
	const char *name = strstr(word.data, at->end);
	if (!name)
		return 0;
	name += strlen(at->end);
	if (!*name || strchr(name, '/'))
		return 0;
	if (next_word(&line, &point, e) < 0)
		return -1;
	scoped_free char *theirs = str_fmt(e, "/proc/%d/root%s", (int)pid, point.data);
	if (!theirs)
		return -1;
	scoped_free char *ours = str_fmt(e, "%s/%s", at->dir, name);
	if (!ours)
		return -1;
	return same_directory(theirs, ours);
}

/*
 * Tell whether process PID is a tenant of AT.
 * Returns 1: it is; 0: not, or it has ended; -1: *E.
 */
static int is_tenant(const struct place *at, pid_t pid, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(MOUNTINFO_MAX);
	struct err unreadable = ERR_INIT;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/mountinfo", (int)pid);
	if (io_read_file(AT_FDCWD, path, &b, &unreadable) < 0 || !b.len)
		return 0;
	if (buf_addc(&b, '\0', e) < 0)
		return -1;
	for (const char *p = b.data; *p;) {
		const int hit = is_hit(at, pid, p, e);

		if (hit)
			return hit;
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return 0;
}

/*
 * Kill process PID if it is a tenant, and wait for its end.
 * Returns 1: it was a tenant and is dead; 0: it is not a tenant; -1: *E.
 */
static int kill_if_tenant(const struct place *at, pid_t pid, struct err *e)
{
	/* Opened before mountinfo is read: the process read is the one killed, not a later PID. */
	scoped_fd int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return 0;
	const int found = is_tenant(at, pid, e);
	if (found <= 0)
		return found;
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(e, "killing process %d, which a killed build left", (int)pid);
	struct pollfd p = {fd, POLLIN, 0};
	if (poll(&p, 1, DEATH_WAIT_MS) <= 0)
		return err_set(e, ERR_SYSTEM,
			       "process %d, which a killed build left, does not end when killed",
			       (int)pid);
	return 1;
}

/* Kill each tenant once. Returns how many there were; -1: *E. */
static int kill_round(const struct place *at, struct err *e)
{
	scoped_dir DIR *d = opendir("/proc");
	int n = 0;

	if (!d)
		return err_sys(e, "reading '/proc'");
	for (const struct dirent *de; (de = readdir(d));) {
		uint64_t pid;

		if (!num_parse_u64(de->d_name, strlen(de->d_name), INT32_MAX, &pid) ||
		    pid == (uint64_t)getpid())
			continue;
		const int killed = kill_if_tenant(at, (pid_t)pid, e);
		if (killed < 0)
			return -1;
		n += killed;
	}
	return n;
}

int tenants_kill(const char *dir, const char *sub, struct err *e)
{
	scoped_free char *whole = str_fmt(e, "%s/%s", dir, sub);
	if (!whole)
		return -1;
	scoped_free char *end = str_fmt(e, "/%s/%s/", str_base(dir), sub);
	if (!end)
		return -1;
	const struct place at = {whole, end};
	/* Until a round finds none, because a tenant may fork during a round. */
	for (int i = 0; i < ROUNDS_MAX; i++) {
		const int n = kill_round(&at, e);

		if (n <= 0)
			return n;
	}
	return err_set(e, ERR_SYSTEM, "processes that a killed build left in '%s' fork for ever",
		       dir);
}

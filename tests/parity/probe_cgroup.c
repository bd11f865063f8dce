/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control group of a build that is root: what it sees of it, and what it may do with it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

#define TOP "/sys/fs/cgroup"
#define SUB TOP "/sub"

static void show_owner(const char *name, const struct stat *st)
{
	say(keyf("group %s", name), "%04o %u:%u", st->st_mode & 07777, st->st_uid, st->st_gid);
}

/* Owners and modes of the group DIR and what is in it. */
static void show_group(const char *dir, const char *as)
{
	struct stat st;
	DIR *d = opendir(dir);

	if (stat(dir, &st) == 0)
		show_owner(as, &st);
	for (const struct dirent *de; d && (de = readdir(d));)
		if (de->d_name[0] != '.' && fstatat(dirfd(d), de->d_name, &st, 0) == 0)
			show_owner(keyf("%s/%s", as, de->d_name), &st);
	if (d)
		closedir(d);
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	ssize_t n = write(fd, text, strlen(text));
	int err = errno;
	close(fd);
	errno = err;
	return n < 0 ? -1 : 0;
}

/* A child of ours that waits to be killed; 0 where there can be none. */
static pid_t start_child(void)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	return pid < 0 ? 0 : pid;
}

/* How many processes the group at PATH has, whether we see them or not. */
static int count_processes(const char *path)
{
	char text[4096];
	int n = 0;

	if (slurp(path, text, sizeof text) < 0)
		return -1;
	for (const char *p = text; *p; p++)
		n += *p == '\n';
	return n;
}

static void try_child(void)
{
	char text[512], path[64];
	int status = 0;
	pid_t pid = start_child();

	snprintf(text, sizeof text, "%d", (int)pid);
	say_err("move a process into a group", put(SUB "/cgroup.procs", text));
	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	const char *line = slurp(path, text, sizeof text) < 0 ? NULL : strstr(text, "0::");
	say("group of that process", "%.*s", line ? (int)strcspn(line, "\n") : 0, line);
	say("processes of that group", "%d", count_processes(SUB "/cgroup.procs"));
	say_err("remove a group with a process", rmdir(SUB));
	say_err("kill a group", put(SUB "/cgroup.kill", "1"));
	if (waitpid(pid, &status, WNOHANG) == 0 && usleep(200000) == 0 &&
	    waitpid(pid, &status, WNOHANG) == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		say("that process", "lives on");
		return;
	}
	say("that process", "was ended by signal %d", WTERMSIG(status));
}

static void try_group(void)
{
	say_err("make a group", mkdir(SUB, 0755));
	show_group(SUB, "sub");
	try_child();
	say_err("make a group in a group", mkdir(SUB "/a", 0755));
	say_err("enter a group", put(SUB "/a/cgroup.procs", "0"));
	say_err("leave a group", put(TOP "/cgroup.procs", "0"));
	say_err("make a group threaded", put(SUB "/cgroup.type", "threaded"));
	say_err("remove a group in a group", rmdir(SUB "/a"));
	say_err("remove a group", rmdir(SUB));
}

void try_cgroup(void)
{
	static const char *const files[] = {"controllers",     "max.depth", "max.descendants",
					    "subtree_control", "type",      "freeze"};
	char path[64];

	say_err("mount cgroup2", mount("none", TOP, "cgroup2", 0, NULL));
	show_group(TOP, "top");
	say("processes of the group", "%d", count_processes(TOP "/cgroup.procs"));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof path, TOP "/cgroup.%s", files[i]);
		say_file(path);
	}
	say_err("enable a controller", put(TOP "/cgroup.subtree_control", "+pids"));
	say_err("kill the group", put(TOP "/cgroup.kill", "0"));
	say_err("limit the group", put(TOP "/cgroup.max.descendants", "10"));
	try_group();
	say_err("unmount cgroup2", umount(TOP));
}

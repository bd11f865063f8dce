/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/job/asker.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "hook/run/children.h"
#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Count the descriptors of process PID; may stop after MAX. Returns 0: not known. */
static rlim_t count_descriptors(pid_t pid, rlim_t max)
{
	char path[32];
	struct stat st;
	rlim_t n = 0;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	/* From Linux 6.2 on the directory's size is the number of descriptors; before, it is 0. */
	if (stat(path, &st) == 0 && st.st_size > 0)
		return (rlim_t)st.st_size;
	scoped_dir DIR *d = opendir(path);
	for (const struct dirent *de; d && n <= max && (de = readdir(d));)
		n += de->d_name[0] != '.';
	return n;
}

bool asker_has_room(pid_t pid)
{
	struct rlimit limit;
	pid_t pids[2];

	if (prlimit(pid, RLIMIT_NOFILE, NULL, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return true;
	const rlim_t max = limit.rlim_cur - limit.rlim_cur / 8;
	if (count_descriptors(pid, max) < max)
		return true;
	/* One of the children is this process. */
	const ssize_t children = children_list(pid, pids, ARRAY_SIZE(pids));
	return children == 0 || children == 1;
}

bool asker_client(pid_t pid, pid_t *ret_pid, uid_t *ret_uid)
{
	char path[32], words[256] = "";
	struct stat st;
	uint64_t client;

	snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	/* Two NULs at least remain behind the last word. */
	if (fd < 0 || read(fd, words, sizeof words - 2) <= 0 ||
	    !str_eq(str_base(words), "nix-daemon"))
		return false;
	const char *second = words + strlen(words) + 1;
	if (!num_parse_u64(second, strlen(second), INT32_MAX, &client) || client == 0)
		return false;
	snprintf(path, sizeof path, "/proc/%d", (int)client);
	if (stat(path, &st) < 0)
		return false;
	*ret_pid = (pid_t)client;
	*ret_uid = st.st_uid;
	return true;
}

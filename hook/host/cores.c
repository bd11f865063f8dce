/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/host/cores.h"

#include <fcntl.h>
#include <mntent.h>
#include <string.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define SMALL_FILE_MAX 65536
#define CORES_MAX 1000000

/*
 * Return the path after "0::" in PROC_CGROUP, the text of /proc/self/cgroup. Heap. NULL with *E: an
 * error; NULL without: there is no such path, or it leads out of the cgroup namespace ("/../").
 */
static char *cgroup2_path(const char *proc_cgroup, struct err *e)
{
	scoped_strv struct strv lines = STRV_INIT;

	if (strv_split(&lines, proc_cgroup, "\n", e) < 0)
		return NULL;
	for (size_t i = 0; i < lines.n; i++)
		if (str_starts(lines.items[i], "0::/") && !strstr(lines.items[i], "/../"))
			return str_dup(lines.items[i] + strlen("0::"), e);
	return NULL;
}

/* Return the quota in TEXT, "QUOTA PERIOD" or "max PERIOD", in whole cores. 0: none. */
static unsigned parse_cpu_max(const char *text, struct err *e)
{
	scoped_strv struct strv words = STRV_INIT;
	uint64_t quota, period, n;

	if (strv_split(&words, text, " \n", e) < 0 || words.n != 2 ||
	    !num_parse_u64(words.items[0], strlen(words.items[0]), INT64_MAX, &quota) ||
	    !num_parse_u64(words.items[1], strlen(words.items[1]), INT64_MAX, &period) ||
	    period == 0)
		return 0;
	n = quota / period + (quota % period != 0);
	return n < CORES_MAX ? (unsigned)n : 0;
}

unsigned cores_by_quota(const char *proc_cgroup, const char *cgroup_root)
{
	scoped_buf struct buf text = BUF_INIT(SMALL_FILE_MAX);
	struct err ignored = ERR_INIT; /* a quota that cannot be read counts as none */
	scoped_free char *path = cgroup2_path(proc_cgroup, &ignored);

	if (!path)
		return 0;
	scoped_free char *file = str_fmt(&ignored, "%s%s/cpu.max", cgroup_root, path);
	if (!file || io_read_file(AT_FDCWD, file, &text, &ignored) < 0)
		return 0;
	return parse_cpu_max(text.data ? text.data : "", &ignored);
}

/* Return the directory of the first cgroup2 mount. Heap. NULL: there is none. */
static char *cgroup2_root(struct err *e)
{
	char line[4096];
	struct mntent entry, *m;
	FILE *f = setmntent("/proc/self/mounts", "re");
	char *root = NULL;

	if (!f)
		return NULL;
	while (!root && (m = getmntent_r(f, &entry, line, sizeof line)))
		if (str_eq(m->mnt_type, "cgroup2"))
			root = str_dup(m->mnt_dir, e);
	endmntent(f);
	return root;
}

unsigned cores_of_machine(void)
{
	scoped_buf struct buf text = BUF_INIT(SMALL_FILE_MAX);
	struct err ignored = ERR_INIT;
	scoped_free char *root = cgroup2_root(&ignored);
	unsigned quota = 0;
	long online;

	if (root && io_read_file(AT_FDCWD, "/proc/self/cgroup", &text, &ignored) == 0)
		quota = cores_by_quota(text.data ? text.data : "", root);
	if (quota)
		return quota;
	/* Affinity (sched_getaffinity(2)) does not count, as Nix does not ask for it either. */
	online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 0 && online < CORES_MAX ? (unsigned)online : 1;
}

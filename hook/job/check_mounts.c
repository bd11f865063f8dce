/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/job/check_mounts.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "hook/request/launcher.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

static bool is_noexec(const char *path)
{
	struct statvfs st;

	return statvfs(path, &st) == 0 && (st.f_flag & ST_NOEXEC);
}

/* Tell in *RET whether PATH exists. */
static int exists(const char *path, bool *ret, struct err *e)
{
	*ret = access(path, F_OK) == 0;
	return *ret || errno == ENOENT || errno == ENOTDIR ? 0
							   : err_sys(e, "looking for '%s'", path);
}

/*
 * crun gets an empty file system of control groups from us where there is none, if it may mount one
 * (hook/runtime/runtime.c, mount_empty_cgroups()): it wants /sys to exist. runc panics where there
 * is no /sys/fs/cgroup.
 */
static int check_sys(const struct runtime *rt, struct err *e)
{
	const bool crun = rt->kind == RUNTIME_CRUN;
	bool has_dir, has_groups;

	if (!crun && rt->kind != RUNTIME_RUNC)
		return 0;
	if (exists("/sys", &has_dir, e) < 0 || exists("/sys/fs/cgroup", &has_groups, e) < 0)
		return -1;
	if (crun && !rt->rootless ? has_dir : has_groups)
		return 0;
	return err_set(e, ERR_SYSTEM,
		       "'/sys' is not mounted, and %s needs it: run '%smount -t sysfs sysfs /sys'",
		       rt->name, has_dir ? "" : "mkdir /sys && ");
}

int check_mounts(const struct job *j, const char *dir, bool unpacked_inputs, struct err *e)
{
	const char *builder = j->drv->builder;
	bool has_proc;

	if (exists("/proc/self/fd", &has_proc, e) < 0)
		return -1;
	if (!has_proc)
		return err_set(e, ERR_SYSTEM,
			       "'/proc' is not mounted, and builds need it: run 'mount -t proc "
			       "proc /proc'");
	if (j->runtime->kind == RUNTIME_RUNSC)
		return 0;
	if (check_sys(j->runtime, e) < 0)
		return -1;
	/* The launcher is a file of the build directory. */
	if (launch_available() && is_noexec(dir))
		return err_set(e, ERR_SYSTEM,
			       "no build can run in '%s', as its file system is mounted noexec: "
			       "mount it without that option, or set 'bundle-dir' to a directory "
			       "elsewhere",
			       dir);
	if (!unpacked_inputs && builder && storepath_prefix(builder, j->store->dir) &&
	    is_noexec(j->store->real_dir))
		return err_set(e, ERR_SYSTEM,
			       "the builder '%s' cannot be executed, as the file system of '%s' is "
			       "mounted noexec: mount it without that option, or set 'inputs' to "
			       "nar and 'cache-dir' to a directory elsewhere",
			       builder, j->store->real_dir);
	return 0;
}

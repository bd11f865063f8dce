/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The call is StartTransientUnit() of org.freedesktop.systemd1(5). Its answer says only that the
 * scope is to be started, so /proc/PID/cgroup tells when it is.
 *
 * A process of systemd's own makes the call: to speak D-Bus would need a library that is slow to
 * load, and only a build with a limit, where nothing is delegated, comes here.
 */
#include "hook/cgroup/systemd_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hook/base/subprocess.h"
#include "hook/cgroup/cgroup_internal.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* To start a unit takes milliseconds, but systemd may be busy. */
#define WAIT_MS 20000
#define PAUSE_MAX_MS 20

bool systemd_runs(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

/* Return busctl's option that names the bus of the systemd which is asked. Heap. */
static char *bus_option(struct err *e)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return str_dup("--system", e);
	if (runtime && *runtime)
		return str_fmt(e, "--address=unix:path=%s/bus", runtime);
	return str_fmt(e, "--address=unix:path=/run/user/%lu/bus", (unsigned long)geteuid());
}

/*
 * The scope's properties (systemd.scope(5), systemd.resource-control(5)):
 *  - its processes are killed when it is stopped, because a builder that is the first process of
 *    its pid namespace ignores SIGTERM;
 *  - the number of its processes has no limit but the build's;
 *  - a scope whose start failed is forgotten.
 */
static int ask(const char *name, pid_t pid, struct err *e)
{
	scoped_strv struct strv argv = STRV_INIT;
	scoped_free char *bus = bus_option(e);
	const char *const words[] = {
		"busctl",
		bus,
		"--timeout=20",
		"call",
		"org.freedesktop.systemd1",
		"/org/freedesktop/systemd1",
		"org.freedesktop.systemd1.Manager",
		"StartTransientUnit",
		"ssa(sv)a(sa(sv))",
		name,
		"fail",
		"6", /* properties */
		"Slice",
		"s",
		SYSTEMD_SLICE,
		"Delegate",
		"b",
		"true",
		"KillSignal",
		"i",
		"9",
		"TasksMax",
		"t",
		"18446744073709551615",
		"CollectMode",
		"s",
		"inactive-or-failed",
		"PIDs",
		"au",
		"1",
	};

	if (!bus)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strv_add(&argv, words[i], e) < 0)
			return -1;
	/* No other units come with it. */
	if (strv_addf(&argv, e, "%ld", (long)pid) < 0 || strv_add(&argv, "0", e) < 0)
		return -1;
	return subprocess_run(argv.items, NULL, 0, NULL, e);
}

/* Set *RET to the directory of PID's group of v2, if its name is NAME, else to NULL. */
static int find_scope(const char *name, pid_t pid, char **ret, struct err *e)
{
	scoped_strv struct strv dirs = STRV_INIT;

	*ret = NULL;
	if (cgroup_find(pid, name, &dirs, e) < 0)
		return -1;
	for (size_t i = 0; i < dirs.n && !*ret; i++)
		if (str_eq(str_base(dirs.items[i]), name) && !(*ret = str_dup(dirs.items[i], e)))
			return -1;
	return 0;
}

char *systemd_make_scope_within(const char *name, pid_t pid, int64_t wait_ms, struct err *e)
{
	const int64_t end_ms = clock_now_ms() + wait_ms;
	char *dir;

	if (ask(name, pid, e) < 0) {
		err_wrap(e, "asking systemd for a control group");
		return NULL;
	}
	for (int pause_ms = 1; find_scope(name, pid, &dir, e) == 0; pause_ms *= 2) {
		if (dir)
			return dir;
		if (clock_now_ms() > end_ms) {
			err_set(e, ERR_SYSTEM,
				"systemd did not move a process to the control group '%s' that it "
				"was asked for (see 'journalctl -u %s')",
				name, name);
			return NULL;
		}
		if (pause_ms > PAUSE_MAX_MS)
			pause_ms = PAUSE_MAX_MS;
		io_pause_ms(pause_ms);
	}
	return NULL;
}

char *systemd_make_scope(const char *name, pid_t pid, struct err *e)
{
	return systemd_make_scope_within(name, pid, WAIT_MS, e);
}

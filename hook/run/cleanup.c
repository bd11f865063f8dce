/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/run/cleanup.h"

#include <errno.h>
#include <sys/mount.h>
#include <unistd.h>

#include "hook/cgroup/cgroup.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"

#include "nar/base/banned.h"

#define TRY_MS 1000
#define FIRST_PAUSE_MS 5

/*
 * Unmount what this run has mounted on its own trees. Whoever may mount nothing has mounted
 * nothing; and where nothing is mounted, the kernel says so.
 */
static void unmount_all(const struct strv *owned)
{
	for (size_t i = 0; i < owned->n; i++)
		(void)umount2(owned->items[i], MNT_DETACH | UMOUNT_NOFOLLOW);
}

static int remove_all(const struct strv *cgroups, const struct strv *owned, struct err *e)
{
	struct err later = ERR_INIT;
	const int rc = cgroup_remove(cgroups, e);

	unmount_all(owned);
	return io_rmtrees(owned, rc < 0 ? &later : e) < 0 ? -1 : rc;
}

static int remove_record(const char *path, struct err *e)
{
	unsigned tries = 0;

	while (unlink(path) < 0 && errno != ENOENT)
		if (!io_again(&tries))
			return err_sys(e, "removing '%s'", path);
	return 0;
}

int cleanup(const struct strv *cgroups, const struct strv *owned, const char *record, struct err *e)
{
	const int64_t end_ms = clock_now_ms() + TRY_MS;

	for (int64_t pause_ms = FIRST_PAUSE_MS; remove_all(cgroups, owned, e) < 0; pause_ms *= 2) {
		if (clock_now_ms() + pause_ms > end_ms)
			return record ? err_wrap(e, "cleaning up (the next build will go on)") : -1;
		err_clear(e);
		io_pause_ms(pause_ms);
	}
	return record ? remove_record(record, e) : 0;
}

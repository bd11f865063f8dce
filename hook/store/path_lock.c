/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/store/path_lock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/*
 * Try to lock FILE once.
 * Returns 1: *RET_FD holds the lock; 0: another process has it; STALE: the file is no lock any
 * more, so try again; -1: *E.
 */
#define STALE 2
static int try(const char *file, bool wait, int *ret_fd, struct err *e)
{
	scoped_fd int fd = open(file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return err_sys(e, "opening the lock file '%s'", file);
	const int locked = io_lock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
	if (locked <= 0)
		return locked < 0 ? err_sys(e, "locking '%s'", file) : 0;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "getting status of '%s'", file);
	/*
	 * The last holder gave the lock up between this open(2) and flock(2), or died before it
	 * removed the file.
	 */
	if (st.st_size && st.st_nlink)
		unlink(file);
	if (st.st_size || !st.st_nlink)
		return STALE;
	*ret_fd = TAKE(fd, -1);
	return 1;
}

int pathlock_take(const char *path, bool wait, struct pathlock *ret, struct err *e)
{
	scoped_free char *file = str_fmt(e, "%s.lock", path);
	int rc, fd = -1;

	if (!file)
		return -1;
	do {
		rc = try(file, wait, &fd, e);
	} while (rc == STALE);
	if (rc > 0)
		*ret = (struct pathlock){fd, TAKE(file, NULL)};
	return rc;
}

void pathlock_done(struct pathlock *l)
{
	struct err ignored = ERR_INIT;

	if (l->fd >= 0) {
		unlink(l->file);
		if (io_write(l->fd, "d", 1, l->file, &ignored) < 0)
			err_clear(&ignored);
		close(l->fd);
	}
	free(l->file);
	*l = (struct pathlock)PATHLOCK_INIT;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/runtime/memdir.h"

#include <fcntl.h>
#include <unistd.h>

#include <config.h>

#ifdef HAVE_FSOPEN
/* After config.h, which says whether the C library has fsopen(): glibc from 2.36 on, not musl. */
#include <sys/mount.h>
#endif

#include "nar/base/scope.h"

#include "nar/base/banned.h"

#ifdef HAVE_FSOPEN
bool memdir_new(struct memdir *ret)
{
	scoped_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0700", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", MEMDIR_BYTES_MAX, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return false;
	scoped_memdir struct memdir m = MEMDIR_INIT;
	m.mount_fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (m.mount_fd < 0)
		return false;
	m.dirfd = openat(m.mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m.dirfd < 0)
		return false;
	*ret = m;
	m = (struct memdir)MEMDIR_INIT;
	return true;
}

int memdir_attach(int mount_fd, const char *at, struct err *e)
{
	if (move_mount(mount_fd, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "mounting the bundle at '%s'", at);
	return 0;
}

bool memdir_bind_readonly(const char *from, const char *at)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	scoped_fd int fd = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return fd >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0 &&
	       move_mount(fd, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) == 0;
}
#else
bool memdir_new(struct memdir *ret)
{
	(void)ret;
	return false;
}

int memdir_attach(int mount_fd, const char *at, struct err *e)
{
	(void)mount_fd;
	return err_set(e, ERR_SYSTEM,
		       "mounting the bundle at '%s': this program was built without fsopen()", at);
}

bool memdir_bind_readonly(const char *from, const char *at)
{
	(void)from;
	(void)at;
	return false;
}
#endif

void memdir_done(struct memdir *m)
{
	scope_close(&m->dirfd);
	scope_close(&m->mount_fd);
}

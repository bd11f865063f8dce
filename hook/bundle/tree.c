/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Make single entries of a bundle without following a link.
 */
#include "hook/bundle/bundle_internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

int bundle_give(const struct bundle_work *w, int dirfd, const char *name, struct err *e)
{
	if (w->uid == NOBODY)
		return 0;
	if (fchownat(dirfd, name, w->uid, w->gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return err_sys(e, "giving '%s' in the bundle '%s' to the build's user", name,
			       w->path);
	return 0;
}

int bundle_place(int dirfd, const char *name, const char *source, const struct stat *st,
		 bool *ret_placed, struct err *e)
{
	char target[4096];
	ssize_t n;

	*ret_placed = false;
	if (S_ISDIR(st->st_mode)) {
		if (mkdirat(dirfd, name, 0755) < 0 && errno != EEXIST)
			return err_sys(e, "creating a directory to mount '%s' on", source);
		return 0;
	}
	if (!S_ISLNK(st->st_mode)) {
		if (mknodat(dirfd, name, S_IFREG | 0644, 0) < 0 && errno != EEXIST)
			return err_sys(e, "creating a file to mount '%s' on", source);
		return 0;
	}
	n = readlinkat(AT_FDCWD, source, target, sizeof target - 1);
	if (n < 0)
		return err_sys(e, "reading the link '%s'", source);
	target[n] = '\0';
	if (symlinkat(target, dirfd, name) < 0)
		return err_sys(e, "creating the link '%s', a copy of '%s'", name, source);
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	if (utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "setting the time of the link '%s', a copy of '%s'", name,
			       source);
	*ret_placed = true;
	return 0;
}

ssize_t bundle_scratch_index(const struct request *r, const char *path)
{
	for (size_t i = 0; i < r->scratch_paths.n; i++) {
		size_t n = strlen(r->scratch_paths.items[i]);
		if (strncmp(path, r->scratch_paths.items[i], n) == 0 &&
		    (path[n] == '/' || path[n] == '\0'))
			return (ssize_t)i;
	}
	return -1;
}

int bundle_descend(const struct bundle_work *w, int *fd, const char *name, size_t len, bool owned,
		   struct err *e)
{
	scoped_free char *one = str_ndup(name, len, e);
	bool made;
	int next;

	if (!one)
		return -1;
	made = mkdirat(*fd, one, 0755) == 0;
	if (!made && errno != EEXIST)
		return err_sys(e, "creating the directory '%s' in the bundle '%s'", one, w->path);
	if (made && owned && bundle_give(w, *fd, one, e) < 0)
		return -1;
	next = openat(*fd, one, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (next < 0 && errno != ELOOP && errno != ENOTDIR)
		return err_sys(e, "opening the directory '%s' in the bundle '%s'", one, w->path);
	scope_close(fd);
	*fd = next;
	return 0;
}

int bundle_open_parent(const struct bundle_work *w, const char *target, bool owned, int *ret_fd,
		       const char **ret_name, struct err *e)
{
	const char *path = target + 1, *slash;
	ssize_t at = bundle_scratch_index(w->r, path);
	int from = w->root;
	scoped_fd int fd = -1;

	if (at >= 0) {
		from = w->scratch_fds[at];
		path += strlen(w->r->scratch_paths.items[at]);
		path += *path == '/';
	}
	fd = fcntl(from, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, "duplicating a descriptor");
	for (; (slash = strchr(path, '/')) && fd >= 0; path = slash + 1)
		if (bundle_descend(w, &fd, path, (size_t)(slash - path), owned && at >= 0, e) < 0)
			return -1;
	*ret_name = path;
	*ret_fd = TAKE(fd, -1);
	return 0;
}

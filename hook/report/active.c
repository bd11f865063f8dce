/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/report/active.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "specgen/json.h"

#include "nar/base/banned.h"

#define ACTIVE_DIR "active-builds"
#define ACTIVE_MAX 65536
/* A younger file without a lock may be one whose maker is about to lock it. */
#define STALE_AFTER_S 60

/* ---- making it ---- */

/* Remove NAME if it is not locked and not new. What cannot be looked at is left alone. */
static void remove_stale(int dirfd, const char *name)
{
	scoped_fd int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    time(NULL) - st.st_mtime < STALE_AFTER_S)
		return;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		unlinkat(dirfd, name, 0);
}

static void remove_all_stale(int dirfd)
{
	const int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scoped_dir DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (!d && copy >= 0)
		close(copy);
	for (const struct dirent *de; d && (de = readdir(d));)
		if (de->d_name[0] != '.')
			remove_stale(dirfd, de->d_name);
}

int active_open(struct active *a, const char *nix_state_dir, struct err *e)
{
	scoped_free char *dir = str_fmt(e, "%s/" ACTIVE_DIR, nix_state_dir);

	if (!dir)
		return -1;
	scoped_fd int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dirfd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "opening '%s'", dir);
	remove_all_stale(dirfd);
	scoped_free char *path = str_fmt(e, "%s/%ld-1", dir, (long)getpid());
	if (!path)
		return -1;
	/* Of an earlier process that had this pid. */
	if (unlinkat(dirfd, str_base(path), 0) < 0 && errno != ENOENT)
		return err_sys(e, "removing '%s'", path);
	scoped_fd int fd = openat(dirfd, str_base(path),
				  O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "creating '%s'", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, "locking '%s'", path);
	a->path = TAKE(path, NULL);
	a->fd = TAKE(fd, -1);
	return 0;
}

void active_done(struct active *a)
{
	free(a->path);
	scope_close(&a->fd);
	*a = (struct active)ACTIVE_INIT;
}

/* ---- what is in it ---- */

static void known_or_null(struct jw *w, const char *key, uint64_t n)
{
	if (n == REPORT_UNKNOWN)
		jw_null(w, key);
	else
		jw_u64(w, key, n);
}

static void add_user(struct jw *w, uid_t uid)
{
	const struct passwd *p = getpwuid(uid);

	jw_object(w, "mainUser");
	jw_u64(w, "uid", uid);
	if (p && p->pw_name && str_is_utf8(p->pw_name))
		jw_string(w, "name", p->pw_name);
	else
		jw_null(w, "name");
	jw_end(w);
}

int active_write(const struct active *a, const struct report *r, pid_t main_pid, uid_t uid,
		 const char *cgroup, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(ACTIVE_MAX);
	struct jw w = JW_INIT(&b, e);

	if (a->fd < 0)
		return 0;
	jw_inline_object(&w, NULL);
	jw_string(&w, "type", "build");
	known_or_null(&w, "nixPid", r->n[REPORT_NIX_PID]);
	known_or_null(&w, "clientPid", r->n[REPORT_CLIENT_PID]);
	known_or_null(&w, "clientUid", r->n[REPORT_CLIENT_UID]);
	jw_u64(&w, "mainPid", (uint64_t)main_pid);
	add_user(&w, uid);
	if (cgroup)
		jw_string(&w, "cgroup", cgroup);
	else
		jw_null(&w, "cgroup");
	jw_u64(&w, "startTime", r->n[REPORT_START_US] / 1000000);
	jw_string(&w, "derivation", str_base(r->text[REPORT_DERIVATION]));
	jw_end(&w);
	return jw_done(&w) < 0 ? -1 : io_write(a->fd, b.data, b.len, a->path, e);
}

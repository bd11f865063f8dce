/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An entry is opened with O_PATH | O_NOFOLLOW. That has no effect on a device or a FIFO, and works
 * for symbolic links. Most system calls do not take such a descriptor, but all follow
 * /proc/self/fd/N to exactly the inode behind it, and not further if that is a link.
 */
#include "hook/outputs/canon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "nar/base/scope.h"
#include "nar/tree.h"

#include "nar/base/banned.h"

#define MODE_PLAIN 0444
#define MODE_EXECUTABLE 0555
#define TIME_S 1
/* The kernel's limit on the names of all attributes of a file. */
#define XATTR_NAMES_MAX 65536

int canon_ignored_xattrs(const struct settings *s, struct strv *ret, struct err *e)
{
	if (settings_get(s, "ignored-acls"))
		return settings_list(s, "ignored-acls", ret, e);
	return strv_split(ret, "security.csm security.selinux system.nfs4_acl", " ", e);
}

struct walk {
	const struct canon *c;
	bool check_only;
	bool no_xattrs; /* the file system has no extended attributes */
	uid_t uid;      /* of this process; read once, because a call costs as much as a chmod */
	gid_t gid;
	struct tree *tree;
	struct buf path; /* of the current entry, for messages */
	uint64_t mount;  /* the root's; all entries must be on it */
	char *names;     /* XATTR_NAMES_MAX bytes */
};

struct entry {
	int fd;
	char proc[32]; /* "/proc/self/fd/N" */
	struct statx st;
	uint64_t mount;
};

static void walk_done(struct walk *w)
{
	tree_free(w->tree);
	buf_done(&w->path);
	free(w->names);
}
#define scoped_walk __attribute__((cleanup(walk_done)))

static uint64_t entry_dev(const struct entry *en)
{
	return makedev(en->st.stx_dev_major, en->st.stx_dev_minor);
}

/*
 * Open the entry DIRFD/NAME and get its status. Its `mount` is the mount's id if the kernel tells
 * that (5.8), else the device.
 */
static int entry_open(struct entry *en, int dirfd, const char *name, const char *path,
		      struct err *e)
{
	en->fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (en->fd < 0)
		return err_sys(e, "opening '%s'", path);
	if (statx(en->fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_MNT_ID,
		  &en->st) < 0) {
		err_sys(e, "getting status of '%s'", path);
		close(TAKE(en->fd, -1));
		return -1;
	}
	snprintf(en->proc, sizeof en->proc, "/proc/self/fd/%d", en->fd);
	en->mount = en->st.stx_mask & STATX_MNT_ID ? en->st.stx_mnt_id : entry_dev(en);
	return 0;
}

/* ---- checks ---- */

/*
 * Check an entry.
 * Returns 0: it is to be made canonical; 1: it is a second name of a file that is; -1: *E, it is
 * refused.
 */
static int entry_check(const struct walk *w, const struct entry *en, struct err *e)
{
	const struct canon *c = w->c;
	mode_t mode = en->st.stx_mode;

	if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode))
		return err_set(e, ERR_BUILD, "file %s%s%s has an unsupported type", c->quote,
			       w->path.data, c->quote);
	if (en->mount != w->mount)
		return err_set(e, ERR_BUILD,
			       "'%s' is on another file system than the rest of its output",
			       w->path.data);
	if (c->uid_min <= c->uid_max &&
	    (en->st.stx_uid < c->uid_min || en->st.stx_uid > c->uid_max)) {
		if (S_ISDIR(mode) || w->check_only ||
		    !pairset_has(c->seen, entry_dev(en), en->st.stx_ino))
			return err_set(e, ERR_BUILD, "invalid ownership on file %s%s%s", c->quote,
				       w->path.data, c->quote);
		return 1;
	}
	return 0;
}

/* ---- changes ---- */

static int drop_xattrs(struct walk *w, const struct entry *en, struct err *e)
{
	if (w->no_xattrs)
		return 0;
	ssize_t n = listxattr(en->proc, w->names, XATTR_NAMES_MAX);
	if (n < 0 && errno == ENOTSUP) {
		w->no_xattrs = true;
		return 0;
	}
	if (n < 0 && errno == ENODATA)
		return 0;
	if (n < 0)
		return err_sys(e, "querying extended attributes of '%s'", w->path.data);
	for (const char *p = w->names; p < w->names + n; p += strlen(p) + 1) {
		if (w->c->ignored_xattrs && strv_has(w->c->ignored_xattrs, p))
			continue;
		if (removexattr(en->proc, p) < 0)
			return err_sys(e, "removing extended attribute '%s' from '%s'", p,
				       w->path.data);
	}
	return 0;
}

static int set_mode(const struct walk *w, const struct entry *en, struct err *e)
{
	mode_t mode = en->st.stx_mode;
	mode_t want = S_ISDIR(mode) || (mode & S_IXUSR) ? MODE_EXECUTABLE : MODE_PLAIN;

	if (S_ISLNK(mode) || (mode & 07777) == want)
		return 0;
	if (chmod(en->proc, want) < 0)
		return err_sys(e, "changing mode of '%s' to %o", w->path.data, (unsigned)want);
	return 0;
}

static int set_owner_and_time(const struct walk *w, const struct entry *en, struct err *e)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = TIME_S}};

	/* After the mode, so that this user never owns a set-id program. */
	if ((en->st.stx_uid != w->uid || en->st.stx_gid != w->gid) &&
	    fchownat(en->fd, "", w->uid, w->gid, AT_EMPTY_PATH) < 0)
		return err_sys(e, "changing owner of '%s' to %u", w->path.data, (unsigned)w->uid);
	/* utimensat(2) takes an empty path from Linux 5.8 on. */
	if (en->st.stx_mtime.tv_sec != TIME_S && utimensat(en->fd, "", times, AT_EMPTY_PATH) < 0 &&
	    utimensat(AT_FDCWD, en->proc, times, 0) < 0)
		return err_sys(e, "changing modification time of '%s'", w->path.data);
	return 0;
}

static int entry_change(struct walk *w, const struct entry *en, struct err *e)
{
	if (pairset_add(w->c->seen, entry_dev(en), en->st.stx_ino, e) < 0)
		return -1;
	if (drop_xattrs(w, en, e) < 0 || set_mode(w, en, e) < 0)
		return -1;
	return set_owner_and_time(w, en, e);
}

/* ---- the walk ---- */

static int go_into(struct walk *w, const struct entry *en, struct err *e)
{
	int fd = openat(en->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "opening directory '%s'", w->path.data);
	return tree_enter(w->tree, fd, e);
}

/* Check and change an entry, and go into it if it is a directory. */
static int visit(struct walk *w, int dirfd, const char *name, struct err *e)
{
	struct entry en;
	size_t depth = tree_depth(w->tree);

	if (entry_open(&en, dirfd, name, w->path.data, e) < 0)
		return -1;
	scoped_fd int fd = en.fd;
	if (!depth)
		w->mount = en.mount;
	if (w->c->depth && *w->c->depth <= depth)
		*w->c->depth = depth + 1;
	int rc = entry_check(w, &en, e);
	if (rc == 0 && !w->check_only)
		rc = entry_change(w, &en, e);
	if (rc == 0 && S_ISDIR(en.st.stx_mode))
		rc = go_into(w, &en, e);
	return rc < 0 ? -1 : 0;
}

/* Refuse a path that is too long for the kernel, because Nix works by paths. */
static int check_path(const struct walk *w, struct err *e)
{
	if (w->path.len < PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return err_sys(e, "getting status of '%.256s...' (%zu bytes)", w->path.data, w->path.len);
}

static int next_entry(struct walk *w, struct err *e)
{
	struct tree_entry at;
	int rc = tree_next(w->tree, &at, e);

	if (rc <= 0)
		return rc;
	buf_reset(&w->path);
	if (tree_path(w->tree, &w->path, e) < 0 || check_path(w, e) < 0)
		return -1;
	return visit(w, at.dirfd, at.name, e);
}

static int walk(int dirfd, const char *name, const char *what, const struct canon *c,
		bool check_only, struct err *e)
{
	scoped_walk struct walk w = {
		.c = c,
		.check_only = check_only,
		.uid = geteuid(),
		.gid = getegid(),
		.path = BUF_INIT(1u << 20),
	};

	w.names = mem_bytes(XATTR_NAMES_MAX, e);
	w.tree = w.names ? tree_new(what, e) : NULL;
	if (!w.tree || buf_adds(&w.path, what, e) < 0)
		return -1;
	if (visit(&w, dirfd, name, e) < 0)
		return -1;
	while (tree_depth(w.tree))
		if (next_entry(&w, e) < 0)
			return -1;
	return 0;
}

int canon_path(int dirfd, const char *name, const char *what, const struct canon *c, struct err *e)
{
	return walk(dirfd, name, what, c, false, e);
}

int canon_check(int dirfd, const char *name, const char *what, const struct canon *c, struct err *e)
{
	return walk(dirfd, name, what, c, true, e);
}

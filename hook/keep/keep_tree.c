/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The walk reads a directory to its end at once. It deals with all entries except directories, and
 * notes the names of directories for later. So a directory is read once. If it is closed for a
 * while because the tree is deep (nar/base/dirstack.h), no place in it must be found again.
 *
 * Hard links: the first copy of a file that has several names is also linked into a directory of
 * the copy's own, under the inode number. For the file's other names that copy is linked instead of
 * made again. This takes no memory, and no path that could be too long.
 */
#include "hook/keep/keep_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/dirstack.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/sparse.h"

#include "nar/base/banned.h"

#define NAMES_MAX_BYTES (256 << 20)
/* An entry takes about this much of a disk besides its contents. */
#define ENTRY_BYTES 4096
#define SET_ID (S_ISUID | S_ISGID)
/* The extended attributes that give rights besides the mode. */
static const char *const rights[] = {"system.posix_acl_access", "system.posix_acl_default",
				     "system.richacl", "security.capability"};
#define XATTR_NAMES_MAX 65536

struct level {
	char *name;
	struct stat st;   /* of the directory; its mode is harmless already */
	struct buf names; /* of directories to go into, each ended by NUL */
	size_t next;
};

struct walk {
	const struct keeptree *k;
	const char *what;
	bool copies;
	struct dirstack from, to; /* the same levels; `to` is empty if nothing is copied */
	int from_fd, to_fd;       /* the current directory, in both trees */
	struct level *levels;     /* the current directory is the last */
	size_t n, cap;
	size_t waiting_bytes; /* size of `names` of all levels */
	dev_t dev;            /* the tree's file system */
	bool no_xattrs;       /* that file system has no extended attributes */
	int root_to;          /* root of the copy; -1: nothing is copied */
	int links_fd;         /* the directory for hard links; -1: not made yet */
	char links_name[32];
	char *xattrs; /* XATTR_NAMES_MAX bytes */
};

/* An entry that is opened, so that its name cannot come to mean another file. */
struct entry {
	int fd;        /* O_PATH */
	char proc[32]; /* "/proc/self/fd/N", for calls that take no such descriptor */
	const char *name;
	struct stat st;
};

static void level_done(struct level *l)
{
	free(l->name);
	buf_done(&l->names);
}

static void walk_done(struct walk *w)
{
	const int saved = errno;

	dirstack_done(&w->from);
	dirstack_done(&w->to);
	while (w->n)
		level_done(&w->levels[--w->n]);
	free(w->levels);
	free(w->xattrs);
	scope_close(&w->links_fd);
	errno = saved;
}
#define scoped_walk __attribute__((cleanup(walk_done)))

static const char *level_name(void *ctx, size_t level)
{
	const struct walk *w = ctx;

	return w->levels[level].name;
}

/* Print the path of NAME in the current directory to B, as far as it fits a message; return it. */
static const char *path_of(const struct walk *w, const char *name, struct buf *b)
{
	struct err ignored = ERR_INIT;

	if (buf_adds(b, w->what, &ignored) < 0)
		return w->what;
	for (size_t i = 1; i < w->n && b->len < ERR_MSG_MAX; i++)
		if (buf_addf(b, &ignored, "/%s", w->levels[i].name) < 0)
			break;
	if (*name && !err_is_set(&ignored) && buf_addf(b, &ignored, "/%s", name) < 0)
		err_clear(&ignored);
	return b->data;
}

/* Set *E from errno: VERB failed on NAME in the current directory. Returns -1. */
static int failed(const struct walk *w, const char *verb, const char *name, struct err *e)
{
	const int saved = errno;
	scoped_buf struct buf b = BUF_INIT(2 * ERR_MSG_MAX);
	const char *path = path_of(w, name, &b);

	errno = saved;
	return err_sys(e, "%s '%s'", verb, path);
}

/*
 * Add the path of NAME in the current directory to *E. It is made here, after the failure, because
 * making a path for each file would take longer than most of the work. Returns -1.
 */
static int wrapped(const struct walk *w, const char *verb, const char *name, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(2 * ERR_MSG_MAX);

	return err_wrap(e, "%s '%s'", verb, path_of(w, name, &b));
}

/* ---- rights ---- */

static bool has_xattr(const char *names, ssize_t n, const char *name)
{
	for (const char *p = names; p < names + n; p += strlen(p) + 1)
		if (str_eq(p, name))
			return true;
	return false;
}

/*
 * Remove the attributes of the file PROC that give rights. The mode's group bits are then what the
 * ACL's mask was.
 * Returns 1: there were some; 0: none; -1: *E.
 */
static int drop_rights(struct walk *w, const char *proc, const char *name, struct err *e)
{
	const ssize_t n = w->no_xattrs ? 0 : listxattr(proc, w->xattrs, XATTR_NAMES_MAX);
	int found = 0;

	w->no_xattrs = w->no_xattrs || (n < 0 && errno == ENOTSUP);
	if (n < 0)
		return errno == ENOTSUP || errno == ENODATA
			       ? 0
			       : failed(w, "querying extended attributes of", name, e);
	for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
		if (!has_xattr(w->xattrs, n, rights[i]))
			continue;
		if (removexattr(proc, rights[i]) < 0)
			return failed(w, "removing the access control list or capabilities of",
				      name, e);
		found = 1;
	}
	return found;
}

/* Return MODE without set-id bits; HAD_ACL: also without the group bits, which were its mask. */
static mode_t harmless(mode_t mode, bool had_acl)
{
	return mode & 07777 & ~(mode_t)(SET_ID | (had_acl ? S_IRWXG : 0));
}

/*
 * Make an entry harmless in place, also one that is copied afterwards. Links have neither mode nor
 * ACL.
 */
static int strip(struct walk *w, struct entry *en, struct err *e)
{
	if (S_ISLNK(en->st.st_mode))
		return 0;
	const int had_acl = drop_rights(w, en->proc, en->name, e);
	if (had_acl < 0)
		return -1;
	const mode_t want = harmless(en->st.st_mode, had_acl);
	if ((en->st.st_mode & 07777) != want && chmod(en->proc, want) < 0)
		return failed(w, "removing set-id bits from", en->name, e);
	en->st.st_mode = (en->st.st_mode & S_IFMT) | want;
	return 0;
}

/* ---- copying ---- */

/* Set the mode after the owner, because a change of the owner removes bits of the mode. */
int keeptree_like(int to, const struct stat *st, const char *what, struct err *e)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};

	if (geteuid() == 0 && fchown(to, st->st_uid, st->st_gid) < 0)
		return err_sys(e, "setting the owner of a copy of '%s'", what);
	if (fchmod(to, harmless(st->st_mode, false)) < 0 || futimens(to, times) < 0)
		return err_sys(e, "setting mode and time of a copy of '%s'", what);
	return 0;
}

static int like(const struct walk *w, int to, const struct entry *en, struct err *e)
{
	struct err why = ERR_INIT;

	/* A path for the message is made only on failure. */
	if (keeptree_like(to, &en->st, en->name, &why) == 0)
		return 0;
	errno = why.sys;
	return failed(w, "setting owner, mode and time of a copy of", en->name, e);
}

/*
 * Give the entry of the same name in TO, which is not opened, the owner, MODE and times of EN. MODE
 * 0: it is a link, which has no mode.
 */
static int like_at(const struct walk *w, int to, const struct entry *en, mode_t mode, struct err *e)
{
	const struct timespec times[2] = {en->st.st_atim, en->st.st_mtim};

	if ((geteuid() == 0 &&
	     fchownat(to, en->name, en->st.st_uid, en->st.st_gid, AT_SYMLINK_NOFOLLOW) < 0) ||
	    (mode && fchmodat(to, en->name, harmless(mode, false), 0) < 0) ||
	    utimensat(to, en->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(w, "setting owner, mode and time of a copy of", en->name, e);
	return 0;
}

/* Open EN to read it. The owner (without root) first gives itself the right to, if it lacks it. */
static int open_pinned(const struct walk *w, const struct entry *en, int flags, struct err *e)
{
	flags |= O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = open(en->proc, flags);
	if (fd < 0 && errno == EACCES && chmod(en->proc, S_IRWXU) == 0)
		fd = open(en->proc, flags);
	return fd < 0 ? failed(w, "opening", en->name, e) : fd;
}

/*
 * Link EN to the copy that was made of its other name, if there is one.
 * Returns 1: it is linked; 0: EN must be copied; -1: *E.
 */
static int link_again(const struct walk *w, const struct entry *en, const char *number,
		      struct err *e)
{
	if (w->links_fd < 0)
		return 0;
	if (linkat(w->links_fd, number, w->to_fd, en->name, 0) == 0)
		return 1;
	/* EMLINK: the file system allows no more links. The next ones go to a second copy. */
	if (errno == EMLINK && unlinkat(w->links_fd, number, 0) == 0)
		return 0;
	return errno == ENOENT ? 0 : failed(w, "linking a copy of", en->name, e);
}

/* Link the copy of EN into the directory for hard links. */
static int note_link(struct walk *w, const struct entry *en, const char *number, struct err *e)
{
	if (w->links_fd < 0)
		w->links_fd = io_mkdir(w->root_to, w->links_name, 0700, e);
	if (w->links_fd < 0)
		return -1;
	return linkat(w->to_fd, en->name, w->links_fd, number, 0) < 0 && errno != EMLINK
		       ? failed(w, "linking a copy of", en->name, e)
		       : 0;
}

static int copy_file(struct walk *w, const struct entry *en, struct err *e)
{
	char number[24];

	snprintf(number, sizeof number, "%" PRIu64, (uint64_t)en->st.st_ino);
	const int linked = en->st.st_nlink > 1 ? link_again(w, en, number, e) : 0;
	if (linked)
		return linked < 0 ? -1 : 0;
	scoped_fd int in = open_pinned(w, en, 0, e);
	if (in < 0)
		return -1;
	scoped_fd int out = openat(w->to_fd, en->name,
				   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return failed(w, "creating a copy of", en->name, e);
	if (sparse_copy(in, out, (uint64_t)en->st.st_size, w->k->budget, en->name, e) < 0)
		return wrapped(w, "copying", en->name, e);
	if (like(w, out, en, e) < 0 || io_close(&out, en->name, e) < 0)
		return -1;
	return en->st.st_nlink > 1 ? note_link(w, en, number, e) : 0;
}

static int copy_link(const struct walk *w, const struct entry *en, struct err *e)
{
	char target[4096];
	const ssize_t n = readlinkat(en->fd, "", target, sizeof target - 1);

	if (n < 0)
		return failed(w, "reading the link", en->name, e);
	target[n] = '\0';
	if (symlinkat(target, w->to_fd, en->name) < 0)
		return failed(w, "creating a copy of", en->name, e);
	return like_at(w, w->to_fd, en, 0, e);
}

static int copy_special(const struct walk *w, const struct entry *en, struct err *e)
{
	const int to = w->to_fd;

	if (mknodat(to, en->name, (en->st.st_mode & S_IFMT) | 0600, 0) < 0)
		return failed(w, "creating a copy of", en->name, e);
	return like_at(w, to, en, en->st.st_mode, e);
}

static int copy(struct walk *w, const struct entry *en, struct err *e)
{
	if (budget_spend(w->k->budget, ENTRY_BYTES, e) < 0)
		return wrapped(w, "copying", en->name, e);
	switch (en->st.st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(w, en, e);
	case S_IFLNK:
		return copy_link(w, en, e);
	case S_IFIFO:
	case S_IFSOCK:
		return copy_special(w, en, e);
	}
	return 0; /* a device; no build can make one */
}

/* ---- the walk ---- */

/* Tell whether an entry belongs to the build, and is on the tree's file system. */
static bool is_ours(const struct walk *w, const struct stat *st)
{
	return st->st_dev == w->dev && st->st_uid >= w->k->uid_min && st->st_uid <= w->k->uid_max;
}

/*
 * Open NAME in the current directory as *RET.
 * Returns 1: it is open; 0: it does not exist, or is not the build's; -1: *E.
 */
static int pin(const struct walk *w, const char *name, struct entry *ret, struct err *e)
{
	scoped_fd int fd = openat(w->from_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	*ret = (struct entry){.fd = -1, .name = name};
	if (fd < 0 || fstat(fd, &ret->st) < 0)
		return errno == ENOENT ? 0 : failed(w, "opening", name, e);
	if (!is_ours(w, &ret->st))
		return 0;
	snprintf(ret->proc, sizeof ret->proc, "/proc/self/fd/%d", fd);
	ret->fd = TAKE(fd, -1);
	return 1;
}

/* Note the directory NAME in the current directory, to go into it later. */
static int remember(struct walk *w, const char *name, struct err *e)
{
	const size_t n = strlen(name) + 1;

	w->waiting_bytes += n;
	if (w->waiting_bytes > NAMES_MAX_BYTES)
		return err_set(e, ERR_LIMIT,
			       "'%s' contains too many directories: their names have more than %d "
			       "bytes",
			       w->what, NAMES_MAX_BYTES);
	return buf_add(&w->levels[w->n - 1].names, name, n, e);
}

/* Deal with the entry NAME of the current directory. */
static int visit(struct walk *w, const char *name, struct err *e)
{
	struct entry en;
	const int pinned = budget_check(w->k->budget, e) < 0 ? -1 : pin(w, name, &en, e);

	if (pinned <= 0)
		return pinned;
	scoped_fd int fd = en.fd;
	if (strip(w, &en, e) < 0)
		return -1;
	if (S_ISDIR(en.st.st_mode))
		return remember(w, name, e);
	return w->copies ? copy(w, &en, e) : 0;
}

/* Deal with all entries of the current directory. */
static int visit_all(struct walk *w, struct err *e)
{
	scoped_dir DIR *d = io_list(w->from_fd);

	if (!d)
		return failed(w, "reading directory", "", e);
	for (;;) {
		errno = 0;
		const struct dirent *de = readdir(d);

		if (!de)
			return errno ? failed(w, "reading directory", "", e) : 0;
		if (!str_eq(de->d_name, ".") && !str_eq(de->d_name, "..") &&
		    visit(w, de->d_name, e) < 0)
			return -1;
	}
}

/*
 * Go into the directory NAME, open as FROM and TO (-1: nothing is copied), which this function
 * takes over. ST is its status.
 */
static int push(struct walk *w, int from, int to, const char *name, const struct stat *st,
		struct err *e)
{
	scoped_fd int mine = to;
	struct level l = {.st = *st, .names = BUF_INIT(NAMES_MAX_BYTES)};

	if (dirstack_push(&w->from, from, e) < 0)
		return -1;
	if (to >= 0 && dirstack_push(&w->to, TAKE(mine, -1), e) < 0)
		return -1;
	if (mem_grow(&w->levels, &w->cap, w->n + 1, sizeof *w->levels, e) < 0)
		return -1;
	l.name = str_dup(name, e);
	if (!l.name)
		return -1;
	w->levels[w->n++] = l;
	w->from_fd = from;
	w->to_fd = to;
	return visit_all(w, e);
}

/* Go into the directory NAME of the current one. Only its name was noted: check it again. */
static int go_down(struct walk *w, const char *name, struct err *e)
{
	struct entry en;
	const int pinned = pin(w, name, &en, e);

	if (pinned <= 0)
		return pinned;
	scoped_fd int fd = en.fd;
	scoped_fd int from = S_ISDIR(en.st.st_mode) ? open_pinned(w, &en, O_DIRECTORY, e) : -1;
	if (from < 0)
		return err_is_set(e) ? -1 : 0;
	scoped_fd int to = w->copies ? io_mkdir(w->to_fd, name, 0700, e) : -1;
	if (w->copies && to < 0)
		return -1;
	return push(w, TAKE(from, -1), TAKE(to, -1), name, &en.st, e);
}

/* Leave the current directory: set its rights, except the root's, which the caller sets. */
static int go_up(struct walk *w, struct err *e)
{
	struct level *l = &w->levels[--w->n];
	int rc = 0;

	w->waiting_bytes -= l->names.len;
	if (w->n) {
		const struct entry en = {.st = l->st, .name = ""};
		/* If open_pinned() has changed its mode, this restores it. */
		const int fd = w->copies ? w->to_fd : w->from_fd;
		const mode_t mode = l->st.st_mode & 07777;

		if (w->copies ? like(w, fd, &en, e) < 0 : geteuid() != 0 && fchmod(fd, mode) < 0)
			rc = err_is_set(e) ? -1 : failed(w, "setting the mode of", "", e);
	}
	level_done(l);
	dirstack_pop(&w->from);
	if (w->copies)
		dirstack_pop(&w->to);
	if (rc < 0 || !w->n)
		return rc;
	w->from_fd = dirstack_fd(&w->from);
	w->to_fd = w->copies ? dirstack_fd(&w->to) : -1;
	return w->from_fd < 0 || (w->copies && w->to_fd < 0) ? failed(w, "opening directory", "", e)
							     : 0;
}

/* Choose a name for the directory for hard links that does not exist in the tree's root FROM. */
static int choose_links_name(struct walk *w, int from, struct err *e)
{
	for (unsigned n = 0; n < 1000; n++) {
		snprintf(w->links_name, sizeof w->links_name, ".links-%u", n);
		if (faccessat(from, w->links_name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno == ENOENT)
			return 0;
	}
	return err_set(e, ERR_LIMIT,
		       "'%s' contains all names from '.links-0' to '.links-999', and a copy of it "
		       "needs one of them",
		       w->what);
}

/* Remove the directory for hard links. */
static int drop_links(struct walk *w, int to, struct err *e)
{
	if (w->links_fd < 0)
		return 0;
	return io_rmtree(to, w->links_name, w->links_name, e);
}

/* Start with the root, which is made harmless as well. */
static int enter_root(struct walk *w, int from, int to, struct err *e)
{
	struct entry en = {.name = ""};
	scoped_fd int a = fcntl(from, F_DUPFD_CLOEXEC, 0);
	scoped_fd int b = w->copies ? fcntl(to, F_DUPFD_CLOEXEC, 0) : -1;

	if (a < 0 || (w->copies && b < 0) || fstat(a, &en.st) < 0)
		return err_sys(e, "reading directory '%s'", w->what);
	w->dev = en.st.st_dev;
	if (!is_ours(w, &en.st))
		return err_set(e, ERR_BUILD, "'%s' belongs to user %u, not to the build", w->what,
			       (unsigned)en.st.st_uid);
	snprintf(en.proc, sizeof en.proc, "/proc/self/fd/%d", a);
	if (strip(w, &en, e) < 0)
		return -1;
	return push(w, TAKE(a, -1), TAKE(b, -1), "", &en.st, e);
}

static int walk(int from, int to, const char *what, const struct keeptree *k, struct err *e)
{
	scoped_walk struct walk w = {
		.k = k,
		.what = what,
		.copies = to >= 0,
		.root_to = to,
		.links_fd = -1,
	};

	w.from = w.to = (struct dirstack){.name_of = level_name, .ctx = &w};
	w.xattrs = mem_bytes(XATTR_NAMES_MAX, e);
	if (!w.xattrs || (w.copies && choose_links_name(&w, from, e) < 0))
		return -1;
	if (enter_root(&w, from, to, e) < 0)
		return -1;
	while (w.n) {
		struct level *l = &w.levels[w.n - 1];
		const char *name = l->names.data + l->next;

		if (l->next == l->names.len) {
			if (go_up(&w, e) < 0)
				return -1;
			continue;
		}
		l->next += strlen(name) + 1;
		if (budget_check(k->budget, e) < 0 || go_down(&w, name, e) < 0)
			return -1;
	}
	return drop_links(&w, to, e);
}

int keeptree_strip(int fd, const char *what, const struct keeptree *k, struct err *e)
{
	return walk(fd, -1, what, k, e);
}

int keeptree_copy(int from, int to, const char *what, const struct keeptree *k, struct err *e)
{
	return walk(from, to, what, k, e);
}

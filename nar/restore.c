/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/restore.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "nar/base/buf.h"
#include "nar/base/dirstack.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/dump_internal.h"
#include "nar/restore_internal.h"
#include "nar/walk.h"

#include "nar/base/banned.h"

/*
 * Makes files of a series of events. Order, names and limits are those that nar_next() and
 * nar_walk_next() guarantee.
 */
struct restorer {
	struct restore_dir *dir;  /* the current directory; before and after the tree: base */
	struct restore_dir *base; /* the directory in which the root is created */
	struct restore_pool *pool;
	/* Directories below NAR_DEPTH_MAX others: not all of them can be open at the same time. */
	struct dirstack deep;
	unsigned depth;
	int root_dirfd;
	char *root_name, *what;
	bool created; /* the root was created */
	bool keep;    /* the root is complete, and stays */
	/* The current file: `small` collects its contents, or they are written to `file`. */
	struct restore_small *small;
	struct restore_file file;
	bool alone;                  /* the reader writes the next file itself */
	uint64_t left_bytes;         /* of the contents of the current file */
	uint64_t written_bytes;      /* of all files */
	char name[NAR_NAME_MAX + 1]; /* of the last entry */
};

static const char *deep_name(void *ctx, size_t level)
{
	const struct restorer *r = ctx;
	const struct restore_dir *d = r->dir;

	for (size_t n = r->deep.n - 1; n > level; n--)
		d = d->parent;
	return d->name;
}

static int restorer_init(struct restorer *r, int dirfd, const char *name, const char *what,
			 unsigned flags, struct err *e)
{
	*r = (struct restorer){.root_dirfd = dirfd, .file.fd = -1};
	r->deep = (struct dirstack){.name_of = deep_name, .ctx = r};
	r->root_name = str_dup(name, e);
	if (r->root_name)
		r->what = str_dup(what, e);
	if (r->what)
		r->pool = restore_pool_new(e);
	if (r->pool)
		r->base = restore_dir_new(NULL, dirfd, "", e);
	if (!r->base)
		return -1;
	r->base->what = r->what;
	r->base->canonical = flags & NAR_RESTORE_CANONICAL;
	r->dir = r->base;
	return 0;
}

/* Free R. Remove the root, unless restorer_keep() was called. */
static void restorer_done(struct restorer *r)
{
	struct err ignored = ERR_INIT;
	int saved = errno;

	if (r->file.fd >= 0)
		close(r->file.fd);
	restore_pool_free(r->pool);
	while (r->dir != r->base) {
		struct restore_dir *parent = r->dir->parent;

		restore_dir_drop(r->dir);
		r->dir = parent;
	}
	restore_dir_drop(r->base);
	dirstack_done(&r->deep);
	/* The caller reports the error that led here, not an error in removing the root. */
	if (r->created && !r->keep && io_rmtree(r->root_dirfd, r->root_name, r->what, &ignored) < 0)
		err_clear(&ignored);
	free(r->root_name);
	free(r->what);
	errno = saved;
}
#define scoped_restorer __attribute__((cleanup(restorer_done)))

static const char *name_of(const struct restorer *r)
{
	return r->dir == r->base ? r->root_name : r->name;
}

/* Open the current directory again if it is deep. */
static int open_deep(struct restorer *r, struct err *e)
{
	if (!r->deep.n)
		return 0;
	r->dir->fd = dirstack_fd(&r->deep);
	return r->dir->fd < 0 ? err_sys(e, "opening again a directory of '%s'", r->what) : 0;
}

static int end_dir(struct restorer *r, struct err *e)
{
	struct restore_dir *d = r->dir;
	bool deep = d->deep;

	r->dir = d->parent;
	r->depth--;
	int rc = restore_dir_end(d, e);
	if (deep)
		dirstack_pop(&r->deep);
	return rc;
}

/* Take N bytes of the contents of the current file. */
static int add_data(struct restorer *r, const void *data, size_t n, struct err *e)
{
	assert(n <= r->left_bytes);
	r->left_bytes -= n;
	if (r->small) {
		r->written_bytes += n;
		memcpy(r->small->data + r->small->len, data, n);
		r->small->len += n;
		if (!r->left_bytes)
			restore_pool_put(r->pool, TAKE(r->small, NULL));
		return 0;
	}
	const int64_t written = restore_file_write(&r->file, data, n, e);
	if (written < 0)
		return -1;
	r->written_bytes += (uint64_t)written;
	return r->left_bytes ? 0 : restore_file_end(&r->file, e);
}

static int start_file(struct restorer *r, const struct nar_event *ev, struct err *e)
{
	r->left_bytes = ev->size_bytes;
	r->small = NULL;
	if (r->dir != r->base && !r->alone && !r->deep.n && ev->size_bytes <= RESTORE_SMALL_BYTES)
		r->small = restore_pool_small(r->pool);
	if (r->small) {
		r->small->dir = r->dir;
		r->small->executable = ev->executable;
		memcpy(r->small->name, r->name, sizeof r->name);
	} else {
		r->file = (struct restore_file){
			.dir = r->dir, .name = name_of(r), .fd = -1, .size_bytes = ev->size_bytes};
		if (restore_file_make(&r->file, ev->executable, e) < 0)
			return -1;
		r->created = true; /* now, because the end of an empty file may fail below */
	}
	return r->left_bytes ? 0 : add_data(r, "", 0, e);
}

static int make_link(struct restorer *r, const struct nar_event *ev, struct err *e)
{
	char target[NAR_TARGET_MAX + 1];

	assert(ev->size_bytes <= NAR_TARGET_MAX);
	memcpy(target, ev->data, (size_t)ev->size_bytes);
	target[ev->size_bytes] = '\0';
	return restore_link(r->dir, name_of(r), target, e);
}

static int start_dir(struct restorer *r, struct err *e)
{
	struct restore_dir *d = restore_dir_make(r->dir, name_of(r), e);

	if (!d)
		return -1;
	r->dir = d;
	if (r->depth++ < NAR_DEPTH_MAX)
		return 0;
	d->deep = true;
	return dirstack_push(&r->deep, d->fd, e);
}

static int make_entry(struct restorer *r, const struct nar_event *ev, struct err *e)
{
	size_t len = strlen(ev->name);

	assert(r->file.fd < 0 && !r->small);
	assert(len < sizeof r->name && !strchr(ev->name, '/') && !len == (r->dir == r->base));
	memcpy(r->name, ev->name, len + 1);
	int rc = ev->type == NAR_DIR    ? start_dir(r, e)
		 : ev->type == NAR_LINK ? make_link(r, ev, e)
					: start_file(r, ev, e);
	r->created |= rc == 0;
	return rc;
}

static int restorer_event(struct restorer *r, const struct nar_event *ev, struct err *e)
{
	if (restore_pool_failed(r->pool))
		return restore_pool_finish(r->pool, e);
	if (ev->type == NAR_DATA)
		return add_data(r, ev->data, (size_t)ev->size_bytes, e);
	if (open_deep(r, e) < 0)
		return -1;
	return ev->type == NAR_DIR_END ? end_dir(r, e) : make_entry(r, ev, e);
}

/* Wait until the tree is complete, and keep it. Call it after the last event. */
static int restorer_keep(struct restorer *r, struct err *e)
{
	assert(r->dir == r->base && r->file.fd < 0);
	if (restore_pool_finish(r->pool, e) < 0)
		return -1;
	r->keep = true;
	return 0;
}

/* ---- from a NAR ---- */

int nar_restore(struct nar_reader *r, int dirfd, const char *name, const char *what, unsigned flags,
		struct err *e)
{
	scoped_restorer struct restorer to = {.file.fd = -1};
	struct nar_event ev;
	int rc;

	if (restorer_init(&to, dirfd, name, what, flags, e) < 0)
		return -1;
	while ((rc = nar_next(r, &ev, e)) > 0)
		if (restorer_event(&to, &ev, e) < 0)
			return -1;
	return rc < 0 ? -1 : restorer_keep(&to, e);
}

/* ---- a copy of a tree ---- */

struct copying {
	const struct nar_copy *c;
	struct nar_walk *walk;
	struct restorer to;
	struct nar_hashing d;
	/*
	 * For hard links: a directory beside the copy in which the first copy of each file with
	 * several names is linked, under the device and inode numbers of the original. The file's
	 * other names are linked to it.
	 */
	int links_fd; /* -1: not made yet */
	char links_name[NAR_NAME_MAX + 1];
	char number[48]; /* of the current file */
};

static void copying_done(struct copying *cp)
{
	struct err ignored = ERR_INIT;

	if (cp->links_fd >= 0) {
		close(cp->links_fd);
		/* If that fails, the caller removes it with the directory of the copy. */
		if (io_rmtree(cp->c->to_dirfd, cp->links_name, cp->links_name, &ignored) < 0)
			err_clear(&ignored);
	}
	restorer_done(&cp->to);
	nar_hashing_done(&cp->d);
	nar_walk_free(cp->walk);
}
#define scoped_copying __attribute__((cleanup(copying_done)))

/* Read the contents of the current file into the buffer that is hashed, and write them from it. */
static int copy_contents(struct copying *cp, struct err *e)
{
	for (;;) {
		size_t room;
		char *p = nar_writer_room(&cp->d.w, &room, e);

		if (!p || budget_check(cp->c->budget, e) < 0)
			return -1;
		if (room == 0)
			return 0;
		const uint64_t before = cp->to.written_bytes;
		const ssize_t got = nar_walk_read(cp->walk, p, room, e);
		if (got < 0 || add_data(&cp->to, p, (size_t)got, e) < 0 ||
		    budget_spend(cp->c->budget, cp->to.written_bytes - before, e) < 0)
			return -1;
		nar_writer_commit(&cp->d.w, (size_t)got);
	}
}

/* Hash the contents of a file that was copied under another name before, by reading the copy FD. */
static int hash_contents(struct copying *cp, int fd, const char *name, struct err *e)
{
	for (;;) {
		size_t room;
		char *p = nar_writer_room(&cp->d.w, &room, e);

		if (!p || budget_check(cp->c->budget, e) < 0)
			return -1;
		if (room == 0)
			return 0;
		const ssize_t got = io_read(fd, p, room, name, e);
		if (got < 0)
			return -1;
		if ((size_t)got < room)
			return err_set(e, ERR_SYSTEM, "the copy of '%s' became shorter", name);
		nar_writer_commit(&cp->d.w, (size_t)got);
	}
}

static bool has_links(const struct copying *cp)
{
	return cp->c->keeps_links && nar_walk_stat(cp->walk)->st_nlink > 1 &&
	       cp->to.dir != cp->to.base;
}

/*
 * Link the current file to its copy, if it was copied under another name before.
 * Returns 1: linked, and hashed; 0: it has to be copied; -1: *E.
 */
static int link_again(struct copying *cp, struct nar_event *ev, struct err *e)
{
	const struct stat *orig = nar_walk_stat(cp->walk);
	const int dirfd = cp->to.dir->fd;
	struct stat st;

	if (!has_links(cp))
		return 0;
	snprintf(cp->number, sizeof cp->number, "%ju-%ju", (uintmax_t)orig->st_dev,
		 (uintmax_t)orig->st_ino);
	if (cp->links_fd < 0 || linkat(cp->links_fd, cp->number, dirfd, ev->name, 0) < 0)
		return 0;
	scoped_fd int fd = openat(dirfd, ev->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "opening the copy of '%s'", ev->name);
	ev->size_bytes = (uint64_t)st.st_size;
	ev->executable = st.st_mode & S_IXUSR;
	nar_walk_skip(cp->walk);
	if (nar_writer_event(&cp->d.w, ev, e) < 0 || hash_contents(cp, fd, ev->name, e) < 0)
		return -1;
	return 1;
}

/*
 * Link the first copy of a file, which has other names, into links_fd. If it cannot be linked
 * there, its other names become copies.
 */
static int note_link(struct copying *cp, const char *name, struct err *e)
{
	if (cp->links_fd < 0) {
		snprintf(cp->links_name, sizeof cp->links_name, ".links-%.200s", cp->c->to_name);
		cp->links_fd = io_mkdir(cp->c->to_dirfd, cp->links_name, 0700, e);
		if (cp->links_fd < 0)
			return -1;
	}
	if (linkat(cp->to.dir->fd, name, cp->links_fd, cp->number, 0) < 0 && errno != EMLINK &&
	    errno != EEXIST)
		return err_sys(e, "linking the copy of '%s'", name);
	return 0;
}

static int copy_file(struct copying *cp, struct nar_event *ev, struct err *e)
{
	const struct nar_copy *c = cp->c;
	const uid_t owner = nar_walk_stat(cp->walk)->st_uid;

	if (c->owner_max && (owner < c->owner_min || owner > c->owner_max))
		return err_set(e, ERR_BUILD, "invalid ownership on file '%s' in '%s'", ev->name,
			       c->from.what);
	if (open_deep(&cp->to, e) < 0)
		return -1;
	const int linked = link_again(cp, ev, e);
	if (linked)
		return linked < 0 ? -1 : 0;
	cp->to.alone = has_links(cp);
	if (nar_writer_event(&cp->d.w, ev, e) < 0 || restorer_event(&cp->to, ev, e) < 0 ||
	    copy_contents(cp, e) < 0)
		return -1;
	return cp->to.alone ? note_link(cp, ev->name, e) : 0;
}

static int copy_tree(struct copying *cp, struct err *e)
{
	struct nar_event ev;
	int rc;

	while ((rc = nar_walk_next(cp->walk, &ev, e)) > 0) {
		if (budget_check(cp->c->budget, e) < 0)
			return -1;
		if (ev.type == NAR_FILE) {
			if (copy_file(cp, &ev, e) < 0)
				return -1;
			continue;
		}
		if (nar_writer_event(&cp->d.w, &ev, e) < 0 || restorer_event(&cp->to, &ev, e) < 0)
			return -1;
	}
	return rc;
}

int nar_copy(const struct nar_copy *c, struct refscan *scan, struct nar_digest *ret, struct err *e)
{
	scoped_copying struct copying cp = {
		.c = c,
		.walk = nar_walk_new(&c->from, e),
		.to.file.fd = -1,
		.links_fd = -1,
	};

	if (!cp.walk ||
	    restorer_init(&cp.to, c->to_dirfd, c->to_name, c->to_what, c->flags, e) < 0 ||
	    nar_hashing_init(&cp.d, HASH_SHA256, scan, e) < 0 || copy_tree(&cp, e) < 0)
		return -1;
	if (nar_hashing_finish(&cp.d, &ret->sha256, &ret->size_bytes, e) < 0)
		return -1;
	return restorer_keep(&cp.to, e);
}

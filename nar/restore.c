/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/restore.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "nar/buf.h"
#include "nar/dump_internal.h"
#include "nar/io.h"
#include "nar/scope.h"
#include "nar/walk.h"

#include "nar/banned.h"

/* atime, mtime: as all store paths have them. */
static const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

struct nar_restorer {
	int root_dirfd;
	char *root_name, *what;
	bool canonical;
	bool created, keep; /* the root */
	unsigned depth;     /* directories that are open */
	struct {
		int fd;
		char name[NAR_NAME_MAX + 1];
	} dirs[NAR_DEPTH_MAX];
	int file_fd;
	uint64_t left_bytes;
	char name[NAR_NAME_MAX + 1]; /* of the entry that was told of last */
};

struct nar_restorer *nar_restorer_new(int dirfd, const char *name, const char *what, unsigned flags,
				      struct err *e)
{
	struct nar_restorer *r = mem_new(1, sizeof *r, e);

	if (!r)
		return NULL;
	r->root_dirfd = dirfd;
	r->file_fd = -1;
	r->canonical = flags & NAR_RESTORE_CANONICAL;
	r->root_name = str_dup(name, e);
	if (r->root_name)
		r->what = str_dup(what, e);
	if (!r->what) {
		nar_restorer_free(r);
		return NULL;
	}
	return r;
}

void nar_restorer_keep(struct nar_restorer *r)
{
	assert(r->depth == 0 && r->file_fd < 0);
	r->keep = true;
}

void nar_restorer_free(struct nar_restorer *r)
{
	struct err ignored = ERR_INIT;

	if (!r)
		return;
	int saved = errno;
	if (r->file_fd >= 0)
		close(r->file_fd);
	while (r->depth > 0)
		close(r->dirs[--r->depth].fd);
	/* The error that led here counts, not one of removing what it left. */
	if (r->created && !r->keep && io_rmtree(r->root_dirfd, r->root_name, r->what, &ignored) < 0)
		err_clear(&ignored);
	free(r->root_name);
	free(r->what);
	free(r);
	errno = saved;
}

static int failed(const struct nar_restorer *r, const char *verb, struct err *e)
{
	int saved = errno;
	scoped_buf struct buf b = BUF_INIT(1 << 16);
	struct err ignored = ERR_INIT;
	bool whole = buf_adds(&b, r->what, &ignored) == 0;

	for (unsigned i = 1; whole && i < r->depth; i++)
		whole = buf_addf(&b, &ignored, "/%s", r->dirs[i].name) == 0;
	if (whole && r->name[0])
		whole = buf_addf(&b, &ignored, "/%s", r->name) == 0;
	errno = saved;
	if (errno == EEXIST)
		return err_set(e, ERR_SYSTEM, "path '%s' already exists", whole ? b.data : r->what);
	return err_sys(e, "%s '%s'", verb, whole ? b.data : r->what);
}

/* ---- what is created ---- */

/* Modes exactly, whatever umask and default ACLs made of them; the times of a store. */
static int make_canonical(const struct nar_restorer *r, int fd, mode_t mode, struct err *e)
{
	if (fchmod(fd, mode) < 0)
		return failed(r, "setting the mode of", e);
	if (futimens(fd, times) < 0)
		return failed(r, "setting the times of", e);
	return 0;
}

static int start_dir(struct nar_restorer *r, int dirfd, const char *name, struct err *e)
{
	if (mkdirat(dirfd, name, r->canonical ? 0700 : 0777) < 0)
		return failed(r, "creating directory", e);
	r->created = true;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return failed(r, "opening directory", e);
	r->dirs[r->depth].fd = fd;
	memcpy(r->dirs[r->depth].name, r->name, sizeof r->name);
	r->depth++;
	return 0;
}

static int end_dir(struct nar_restorer *r, struct err *e)
{
	int fd = r->dirs[r->depth - 1].fd;

	r->name[0] = '\0';
	if (r->canonical && make_canonical(r, fd, 0555, e) < 0)
		return -1;
	close(fd);
	r->depth--;
	return 0;
}

/* A delayed write error shows only here. */
static int end_file(struct nar_restorer *r, struct err *e)
{
	if (close(TAKE(r->file_fd, -1)) < 0 && errno != EINTR)
		return failed(r, "closing", e);
	return 0;
}

static int set_executable(const struct nar_restorer *r, struct err *e)
{
	struct stat st;

	if (fstat(r->file_fd, &st) < 0 || fchmod(r->file_fd, (st.st_mode & 07777) | 0111) < 0)
		return failed(r, "setting the mode of", e);
	return 0;
}

static int start_file(struct nar_restorer *r, int dirfd, const char *name,
		      const struct nar_event *ev, struct err *e)
{
	r->file_fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    r->canonical ? 0600 : 0666);
	if (r->file_fd < 0)
		return failed(r, "creating", e);
	r->created = true;
	r->left_bytes = ev->size_bytes;
	if (!r->canonical && ev->executable && set_executable(r, e) < 0)
		return -1;
	/* Before the contents: a write changes the time, so the time is set after them. */
	if (r->canonical && fchmod(r->file_fd, ev->executable ? 0555 : 0444) < 0)
		return failed(r, "setting the mode of", e);
	return r->left_bytes ? 0 : nar_restorer_data(r, "", 0, e);
}

static int make_link(struct nar_restorer *r, int dirfd, const char *name,
		     const struct nar_event *ev, struct err *e)
{
	char target[NAR_TARGET_MAX + 1];

	assert(ev->size_bytes <= NAR_TARGET_MAX);
	memcpy(target, ev->data, (size_t)ev->size_bytes);
	target[ev->size_bytes] = '\0';
	if (symlinkat(target, dirfd, name) < 0)
		return failed(r, "creating symbolic link", e);
	r->created = true;
	if (r->canonical && utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(r, "setting the times of", e);
	return 0;
}

int nar_restorer_data(struct nar_restorer *r, const void *data, size_t n, struct err *e)
{
	const char *p = data;

	assert(r->file_fd >= 0 && n <= r->left_bytes);
	r->left_bytes -= n;
	while (n) {
		ssize_t w = write(r->file_fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return failed(r, "writing to", e);
		p += w;
		n -= (size_t)w;
	}
	if (r->left_bytes)
		return 0;
	if (r->canonical && futimens(r->file_fd, times) < 0)
		return failed(r, "setting the times of", e);
	return end_file(r, e);
}

int nar_restorer_event(struct nar_restorer *r, const struct nar_event *ev, struct err *e)
{
	if (ev->type == NAR_DATA)
		return nar_restorer_data(r, ev->data, (size_t)ev->size_bytes, e);
	assert(r->file_fd < 0);
	if (ev->type == NAR_DIR_END)
		return end_dir(r, e);
	size_t len = strlen(ev->name);
	assert(len < sizeof r->name && !strchr(ev->name, '/') && !len == !r->depth);
	memcpy(r->name, ev->name, len + 1);
	int dirfd = r->depth ? r->dirs[r->depth - 1].fd : r->root_dirfd;
	const char *name = r->depth ? ev->name : r->root_name;
	if (ev->type == NAR_DIR)
		return start_dir(r, dirfd, name, e);
	if (ev->type == NAR_LINK)
		return make_link(r, dirfd, name, ev, e);
	return start_file(r, dirfd, name, ev, e);
}

/* ---- from a NAR, from a tree ---- */

static void scope_restorer(struct nar_restorer **r)
{
	nar_restorer_free(*r);
}
#define scoped_restorer __attribute__((cleanup(scope_restorer)))

int nar_restore(struct nar_reader *r, int dirfd, const char *name, const char *what, unsigned flags,
		struct err *e)
{
	scoped_restorer struct nar_restorer *to = nar_restorer_new(dirfd, name, what, flags, e);
	struct nar_event ev;
	int rc;

	if (!to)
		return -1;
	while ((rc = nar_next(r, &ev, e)) > 0)
		if (nar_restorer_event(to, &ev, e) < 0)
			return -1;
	if (rc == 0)
		nar_restorer_keep(to);
	return rc;
}

static void scope_walk(struct nar_walk **w)
{
	nar_walk_free(*w);
}

/* The contents of the current file: read into the buffer that is hashed, and written from there. */
static int copy_contents(struct nar_walk *walk, struct nar_restorer *to, struct nar_writer *w,
			 struct err *e)
{
	for (;;) {
		size_t room;
		char *p = nar_writer_room(w, &room, e);

		if (!p)
			return -1;
		if (room == 0)
			return 0;
		ssize_t got = nar_walk_read(walk, p, room, e);
		if (got < 0 || nar_restorer_data(to, p, (size_t)got, e) < 0)
			return -1;
		nar_writer_commit(w, (size_t)got);
	}
}

int nar_copy(const struct nar_copy *c, struct refscan *scan, struct nar_digest *ret, struct err *e)
{
	__attribute__((cleanup(nar_hashing_done))) struct nar_hashing d = {.hasher = NULL};
	__attribute__((cleanup(scope_walk))) struct nar_walk *walk =
		nar_walk_new(c->from_dirfd, c->from_name, c->from_what, e);
	struct nar_event ev;
	int rc;

	if (!walk)
		return -1;
	scoped_restorer struct nar_restorer *to =
		nar_restorer_new(c->to_dirfd, c->to_name, c->to_what, c->flags, e);
	if (!to || nar_hashing_init(&d, HASH_SHA256, scan, e) < 0)
		return -1;
	while ((rc = nar_walk_next(walk, &ev, e)) > 0) {
		if (nar_writer_event(&d.w, &ev, e) < 0 || nar_restorer_event(to, &ev, e) < 0)
			return -1;
		if (ev.type == NAR_FILE && copy_contents(walk, to, &d.w, e) < 0)
			return -1;
	}
	if (rc < 0 || nar_hashing_finish(&d, &ret->sha256, &ret->size_bytes, e) < 0)
		return -1;
	nar_restorer_keep(to);
	return 0;
}

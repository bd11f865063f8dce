/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/job/disk.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "hook/host/disk_image.h"
#include "hook/report/human.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/budget.h"
#include "nar/tree.h"

#include "nar/base/banned.h"

/* As Nix's decideWhetherDiskFull(). */
#define FULL_BYTES (UINT64_C(8) << 20)
#define NO_ROOM_BYTES 65536
#define NO_ROOM_FILES 16
/* What fills a disk is looked for not longer than this, and not deeper. */
#define SEARCH_MS 5000
#define SEARCH_DEPTH 256

int disk_isolate(const struct conf *c, struct err *e)
{
	if (!c->disk_max)
		return 0;
	if (c->disk_max < DISK_IMAGE_MIN)
		return err_set(e, ERR_INPUT,
			       "'disk-max' is %ju bytes, and a file system needs %ju of them",
			       (uintmax_t)c->disk_max, (uintmax_t)DISK_IMAGE_MIN);
	if (geteuid() != 0)
		return err_set(e, ERR_UNSUPPORTED,
			       "'disk-max' cannot be kept: only root may mount a file system (set "
			       "'disk-max' to 0, or let root's nix-daemon build)");
	if (disk_image_isolate(e) < 0)
		return err_wrap(e, "'disk-max' cannot be kept");
	return 0;
}

int disk_mount(const struct conf *c, int fd, const char *path, struct err *e)
{
	if (fd < 0 || !c->disk_max)
		return fd;
	close(fd);
	if (disk_image_mount(path, c->disk_max, e) < 0)
		return err_wrap(e, "'disk-max' cannot be kept");
	return io_opendir(AT_FDCWD, path, e);
}

void disk_unmount(const struct conf *c, const char *path)
{
	if (c->disk_max)
		(void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
}

/* Tell whether PATH's file system has less than BYTES, or FILES, left. *RET describes it. */
static bool has_less(const char *path, uint64_t bytes, uint64_t files, struct statvfs *ret)
{
	return statvfs(path, ret) == 0 && ((uint64_t)ret->f_bavail * ret->f_bsize < bytes ||
					   (ret->f_files && ret->f_favail < files));
}

bool disk_has_no_room(const char *path)
{
	struct statvfs st;

	return has_less(path, NO_ROOM_BYTES, NO_ROOM_FILES, &st);
}

/* ---- what filled it ---- */

/* The directory that was seen to have most in its own files. */
struct largest {
	uint64_t bytes;
	struct buf path; /* as the build knows it */
};

/* Compare the directory that T has just left, whose files take BYTES, with L. */
static int note_directory(struct largest *l, const struct tree *t, uint64_t bytes, struct err *e)
{
	if (bytes <= l->bytes)
		return 0;
	l->bytes = bytes;
	buf_reset(&l->path);
	return tree_path(t, &l->path, e);
}

/* Search the directory DIR, which the build knows as NAME. A search that takes long is given up. */
static int search(struct largest *l, const char *dir, const char *name, struct budget *budget,
		  struct err *e)
{
	uint64_t bytes[SEARCH_DEPTH] = {0};
	struct tree_entry en;
	struct stat st;
	scoped_tree struct tree *t = tree_new(name, e);
	int fd = t ? io_opendir(AT_FDCWD, dir, e) : -1;

	if (fd < 0 || tree_enter(t, fd, e) < 0)
		return -1;
	for (size_t depth; (depth = tree_depth(t)) > 0;) {
		const int rc = tree_next(t, &en, e);
		if (rc < 0 || budget_check(budget, e) < 0)
			return -1;
		if (rc == 0) {
			if (note_directory(l, t, bytes[depth - 1], e) < 0)
				return -1;
			continue;
		}
		if (fstatat(en.dirfd, en.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(e, "getting attributes of '%s'", en.name);
		bytes[depth - 1] += (uint64_t)st.st_blocks * 512;
		if (!S_ISDIR(st.st_mode) || depth == SEARCH_DEPTH)
			continue;
		bytes[depth] = 0;
		fd = io_opendir(en.dirfd, en.name, e);
		if (fd < 0 || tree_enter(t, fd, e) < 0)
			return -1;
	}
	return 0;
}

/* Append which directory of the build R in B has most. */
static int note_largest(const struct bundle *b, const struct request *r, struct buf *note,
			struct err *e)
{
	struct budget budget = BUDGET_INIT;
	struct largest l = {0, BUF_INIT(PATH_MAX)};
	scoped_free char *build = str_fmt(e, "/%s", r->working_dir);
	scoped_free char *store = str_fmt(e, "/%s", r->inputs_dir);
	char size[HUMAN_MAX];
	struct err ended = ERR_INIT; /* the search: what it has found is said all the same */
	int rc = build && store ? 0 : -1;

	budget.deadline_ms = clock_now_ms() + SEARCH_MS;
	if (rc == 0 && search(&l, b->build_dir, build, &budget, &ended) == 0 &&
	    search(&l, b->output_dir, store, &budget, &ended) < 0)
		err_clear(&ended);
	if (rc == 0 && l.path.len)
		rc = buf_addf(note, e, "; of what the build wrote, the most, %s, is in '%.*s'",
			      human_bytes(l.bytes, size), (int)l.path.len, l.path.data);
	buf_done(&l.path);
	return rc;
}

/* ---- what is said of it ---- */

/* Return the directory on which the file system of PATH is mounted, or PATH. Heap. NULL: *E. */
static char *mount_point(const char *path, struct err *e)
{
	scoped_free char *point = str_dup(path, e);
	struct stat st, above;

	if (!point || stat(point, &st) < 0)
		return TAKE(point, NULL);
	while (point[1]) {
		const size_t n = (size_t)(strrchr(point, '/') - point);
		scoped_free char *parent = str_ndup(point, n ? n : 1, e);
		if (!parent)
			return NULL;
		if (stat(parent, &above) < 0 || above.st_dev != st.st_dev)
			break;
		free(point);
		point = TAKE(parent, NULL);
	}
	return TAKE(point, NULL);
}

static int note_disk(const struct conf *c, const char *path, const struct statvfs *st,
		     struct buf *note, struct err *e)
{
	char left[HUMAN_MAX], all[HUMAN_MAX];

	human_bytes((uint64_t)st->f_bavail * st->f_bsize, left);
	if (c->disk_max)
		return buf_addf(note, e, ": %s of the %s that it may use are left (see 'disk-max')",
				left, human_bytes(c->disk_max, all));
	scoped_free char *point = mount_point(path, e);
	human_bytes((uint64_t)st->f_blocks * st->f_frsize, all);
	return point ? buf_addf(note, e, ": %s of %s are left at '%s'", left, all, point) : -1;
}

int disk_note(const struct conf *c, const char *store_dir, const struct bundle *b,
	      const struct request *r, struct buf *note, struct err *e)
{
	/* A small disk is not full as soon as a large one would be. */
	const uint64_t part = c->disk_max ? c->disk_max / 32 : FULL_BYTES;
	const uint64_t few = part < FULL_BYTES ? part : FULL_BYTES;
	const char *path = b->path;
	struct statvfs st;

	if (!has_less(path, few, c->disk_max ? NO_ROOM_FILES : 0, &st)) {
		path = store_dir;
		if (c->disk_max || !has_less(path, FULL_BYTES, 0, &st))
			return 0;
	}
	if (buf_adds(note, DISK_NOTE, e) < 0 || note_disk(c, path, &st, note, e) < 0)
		return -1;
	return note_largest(b, r, note, e);
}

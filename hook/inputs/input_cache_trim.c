/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Remove entries: find out which are pinned, when each was used, and which must go. */
#include "hook/inputs/input_cache_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define USES_BYTES_MAX (64u << 20)
#define SIZE_BYTES_MAX 64

struct entry {
	char *name;
	uint64_t size_bytes;
	struct timespec used;
	bool whole; /* false: it is damaged, and removed first */
};

struct entries {
	struct entry *items;
	size_t n, cap;
	uint64_t total_bytes;
};

static void entries_done(struct entries *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i].name);
	free(l->items);
}
#define scoped_entries __attribute__((cleanup(entries_done)))

/* Open a stream of directory DIRFD that starts at its beginning. NULL: *E. */
static DIR *list(const struct input_cache *c, int dirfd, const char *name, struct err *e)
{
	DIR *d = io_list(dirfd);

	if (!d)
		err_sys(e, "reading '%s/%s'", c->dir, name);
	return d;
}

/* Append to RET the entries that run NAME pins: none if the run is dead or is being removed. */
static int add_uses(struct input_cache *c, const char *name, struct strv *ret, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(USES_BYTES_MAX);
	bool ours = str_eq(name, c->run_name), alive = false;
	scoped_fd int fd = ours ? -1 : input_cache_open_run(c, name, &alive);
	const int dirfd = ours ? c->run_fd : fd;

	if (!ours && (fd < 0 || !alive))
		return 0;
	if (faccessat(dirfd, INPUT_CACHE_USES, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (io_read_file(dirfd, INPUT_CACHE_USES, &b, e) < 0) {
		if (e->sys != ENOENT)
			return err_wrap(e, "in '%s/runs/%s'", c->dir, name);
		err_clear(e); /* the run's supervisor has just removed it */
		return 0;
	}
	return b.len ? strv_split(ret, b.data, "\n", e) : 0;
}

static int find_pinned(struct input_cache *c, struct strv *ret, struct err *e)
{
	scoped_dir DIR *d = list(c, c->runs_fd, "runs", e);

	if (!d)
		return -1;
	for (const struct dirent *de; (de = readdir(d));)
		if (de->d_name[0] != '.' && add_uses(c, de->d_name, ret, e) < 0)
			return -1;
	strv_sort(ret);
	strv_uniq(ret);
	return 0;
}

/* Read the size that entry NAME states. Returns false: it states none. */
static bool read_size(const struct input_cache *c, const char *name, uint64_t *ret)
{
	scoped_buf struct buf b = BUF_INIT(SIZE_BYTES_MAX);
	struct err ignored = ERR_INIT;
	scoped_fd int fd =
		openat(c->entries_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && io_read_file(fd, INPUT_CACHE_SIZE, &b, &ignored) == 0 && b.len &&
	       num_parse_u64(b.data, strcspn(b.data, "\n"), UINT64_MAX, ret);
}

static int add_entry(struct input_cache *c, const char *name, struct entries *l, struct err *e)
{
	struct entry en = {.name = NULL};
	struct stat st;

	if (fstatat(c->entries_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			       ? 0
			       : err_sys(e, "getting attributes of '%s/entries/%s'", c->dir, name);
	en.used = st.st_mtim;
	en.whole = read_size(c, name, &en.size_bytes);
	if (__builtin_add_overflow(l->total_bytes, en.size_bytes, &l->total_bytes))
		l->total_bytes = UINT64_MAX;
	if (mem_grow(&l->items, &l->cap, l->n + 1, sizeof *l->items, e) < 0)
		return -1;
	en.name = str_dup(name, e);
	if (!en.name)
		return -1;
	l->items[l->n++] = en;
	return 0;
}

static int find_entries(struct input_cache *c, struct entries *l, struct err *e)
{
	scoped_dir DIR *d = list(c, c->entries_fd, "entries", e);

	if (!d)
		return -1;
	for (const struct dirent *de; (de = readdir(d));)
		if (de->d_name[0] != '.' && add_entry(c, de->d_name, l, e) < 0)
			return -1;
	return 0;
}

static int compare_use(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->whole != y->whole)
		return x->whole ? 1 : -1;
	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	if (x->used.tv_nsec != y->used.tv_nsec)
		return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Move what must go out of entries/, and append its names to RET. Call it under DIR/lock. */
static int take_out(struct input_cache *c, struct strv *ret, struct err *e)
{
	scoped_strv struct strv pinned = STRV_INIT;
	scoped_entries struct entries l = {.items = NULL};

	if (find_pinned(c, &pinned, e) < 0 || find_entries(c, &l, e) < 0)
		return -1;
	if (l.n)
		qsort(l.items, l.n, sizeof *l.items, compare_use);
	for (size_t i = 0; i < l.n; i++) {
		const struct entry *en = &l.items[i];

		if (en->whole && l.total_bytes <= c->max_bytes)
			break;
		if (strv_has_sorted(&pinned, en->name))
			continue;
		if (input_cache_move_away(c, en->name, e) < 0 || strv_add(ret, en->name, e) < 0)
			return -1;
		l.total_bytes -= en->size_bytes;
	}
	return 0;
}

int input_cache_trim(struct input_cache *c, struct err *e)
{
	scoped_strv struct strv out = STRV_INIT;
	int rc;

	if (input_cache_lock(c, e) < 0)
		return -1;
	rc = take_out(c, &out, e);
	input_cache_unlock(c);
	if (rc < 0)
		return -1;
	/* Without the lock: no other process sees these trees, and removing them can take long. */
	for (size_t i = 0; i < out.n; i++)
		if (io_rmtree(c->run_fd, out.items[i], out.items[i], e) < 0)
			return err_wrap(e, "in '%s'", c->run_dir);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *	DIR/lock               flock(2): held for a moment to start a run, to pin, to trim
 *	DIR/entries/<hash>/    an entry; its time is when it was last asked for
 *	    contents           the tree
 *	    size               bytes of its NAR, in decimal
 *	    boot               a dangling link: its text names the boot in which the entry was made.
 *	                       There is none if the contents are known to be on the disk
 *	DIR/making/<hash>      flock(2): held by the process that unpacks that entry
 *	DIR/runs/<random>/     a run; while its directory is locked by flock(2), it lives
 *	    uses               names of the entries that it has pinned, one a line
 *	    <hash>/            an entry that is being made, or was moved out of entries/
 *
 * A run holds one lock, not one for each entry that it uses: a closure has thousands of entries,
 * and a process has not so many descriptors to spare. So pins are names in a file, which count
 * while the directory that contains the file is locked. The supervisor holds that lock until no
 * process of the build lives.
 *
 * Invariants:
 * - A run's directory is created and locked, and its pins are written, under DIR/lock. So the
 *   holder of DIR/lock sees all pins, and a run whose directory is not locked is dead, not about to
 *   start.
 * - An entry leaves entries/ under DIR/lock if it is not pinned, or under its making lock if it is
 *   damaged. It is moved into a run's directory by rename(2), and removed there.
 * - An entry comes into entries/ under its making lock, by rename(2), complete.
 * - A making lock whose file was removed protects nothing. A process that gets such a lock opens
 *   the file again.
 *
 * `contents` lies in a directory of its own because its top may be a read-only directory. Without
 * root such a directory cannot be moved to another parent, and making it writable would change its
 * time.
 *
 * SIGKILL of all processes of a run leaves its directory and perhaps an empty file in making/. The
 * next run that opens the cache removes both.
 *
 * A machine that loses power can lose contents of entries that it had not written back, but keeps
 * the order of changes to directories. To write each entry to the disk when it is made would cost a
 * flush or two of the disk for each of a thousand inputs. So an entry names the boot in which it
 * was made: until the machine is started again, all that was written can be read. A process that
 * finds an entry of another boot compares it with its hash, once, under its making lock. If the
 * hash is right, the contents were read from the disk, and the link is removed. Otherwise the entry
 * is made anew.
 */
#include "hook/conf/conf.h"
#include "hook/inputs/input_cache_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define USES_BYTES_MAX (64u << 20)
#define BOOT_FILE "/proc/sys/kernel/random/boot_id"

void input_cache_name(const struct hash *sha256, char ret[INPUT_CACHE_NAME_MAX])
{
	assert(sha256->algo == HASH_SHA256);
	nix32_encode(sha256->bytes, hash_size_bytes(HASH_SHA256), ret);
}

int input_cache_lock(struct input_cache *c, struct err *e)
{
	if (io_lock(c->lock_fd, LOCK_EX) < 0)
		return err_sys(e, "locking '%s/lock'", c->dir);
	return 0;
}

void input_cache_unlock(struct input_cache *c)
{
	flock(c->lock_fd, LOCK_UN);
}

static void scope_unlock(struct input_cache **c)
{
	if (*c)
		input_cache_unlock(*c);
}
#define scoped_unlock __attribute__((cleanup(scope_unlock), unused))

/* ---- the directory ---- */

static int open_sub(struct input_cache *c, int dirfd, const char *name, struct err *e)
{
	scoped_free char *what = str_fmt(e, "%s/%s", c->dir, name);
	scoped_fd int fd = -1;
	bool made;

	if (!what)
		return -1;
	made = mkdirat(dirfd, name, 0755) == 0;
	if (!made && errno != EEXIST)
		return err_sys(e, "creating '%s'", what);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "opening '%s'", what);
	/* Whatever the umask: a runtime may look at entries as another user. */
	if (made && fchmod(fd, 0755) < 0)
		return err_sys(e, "setting the mode of '%s'", what);
	/* Another user who can write to it could choose what a build takes for its inputs. */
	if (conf_check_dir(fd, what, "cache-dir", e) < 0)
		return -1;
	return TAKE(fd, -1);
}

static int open_dir(struct input_cache *c, struct err *e)
{
	bool there = access(c->dir, F_OK) == 0;
	scoped_fd int fd = io_mkdir_p(c->dir, 0755, e);

	if (fd < 0)
		return err_wrap(e, "the cache of inputs (see 'cache-dir')");
	if (!there && fchmod(fd, 0755) < 0)
		return err_sys(e, "setting the mode of '%s'", c->dir);
	if (conf_check_dir(fd, c->dir, "cache-dir", e) < 0 ||
	    (c->entries_fd = open_sub(c, fd, "entries", e)) < 0 ||
	    (c->making_fd = open_sub(c, fd, "making", e)) < 0 ||
	    (c->runs_fd = open_sub(c, fd, "runs", e)) < 0)
		return -1;
	c->lock_fd = openat(fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (c->lock_fd < 0)
		return err_sys(e, "opening '%s/lock'", c->dir);
	return 0;
}

/* ---- runs ---- */

int input_cache_open_run(struct input_cache *c, const char *name, bool *ret_alive)
{
	scoped_fd int fd =
		openat(c->runs_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int got = fd < 0 ? -1 : io_lock(fd, LOCK_EX | LOCK_NB);

	if (got < 0)
		return -1;
	*ret_alive = got == 0;
	return TAKE(fd, -1);
}

static int choose_run_dir(struct input_cache *c, struct err *e)
{
	uint8_t random[10];
	char name[2 * sizeof random + 1];

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return err_sys(e, "getting random bytes");
	base16_encode(random, sizeof random, name);
	c->run_name = str_dup(name, e);
	c->run_dir = c->run_name ? str_fmt(e, "%s/runs/%s", c->dir, name) : NULL;
	return c->run_dir ? 0 : -1;
}

/* Make and lock the directory of this run. Call it under DIR/lock. */
static int make_run_dir(struct input_cache *c, struct err *e)
{
	c->run_fd = io_mkdir(c->runs_fd, c->run_name, 0700, e);
	if (c->run_fd < 0)
		return err_wrap(e, "the cache of inputs '%s'", c->dir);
	if (io_lock(c->run_fd, LOCK_EX | LOCK_NB) <= 0)
		return err_sys(e, "locking '%s'", c->run_dir);
	return 0;
}

/*
 * Remove the directories of dead runs. Call it under DIR/lock. A directory that cannot be removed
 * is left to the next run.
 */
static int remove_dead_runs(struct input_cache *c, struct err *e)
{
	scoped_dir DIR *d = io_list(c->runs_fd);

	if (!d)
		return err_sys(e, "reading '%s/runs'", c->dir);
	for (const struct dirent *de; (de = readdir(d));) {
		struct err ignored = ERR_INIT;
		bool alive;

		if (de->d_name[0] == '.')
			continue;
		scoped_fd int run = input_cache_open_run(c, de->d_name, &alive);
		if (run >= 0 && !alive &&
		    io_rmtree(c->runs_fd, de->d_name, de->d_name, &ignored) < 0)
			err_clear(&ignored);
	}
	return 0;
}

/*
 * Remove the files in making/ that no process has locked: the maker of an entry was killed before
 * it could. Call it under DIR/lock. A file that cannot be removed is left to the next run.
 */
static int remove_dead_locks(struct input_cache *c, struct err *e)
{
	scoped_dir DIR *d = io_list(c->making_fd);

	if (!d)
		return err_sys(e, "reading '%s/making'", c->dir);
	for (const struct dirent *de; (de = readdir(d));) {
		if (de->d_name[0] == '.')
			continue;
		scoped_fd int lock =
			openat(c->making_fd, de->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;

		/* If the opened file was removed, the name may be another process's lock by now. */
		if (lock >= 0 && io_lock(lock, LOCK_EX | LOCK_NB) > 0 && fstat(lock, &st) == 0 &&
		    st.st_nlink != 0)
			unlinkat(c->making_fd, de->d_name, 0);
	}
	return 0;
}

static int remove_dead(struct input_cache *c, struct err *e)
{
	if (input_cache_lock(c, e) < 0)
		return -1;
	scoped_unlock struct input_cache *locked = c;
	return remove_dead_runs(c, e) < 0 || remove_dead_locks(c, e) < 0 ? -1 : 0;
}

/* Find out which boot this is. If that fails, each entry is written to the disk when it is made. */
static void find_boot(struct input_cache *c)
{
	scoped_fd int fd = open(BOOT_FILE, O_RDONLY | O_CLOEXEC);
	struct err ignored = ERR_INIT;
	ssize_t n = fd < 0 ? 0 : io_read(fd, c->boot, sizeof c->boot - 1, BOOT_FILE, &ignored);

	c->boot[n > 0 ? n : 0] = '\0';
	c->boot[strcspn(c->boot, "\n")] = '\0';
	if (!c->boot[0])
		c->sync = true;
}

struct input_cache *input_cache_open(const struct input_cache_options *o, struct err *e)
{
	struct input_cache *c = mem_new(1, sizeof *c, e);

	if (!c)
		return NULL;
	assert(o->dir[0] == '/');
	c->max_bytes = o->max_bytes;
	c->sync = o->sync;
	find_boot(c);
	c->entries_fd = c->making_fd = c->runs_fd = c->lock_fd = c->run_fd = -1;
	c->dir = str_dup(o->dir, e);
	if (!c->dir || open_dir(c, e) < 0 || remove_dead(c, e) < 0 || choose_run_dir(c, e) < 0) {
		input_cache_free(c);
		return NULL;
	}
	return c;
}

int input_cache_start(struct input_cache *c, struct err *e)
{
	assert(c->run_fd < 0);
	if (input_cache_lock(c, e) < 0)
		return -1;
	scoped_unlock struct input_cache *locked = c;
	return make_run_dir(c, e);
}

int input_cache_fd(const struct input_cache *c)
{
	return c->run_fd;
}

const char *input_cache_run_dir(const struct input_cache *c)
{
	return c->run_dir;
}

void input_cache_leave_run_dir(struct input_cache *c)
{
	c->leave_run_dir = true;
}

void input_cache_free(struct input_cache *c)
{
	struct err ignored = ERR_INIT;
	int saved = errno;

	if (!c)
		return;
	/* Before run_fd is closed: afterwards another run may remove the directory, too. */
	if (c->run_fd >= 0 && !c->leave_run_dir &&
	    io_rmtree(c->runs_fd, c->run_name, c->run_dir, &ignored) < 0)
		err_clear(&ignored);
	const int fds[] = {c->entries_fd, c->making_fd, c->runs_fd, c->lock_fd, c->run_fd};
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		scope_close(&fds[i]);
	free(c->dir);
	free(c->run_name);
	free(c->run_dir);
	free(c);
	errno = saved;
}

int input_cache_pin(struct input_cache *c, const struct hash *const *hashes, size_t n,
		    struct err *e)
{
	scoped_buf struct buf uses = BUF_INIT(USES_BYTES_MAX);

	assert(!c->pinned);
	for (size_t i = 0; i < n; i++) {
		char name[INPUT_CACHE_NAME_MAX];

		input_cache_name(hashes[i], name);
		if (buf_addf(&uses, e, "%s\n", name) < 0)
			return -1;
	}
	if (input_cache_lock(c, e) < 0)
		return -1;
	scoped_unlock struct input_cache *locked = c;
	if (io_write_file(c->run_fd, INPUT_CACHE_USES, 0600, uses.data, uses.len, e) < 0)
		return err_wrap(e, "in '%s'", c->run_dir);
	c->pinned = true;
	return 0;
}

/* ---- entries ---- */

char *input_cache_path(const struct input_cache *c, const struct hash *sha256, struct err *e)
{
	char name[INPUT_CACHE_NAME_MAX];

	input_cache_name(sha256, name);
	return str_fmt(e, "%s/entries/%s/" INPUT_CACHE_CONTENTS, c->dir, name);
}

/*
 * Tell whether the top of an entry is as it was made. A change to a directory or a file changes its
 * time.
 */
static bool is_canonical(const struct stat *st)
{
	const mode_t mode = st->st_mode & 07777;
	bool mode_fits = S_ISLNK(st->st_mode) || (S_ISDIR(st->st_mode) && mode == 0555) ||
			 (S_ISREG(st->st_mode) && (mode == 0444 || mode == 0555));

	return mode_fits && st->st_uid == geteuid() && st->st_mtim.tv_sec == 1 &&
	       st->st_mtim.tv_nsec == 0;
}

/* Tell whether entry NAME is of another boot, so that a power cut may have taken contents of it. */
static bool is_of_other_boot(const struct input_cache *c, const char *name)
{
	char path[INPUT_CACHE_NAME_MAX + sizeof INPUT_CACHE_BOOT], boot[INPUT_CACHE_BOOT_MAX];
	ssize_t n;

	snprintf(path, sizeof path, "%s/" INPUT_CACHE_BOOT, name);
	n = readlinkat(c->entries_fd, path, boot, sizeof boot);
	if (n < 0)
		return errno != ENOENT;
	return (size_t)n != strlen(c->boot) || memcmp(boot, c->boot, (size_t)n) != 0;
}

/*
 * Compare the contents of entry NAME, which is of another boot, with SHA256.
 * Returns 1: they are right, and on the disk; 0: not.
 */
static int verify(const struct input_cache *c, const char *name, const struct hash *sha256)
{
	scoped_fd int fd =
		openat(c->entries_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct nar_tree contents = {fd, INPUT_CACHE_CONTENTS, name, NAR_DEPTH_ANY};
	struct err ignored = ERR_INIT;
	struct nar_digest is;

	if (fd < 0 || nar_digest(&contents, NULL, &is, &ignored) < 0 ||
	    !hash_equal(&is.sha256, sha256))
		return 0;
	/* If the link cannot be removed, the contents are compared again. */
	unlinkat(fd, INPUT_CACHE_BOOT, 0);
	return 1;
}

/*
 * Look whether entry NAME, of SHA256, can be used, and set its time if so. COMPARE: compare the
 * contents if it is of another boot.
 * Returns 1: it can be used; 0: it is missing or damaged, or must be compared first; -1: *E.
 */
static int look(struct input_cache *c, const char *name, const struct hash *sha256, bool compare,
		struct err *e)
{
	char path[INPUT_CACHE_NAME_MAX + sizeof INPUT_CACHE_CONTENTS];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", name, INPUT_CACHE_SIZE);
	if (fstatat(c->entries_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size == 0)
		return 0;
	snprintf(path, sizeof path, "%s/%s", name, INPUT_CACHE_CONTENTS);
	if (fstatat(c->entries_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !is_canonical(&st))
		return 0;
	if (is_of_other_boot(c, name) && (!compare || verify(c, name, sha256) == 0))
		return 0;
	if (utimensat(c->entries_fd, name, NULL, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "setting the time of '%s/entries/%s'", c->dir, name);
	return 1;
}

int input_cache_move_away(struct input_cache *c, const char *name, struct err *e)
{
	if (renameat(c->entries_fd, name, c->run_fd, name) < 0 && errno != ENOENT)
		return err_sys(e, "moving '%s/entries/%s' away", c->dir, name);
	return 0;
}

/*
 * Get the lock for making entry NAME.
 * Returns 1: *RET holds it; 0: another process holds it, and WAIT is false; -1: *E.
 */
static int lock_making(struct input_cache *c, const char *name, bool wait, int *ret, struct err *e)
{
	for (;;) {
		scoped_fd int fd =
			openat(c->making_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		struct stat st;
		int got;

		if (fd < 0)
			return err_sys(e, "opening '%s/making/%s'", c->dir, name);
		got = io_lock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
		if (got < 0 || fstat(fd, &st) < 0)
			return err_sys(e, "locking '%s/making/%s'", c->dir, name);
		if (got == 0)
			return 0;
		if (st.st_nlink == 0)
			continue; /* the last holder of the lock has removed the file */
		*ret = TAKE(fd, -1);
		return 1;
	}
}

static int check_digest(const struct input_cache_item *item, const struct nar_digest *is,
			struct err *e)
{
	char wanted[HASH_TEXT_MAX], got[HASH_TEXT_MAX];

	if (hash_equal(&is->sha256, &item->sha256) && is->size_bytes == item->size_bytes)
		return 0;
	hash_print(&item->sha256, HASH_NIX32, true, wanted);
	hash_print(&is->sha256, HASH_NIX32, true, got);
	return err_set(e, ERR_INPUT,
		       "the contents of '%s' are not what they should be: the hash of its NAR is "
		       "'%s' (%" PRIu64 " bytes), not '%s' (%" PRIu64 " bytes)",
		       item->what, got, is->size_bytes, wanted, item->size_bytes);
}

/* Fill DIRFD, the directory that becomes entry NAME, and check what was written. */
static int fill_entry(struct input_cache *c, int dirfd, const char *name,
		      const struct input_cache_item *item, struct err *e)
{
	struct nar_digest digest = {.size_bytes = 0};
	char size[24];
	scoped_free char *to = str_fmt(e, "%s/%s/" INPUT_CACHE_CONTENTS, c->run_dir, name);
	const int n = snprintf(size, sizeof size, "%" PRIu64 "\n", item->size_bytes);

	if (!to || item->fill(item, dirfd, INPUT_CACHE_CONTENTS, to, &digest, e) < 0 ||
	    check_digest(item, &digest, e) < 0 ||
	    io_write_file(dirfd, INPUT_CACHE_SIZE, 0444, size, (size_t)n, e) < 0)
		return -1;
	if (c->sync)
		return syncfs(dirfd) < 0 ? err_sys(e, "writing '%s' to the disk", to) : 0;
	if (symlinkat(c->boot, dirfd, INPUT_CACHE_BOOT) < 0)
		return err_sys(e, "creating '%s/%s/" INPUT_CACHE_BOOT "'", c->run_dir, name);
	return 0;
}

/* Make entry NAME. Call it under its making lock. */
static int make_entry(struct input_cache *c, const char *name, const struct input_cache_item *item,
		      struct err *e)
{
	struct err ignored = ERR_INIT;

	/* A damaged entry may be there. */
	if (input_cache_move_away(c, name, e) < 0 || io_rmtree(c->run_fd, name, name, e) < 0)
		return -1;
	scoped_fd int dirfd = io_mkdir(c->run_fd, name, 0755, e);
	if (dirfd < 0)
		return err_wrap(e, "in '%s'", c->run_dir);
	if (fill_entry(c, dirfd, name, item, e) == 0) {
		if (renameat(c->run_fd, name, c->entries_fd, name) == 0)
			return 0;
		err_sys(e, "moving '%s' into '%s/entries'", name, c->dir);
	}
	if (io_rmtree(c->run_fd, name, name, &ignored) < 0)
		err_clear(&ignored); /* the run's directory is removed as a whole later */
	return -1;
}

int input_cache_get(struct input_cache *c, const struct input_cache_item *item, bool wait,
		    struct err *e)
{
	char name[INPUT_CACHE_NAME_MAX];
	scoped_fd int lock = -1;
	int rc;

	assert(c->pinned);
	input_cache_name(&item->sha256, name);
	rc = look(c, name, &item->sha256, false, e);
	if (rc != 0)
		return rc;
	rc = lock_making(c, name, wait, &lock, e);
	if (rc <= 0)
		return rc;
	/* Another process may have made or compared it while this one waited. */
	rc = look(c, name, &item->sha256, true, e);
	if (rc == 0) {
		rc = make_entry(c, name, item, e);
		if (rc < 0)
			err_wrap(e, "unpacking '%s'", item->what);
		else
			c->grew = true;
	}
	/* Before the lock is released, so that a process that waits for it finds it stale. */
	unlinkat(c->making_fd, name, 0);
	return rc < 0 ? -1 : 1;
}

int input_cache_has(struct input_cache *c, const struct hash *sha256, struct err *e)
{
	char name[INPUT_CACHE_NAME_MAX];

	input_cache_name(sha256, name);
	return look(c, name, sha256, true, e);
}

bool input_cache_grew(const struct input_cache *c)
{
	return c->grew;
}

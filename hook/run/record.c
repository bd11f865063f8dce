/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A record is a list of strings, each ended by NUL: `boot=ID`, `kind=N`, `layout=N`, `id=NAME`,
 * `delete=WORD` for each word of a command, `cgroup=PATH`, `intend=TIME PATH`,
 * `bundle=IDENTITY PATH`. Each function below appends its strings by one write(2). If the last
 * string has no NUL, its run died while it was written, before what it names was made.
 *
 * A hook locks the directory of the records while it looks at them and makes its own. So no hook
 * finds a record that is made but not locked yet. And a hook that is about to make a bundle waits
 * until the bundle of a dead run, which may have the same path, is removed.
 */
#include "hook/run/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hook/base/environment.h"
#include "hook/base/log.h"
#include "hook/cgroup/cgroup.h"
#include "hook/cgroup/group.h"
#include "hook/cgroup/processes.h"
#include "hook/run/run.h"
#include "hook/run/tenants.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define SUFFIX ".run"
#define RECORD_MAX (1u << 20)
#define NAMES_MAX 1000
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

/* ---- writing ---- */

static int add(struct buf *b, const char *key, const char *value, struct err *e)
{
	return buf_addf(b, e, "%s=%s", key, value) < 0 ? -1 : buf_addc(b, '\0', e);
}

static int add_number(struct buf *b, const char *key, unsigned value, struct err *e)
{
	char text[16];

	snprintf(text, sizeof text, "%u", value);
	return add(b, key, text, e);
}

static int append(const struct record *r, const struct buf *b, struct err *e)
{
	return io_write(r->fd, b->data, b->len, r->path, e);
}

/* Read what identifies this start of the machine into B; empty if the kernel does not tell. */
static int boot_id(struct buf *b, struct err *e)
{
	scoped_fd int fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);

	if (buf_reserve(b, 0, e) < 0 || (fd >= 0 && buf_read_fd(b, fd, BOOT_ID_FILE, e) < 0))
		return -1;
	while (b->len && b->data[b->len - 1] == '\n')
		b->data[--b->len] = '\0';
	return 0;
}

/*
 * Get the status of the directory DIRFD/PATH (PATH "": of DIRFD).
 * Returns 1: *RET is filled; 0: there is no directory, or it has no time of birth; -1: *E.
 */
static int stat_directory(int dirfd, const char *path, struct statx *ret, struct err *e)
{
	const unsigned want = STATX_INO | STATX_BTIME | STATX_TYPE;
	const int flags = AT_SYMLINK_NOFOLLOW | (*path ? 0 : AT_EMPTY_PATH);
	unsigned tries = 0;

	while (statx(dirfd, path, flags, want | STATX_UID, ret) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
		if (!io_again(&tries))
			return err_sys(e, "getting status of '%s'", path);
	}
	return (ret->stx_mask & want) == want && S_ISDIR(ret->stx_mode);
}

/* Print what tells a directory from any other, also from a later one with its inode number. */
static void identity(const struct statx *st, char ret[128])
{
	snprintf(ret, 128, "%u:%u:%" PRIu64 ":%" PRId64 ".%u", st->stx_dev_major, st->stx_dev_minor,
		 (uint64_t)st->stx_ino, (int64_t)st->stx_btime.tv_sec, st->stx_btime.tv_nsec);
}

int record_runtime(const struct record *r, const struct runtime *rt, const char *id,
		   bool keeps_state, struct err *e)
{
	scoped_free char *state_dir = str_fmt(e, "%s/" RUN_RUNTIME_ROOT, r->dir);
	scoped_buf struct buf b = BUF_INIT(RECORD_MAX), boot = BUF_INIT(128);
	scoped_strv struct strv argv = STRV_INIT;

	if (!state_dir || boot_id(&boot, e) < 0 ||
	    (keeps_state && runtime_delete_argv(rt, state_dir, id, &argv, e) < 0) ||
	    add(&b, "boot", boot.data, e) < 0 || add(&b, "id", id, e) < 0 ||
	    add_number(&b, "kind", rt->kind, e) < 0 || add_number(&b, "layout", rt->cgroups, e) < 0)
		return -1;
	for (size_t i = 0; i < argv.n; i++)
		if (add(&b, "delete", argv.items[i], e) < 0)
			return -1;
	return append(r, &b, e);
}

int record_cgroup(const struct record *r, const char *dir, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(RECORD_MAX);

	return add(&b, "cgroup", dir, e) < 0 ? -1 : append(r, &b, e);
}

int record_intend(const struct record *r, const char *path, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(RECORD_MAX);
	struct timespec now;

	/* File systems take their times from this clock, which advances by ticks. */
	if (clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0)
		return err_sys(e, "reading the clock");
	if (buf_addf(&b, e, "intend=%" PRId64 ".%09ld %s", (int64_t)now.tv_sec, now.tv_nsec, path) <
		    0 ||
	    buf_addc(&b, '\0', e) < 0)
		return -1;
	return append(r, &b, e);
}

int record_made(const struct record *r, int fd, const char *path, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(RECORD_MAX);
	struct statx st;
	char id[128];

	const int rc = stat_directory(fd, "", &st, e);
	if (rc < 0)
		return err_wrap(e, "'%s'", path);
	/*
	 * Without a time of birth the directory is not recorded. The next run that makes a bundle
	 * at that path removes it, and so does Nix's garbage collector.
	 */
	if (rc == 0)
		return 0;
	identity(&st, id);
	if (buf_addf(&b, e, "bundle=%s %s", id, path) < 0 || buf_addc(&b, '\0', e) < 0)
		return -1;
	return append(r, &b, e);
}

/* ---- what dead runs left ---- */

struct dead {
	const char *boot, *id;
	unsigned kind, layout;
	struct strv delete, intended, bundles, cgroups;
};

static void dead_done(struct dead *d)
{
	strv_done(&d->delete);
	strv_done(&d->intended);
	strv_done(&d->bundles);
	strv_done(&d->cgroups);
}
#define scoped_dead __attribute__((cleanup(dead_done)))

/* Add the ENTRY of a directory that was made, and drop those that intended its path. */
static int add_made(struct dead *d, const char *entry, struct err *e)
{
	const char *path = strchrnul(entry, ' ');

	for (size_t i = d->intended.n; i-- > 0;)
		if (str_eq(strchrnul(d->intended.items[i], ' '), path))
			strv_remove(&d->intended, d->intended.items[i]);
	return strv_add(&d->bundles, entry, e);
}

/* Return what follows PREFIX in S; NULL: S does not begin with it. */
static const char *after(const char *s, const char *prefix)
{
	return str_starts(s, prefix) ? s + strlen(prefix) : NULL;
}

static void parse_number(const char *text, unsigned *ret)
{
	uint64_t number;

	if (num_parse_u64(text, strlen(text), UINT8_MAX, &number))
		*ret = (unsigned)number;
}

/* Parse the string S of a record. An unknown key is of another version and passed over. */
static int parse_entry(const char *s, struct dead *ret, struct err *e)
{
	const char *value;

	if ((value = after(s, "boot=")))
		ret->boot = value;
	else if ((value = after(s, "id=")))
		ret->id = value;
	else if ((value = after(s, "kind=")))
		parse_number(value, &ret->kind);
	else if ((value = after(s, "layout=")))
		parse_number(value, &ret->layout);
	else if ((value = after(s, "delete=")))
		return strv_add(&ret->delete, value, e);
	else if ((value = after(s, "intend=")))
		return strv_add(&ret->intended, value, e);
	else if ((value = after(s, "bundle=")))
		return add_made(ret, value, e);
	else if ((value = after(s, "cgroup=")))
		return strv_add(&ret->cgroups, value, e);
	return 0;
}

/*
 * Run the runtime's delete command, in the environment that the supervisor gives a runtime. Its
 * exit status is ignored because the container may not exist.
 */
static int run_delete(const struct dead *d, struct err *e)
{
	const struct runtime_view view = {.layout = (enum cgroup_layout)d->layout, .mount_fd = -1};
	const char *program = d->delete.items[0];
	scoped_free char **env = environment_for(ENVIRONMENT_RUNTIME, e);
	int status;

	if (!env)
		return -1;
	const pid_t pid = fork();
	if (pid < 0)
		return err_sys(e, "starting '%s'", d->delete.items[0]);
	if (pid == 0) {
		const int null = open("/dev/null", O_RDWR);

		for (int fd = 0; fd < 3; fd++)
			if (dup2(null, fd) < 0)
				_exit(127);
		if (runtime_prepare_child((enum runtime_kind)d->kind, &view, &program, e) == 0)
			execve(program, d->delete.items, env);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno == ECHILD ? 0 : err_sys(e, "waiting for a runtime");
	return 0;
}

static int kill_dead(const struct dead *d, struct err *e)
{
	scoped_buf struct buf boot = BUF_INIT(128);
	scoped_strv struct strv cgroups = STRV_INIT;

	if (boot_id(&boot, e) < 0)
		return -1;
	if (!d->id || !d->boot || !str_eq(boot.data, d->boot))
		return 0; /* the machine was started again: nothing of the container is left */
	if (d->delete.n && run_delete(d, e) < 0)
		return -1;
	for (size_t i = 0; i < d->cgroups.n; i++) {
		const char *name = str_base(d->cgroups.items[i]);

		if (!str_starts(name, CGROUP_BUILD_PREFIX) && !str_eq(name, d->id))
			continue; /* not of the hook's making: the record is damaged */
		cgroup_kill(d->cgroups.items[i]);
		if (strv_add(&cgroups, d->cgroups.items[i], e) < 0)
			return -1;
	}
	return cgroup_guess(d->id, &cgroups, e) < 0 ? -1 : cgroup_remove(&cgroups, e);
}

/* Return where the next step puts its error. RC < 0: E has the first error, which must stay. */
static struct err *first(struct err *e, int rc)
{
	static struct err later;

	err_clear(&later);
	return rc < 0 ? &later : e;
}

/* Set *RET to the path of the directory that ENTRY names, or to NULL if it is gone. */
static int bundle_of(const char *entry, const char **ret, struct err *e)
{
	const char *path = strchr(entry, ' ');
	struct statx st;
	char id[128];

	*ret = NULL;
	if (!path || path[1] != '/')
		return 0;
	const int rc = stat_directory(AT_FDCWD, path + 1, &st, e);
	if (rc <= 0)
		return rc;
	identity(&st, id);
	if (strlen(id) == (size_t)(path - entry) && strncmp(entry, id, strlen(id)) == 0)
		*ret = path + 1;
	return 0;
}

/*
 * Remove the directory that ENTRY intended: a run that died before it recorded the directory as
 * made left it empty. A directory stays if it is older than the intention, not empty, or another
 * user's.
 */
static int remove_intended(const char *entry, struct err *e)
{
	const char *path = strchr(entry, ' ');
	unsigned tries = 0;
	struct statx st;
	char born[64];

	if (!path || path[1] != '/')
		return 0;
	const int rc = stat_directory(AT_FDCWD, path + 1, &st, e);
	if (rc <= 0 || st.stx_uid != geteuid())
		return rc;
	/* Times whose texts have the same length compare as the texts do. */
	snprintf(born, sizeof born, "%" PRId64 ".%09u", (int64_t)st.stx_btime.tv_sec,
		 st.stx_btime.tv_nsec);
	if (strlen(born) != (size_t)(path - entry) || strncmp(born, entry, strlen(born)) < 0)
		return 0;
	while (rmdir(path + 1) < 0) {
		if (errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST)
			return 0;
		if (!io_again(&tries))
			return err_sys(e, "removing '%s'", path + 1);
	}
	return 0;
}

/* Kill and remove everything that the record of a dead run names. */
static int end_dead(const struct dead *d, struct err *e)
{
	const char *bundle;
	int rc = 0;

	/* The tenants first, because control groups that contain processes cannot be removed. */
	for (size_t i = 0; i < d->bundles.n; i++)
		if (bundle_of(d->bundles.items[i], &bundle, e) < 0 ||
		    (bundle && tenants_kill(bundle, "scratch", e) < 0))
			return -1;
	if (kill_dead(d, e) < 0)
		return -1;
	for (size_t i = 0; i < d->bundles.n; i++)
		if (bundle_of(d->bundles.items[i], &bundle, first(e, rc)) < 0 ||
		    (bundle && io_rmtree(AT_FDCWD, bundle, bundle, first(e, rc)) < 0))
			rc = -1;
	for (size_t i = 0; i < d->intended.n; i++)
		if (remove_intended(d->intended.items[i], first(e, rc)) < 0)
			rc = -1;
	return rc;
}

/* End the dead run whose record is FD, at DIRFD/NAME. This process holds the record's lock. */
static int remove_dead(int dirfd, const char *name, int fd, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(RECORD_MAX);
	scoped_dead struct dead d = {0};
	scoped_free char *dir = str_ndup(name, strlen(name) - strlen(SUFFIX), e);

	if (!dir || buf_read_fd(&b, fd, name, e) < 0 || buf_reserve(&b, 0, e) < 0)
		return -1;
	for (const char *p = b.data, *nul;
	     p && (nul = memchr(p, '\0', b.len - (size_t)(p - b.data))); p = nul + 1)
		if (parse_entry(p, &d, e) < 0)
			return -1;
	if (end_dead(&d, e) < 0 || io_rmtree(dirfd, dir, dir, e) < 0)
		return -1;
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "removing '%s'", name);
	return 0;
}

/* End the run of the record DIRFD/NAME, if it is dead and the record is this user's. */
static void look_at(int dirfd, const char *name)
{
	scoped_fd int fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct err e = ERR_INIT;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    st.st_mode & (S_IWGRP | S_IWOTH) || io_lock(fd, LOCK_EX | LOCK_NB) <= 0)
		return;
	log_debug("removing what a killed build left ('%s')", name);
	if (remove_dead(dirfd, name, fd, &e) < 0)
		log_warn("what a killed build left is not removed: %s", e.msg);
}

static int look_at_all(int dirfd, const char *run_dir, struct err *e)
{
	scoped_dir DIR *d = io_list(dirfd);

	if (!d)
		return err_sys(e, "reading '%s'", run_dir);
	for (const struct dirent *de; (de = readdir(d));)
		if (str_ends(de->d_name, SUFFIX))
			look_at(dirfd, de->d_name);
	return 0;
}

/* ---- this run's ---- */

/* Name the record in *RET, which has its file, NAME, and lock it. Frees *RET on failure. */
static int take_name(int dirfd, const char *run_dir, const char *name, struct record *ret,
		     struct err *e)
{
	scoped_record struct record r = TAKE(*ret, ((struct record)RECORD_INIT));

	r.dir = str_fmt(e, "%s/%s", run_dir, name);
	r.path = r.dir ? str_fmt(e, "%s" SUFFIX, r.dir) : NULL;
	if (!r.path)
		return -1;
	if (io_lock(r.fd, LOCK_EX | LOCK_NB) <= 0)
		return err_sys(e, "locking '%s'", r.path);
	/* A directory of that name was left by a version of this program that made no records. */
	if (io_rmtree(dirfd, name, r.dir, e) < 0)
		return -1;
	*ret = TAKE(r, ((struct record)RECORD_INIT));
	return 0;
}

/*
 * Make a record in a file that has no name yet. Its later name is its inode number, which no other
 * file has while it exists.
 * Returns 1: *RET is filled; 0: this file system has no files without a name; -1: *E.
 */
static int enter_unnamed(int dirfd, const char *run_dir, struct record *ret, struct err *e)
{
	char name[24];
	struct stat st;
	const int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return 0;
	}
	snprintf(name, sizeof name, "%" PRIu64, (uint64_t)st.st_ino);
	*ret = (struct record){.fd = fd};
	return take_name(dirfd, run_dir, name, ret, e) < 0 ? -1 : 1;
}

/*
 * Make a record that has its name at once: this process's pid. A run in another pid namespace may
 * use the same directory and have the same pid, so a number is added where the name is taken.
 */
static int enter_named(int dirfd, const char *run_dir, struct record *ret, struct err *e)
{
	for (unsigned i = 0; i < NAMES_MAX; i++) {
		char name[48], file[64];

		snprintf(name, sizeof name, i ? "%ld-%u" : "%ld", (long)getpid(), i);
		snprintf(file, sizeof file, "%s" SUFFIX, name);
		const int fd =
			openat(dirfd, file,
			       O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0) {
			*ret = (struct record){.fd = fd, .named = true};
			return take_name(dirfd, run_dir, name, ret, e);
		}
		if (errno != EEXIST)
			return err_sys(e, "creating '%s/%s'", run_dir, file);
	}
	return err_set(e, ERR_SYSTEM,
		       "'%s' contains %d records of runs of pid %ld already, and no more are made",
		       run_dir, NAMES_MAX, (long)getpid());
}

int record_enter(const char *run_dir, struct record *ret, struct err *e)
{
	scoped_fd int dirfd = io_opendir(AT_FDCWD, run_dir, e);
	struct stat st;

	if (dirfd < 0)
		return -1;
	if (fstat(dirfd, &st) < 0)
		return err_sys(e, "getting status of '%s'", run_dir);
	if (io_lock(dirfd, LOCK_EX) < 0)
		return err_sys(e, "locking '%s'", run_dir);
	if (st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)) &&
	    look_at_all(dirfd, run_dir, e) < 0)
		return -1;
	const int rc = enter_unnamed(dirfd, run_dir, ret, e);
	return rc ? (rc < 0 ? -1 : 0) : enter_named(dirfd, run_dir, ret, e);
}

int record_appear(struct record *r, struct err *e)
{
	char self[64];

	if (r->named)
		return 0;
	snprintf(self, sizeof self, "/proc/self/fd/%d", r->fd);
	if (linkat(AT_FDCWD, self, AT_FDCWD, r->path, AT_SYMLINK_FOLLOW) < 0)
		return err_sys(e, "creating '%s'", r->path);
	r->named = true;
	return 0;
}

void record_done(struct record *r)
{
	if (r->fd >= 0 && r->named && !r->left)
		unlink(r->path);
	scope_close(&r->fd);
	free(r->path);
	free(r->dir);
	*r = (struct record)RECORD_INIT;
}

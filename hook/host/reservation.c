/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *	DIR/lock                  flock: one process at a time looks and decides
 *	DIR/<ticket>.<bytes>.w    a FIFO: a build that waits, which has it open for writing
 *	DIR/<ticket>.<bytes>.r    the same FIFO, renamed: the build runs
 *	DIR/<ticket>.group        a file: the directory of the control group of a build that runs
 *
 * Whether a build may start follows from these names alone (claim_may_start()), decided under the
 * lock. A FIFO without a writer is dead, and removed by any process that looks. A build that waits
 * has the FIFOs of all others open for reading: poll(2) reports POLLHUP when one of them leaves or
 * dies. It also looks once a second, as builds use more or less memory without a word.
 *
 * A build that waits has a slot already. So no more processes wait here than there are slots.
 */
#include "hook/host/reservation_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "hook/host/memory_budget.h"
#include "nar/base/buf.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define NAME_LEN 64
#define LOOK_AGAIN_MS 1000
#define CLAIMS_MAX 65536

/* What the directory shows, the caller's own claim included. */
struct claims {
	struct claim *items;
	struct pollfd *fds; /* N of them, open for reading, and room for one more */
	size_t n;
};

static void claims_done(struct claims *c)
{
	for (size_t i = 0; i < c->n; i++)
		close(c->fds[i].fd);
	free(c->items);
	free(c->fds);
	*c = (struct claims){NULL, NULL, 0};
}
#define scoped_claims __attribute__((cleanup(claims_done)))

static void claim_name(uint64_t ticket, uint64_t bytes, bool runs, char name[static NAME_LEN])
{
	snprintf(name, NAME_LEN, "%" PRIu64 ".%" PRIu64 ".%c", ticket, bytes, runs ? 'r' : 'w');
}

/* Read a name that claim_name() gave. */
static bool parse_name(const char *name, struct claim *ret)
{
	const char *a = strchr(name, '.'), *b = a ? strchr(a + 1, '.') : NULL;

	*ret = (struct claim){0};
	if (!b || (!str_eq(b, ".r") && !str_eq(b, ".w")))
		return false;
	ret->runs = b[1] == 'r';
	return num_parse_u64(name, (size_t)(a - name), UINT64_MAX - 1, &ret->ticket) &&
	       num_parse_u64(a + 1, (size_t)(b - a - 1), UINT64_MAX, &ret->bytes);
}

static int lock_dir(const struct reservation *r, struct err *e)
{
	scoped_fd int fd =
		openat(r->dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(e, "opening '%s/lock'", r->dir);
	if (io_lock(fd, LOCK_EX) < 0)
		return err_sys(e, "locking '%s/lock'", r->dir);
	return TAKE(fd, -1);
}

static bool has_writer(int fd)
{
	char c;

	return read(fd, &c, 1) != 0;
}

static void group_name(uint64_t ticket, char name[static NAME_LEN])
{
	snprintf(name, NAME_LEN, "%" PRIu64 ".group", ticket);
}

static void remove_claim(int dirfd, const char *name, uint64_t ticket)
{
	char group[NAME_LEN];

	group_name(ticket, group);
	unlinkat(dirfd, group, 0);
	unlinkat(dirfd, name, 0);
}

/* Read the number that the file NAME of the control group DIR holds. */
static bool read_bytes(const char *dir, const char *name, uint64_t *ret)
{
	scoped_buf struct buf b = BUF_INIT(64);
	struct err ignored = ERR_INIT;
	scoped_fd int fd = io_opendir(AT_FDCWD, dir, &ignored);

	return fd >= 0 && io_read_file(fd, name, &b, &ignored) == 0 && b.len &&
	       num_parse_u64(b.data, b.len - 1, UINT64_MAX, ret);
}

/* What the control group of claim TICKET uses; 0 where that is not known. */
static uint64_t read_used(int dirfd, uint64_t ticket)
{
	scoped_buf struct buf path = BUF_INIT(PATH_MAX);
	struct err ignored = ERR_INIT;
	char name[NAME_LEN];
	uint64_t used;

	group_name(ticket, name);
	if (io_read_file(dirfd, name, &path, &ignored) < 0 || buf_addc(&path, '\0', &ignored) < 0)
		return 0;
	return read_bytes(path.data, "memory.current", &used) ||
			       read_bytes(path.data, "memory.usage_in_bytes", &used)
		       ? used
		       : 0;
}

static int add_claim(const struct reservation *r, struct claims *all, const struct claim *c, int fd,
		     struct err *e)
{
	void *items = reallocarray(all->items, all->n + 1, sizeof *all->items);
	void *fds = reallocarray(all->fds, all->n + 2, sizeof *all->fds);

	all->items = items ? items : all->items;
	all->fds = fds ? fds : all->fds;
	if (!items || !fds || all->n >= CLAIMS_MAX) {
		close(fd);
		return items && fds ? err_set(e, ERR_LIMIT, "too many builds are in '%s'", r->dir)
				    : err_memory(e);
	}
	all->items[all->n] = *c;
	all->fds[all->n] = (struct pollfd){.fd = fd};
	all->n++;
	return 0;
}

/* Under the lock: take up the claim that the entry NAME is, and remove what is dead. */
static int look_at(const struct reservation *r, const char *name, struct claims *all, struct err *e)
{
	struct claim c;
	struct stat st;
	int fd;

	if (!parse_name(name, &c))
		return 0;
	fd = openat(r->dirfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "opening '%s' in '%s'", name, r->dir);
	if (fstat(fd, &st) < 0) {
		err_sys(e, "looking at '%s' in '%s'", name, r->dir);
		close(fd);
		return -1;
	}
	if (!S_ISFIFO(st.st_mode) || !has_writer(fd)) {
		close(fd);
		remove_claim(r->dirfd, name, c.ticket);
		return 0;
	}
	const time_t now = time(NULL);
	c.waits_s = now > st.st_mtime ? (uint64_t)(now - st.st_mtime) : 0;
	/* To rename it changes this time. */
	c.since_s = now > st.st_ctime ? (uint64_t)(now - st.st_ctime) : 0;
	c.used = c.runs ? read_used(r->dirfd, c.ticket) : 0;
	return add_claim(r, all, &c, fd, e);
}

/* Under the lock. */
static int look(const struct reservation *r, struct claims *all, struct err *e)
{
	int fd = openat(r->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scoped_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		err_sys(e, "reading '%s'", r->dir);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	for (;;) {
		errno = 0;
		const struct dirent *de = readdir(d);
		if (!de)
			return errno ? err_sys(e, "reading '%s'", r->dir) : 0;
		if (look_at(r, de->d_name, all, e) < 0)
			return -1;
	}
}

/* Join the builds that wait, behind all others. */
static int join(struct reservation *r, struct err *e)
{
	scoped_claims struct claims all = {NULL, NULL, 0};
	scoped_fd int lock = lock_dir(r, e);
	char name[NAME_LEN];

	if (lock < 0 || look(r, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++)
		if (all.items[i].ticket >= r->ticket)
			r->ticket = all.items[i].ticket + 1;
	/* The group of an earlier claim with this ticket, if it could not be removed with that. */
	group_name(r->ticket, name);
	if (unlinkat(r->dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "removing '%s' in '%s'", name, r->dir);
	claim_name(r->ticket, r->bytes, false, name);
	if (mkfifoat(r->dirfd, name, 0600) < 0)
		return err_sys(e, "creating '%s' in '%s'", name, r->dir);
	r->fd = openat(r->dirfd, name, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	return r->fd < 0 ? err_sys(e, "opening '%s' in '%s'", name, r->dir) : 0;
}

static uint64_t sum_used(const struct claims *all)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < all->n; i++)
		sum += all->items[i].used;
	return sum;
}

/* Under the lock: from now on the build runs. */
static int start(struct reservation *r, struct err *e)
{
	char from[NAME_LEN], to[NAME_LEN];

	claim_name(r->ticket, r->bytes, false, from);
	claim_name(r->ticket, r->bytes, true, to);
	if (renameat(r->dirfd, from, r->dirfd, to) < 0)
		return err_sys(e, "renaming '%s' to '%s' in '%s'", from, to, r->dir);
	r->runs = true;
	return 0;
}

/* Tell whether the load lets another build start beside ALL. Where it is not told, it does. */
static bool load_permits(const struct reservation *r, const struct claims *all)
{
	scoped_buf struct buf b = BUF_INIT(256);
	struct err ignored = ERR_INIT;
	uint64_t tasks;

	if (!r->load_max || io_read_file(AT_FDCWD, "/proc/loadavg", &b, &ignored) < 0 ||
	    buf_addc(&b, '\0', &ignored) < 0 || !load_parse(b.data, &tasks))
		return true;
	return load_allows(all->items, all->n, tasks, r->load_max);
}

/* Start the build if it may. *RET gets all claims; *RET_FREE what of the budget is left. */
static int try_start(struct reservation *r, const struct conf_amount *amount, struct claims *ret,
		     uint64_t *ret_budget, uint64_t *ret_free, struct err *e)
{
	struct memory_info info = {0};
	const struct claim *mine = NULL;
	scoped_fd int lock = lock_dir(r, e);

	if (lock < 0 || look(r, ret, e) < 0 ||
	    (amount->kind != AMOUNT_BYTES && memory_info_read(&info, e) < 0))
		return -1;
	for (size_t i = 0; i < ret->n; i++)
		if (ret->items[i].ticket == r->ticket)
			mine = &ret->items[i];
	if (!mine)
		return err_set(e, ERR_SYSTEM, "the reservation in '%s' was removed", r->dir);
	*ret_budget = memory_budget(amount, &info, sum_used(ret));
	if (!claim_may_start(ret->items, ret->n, mine, *ret_budget, ret_free) ||
	    !load_permits(r, ret))
		return 0;
	return start(r, e);
}

static int sleep_on(struct claims *all, int stop_fd, struct err *e)
{
	all->fds[all->n] = (struct pollfd){.fd = stop_fd, .events = POLLIN};
	while (poll(all->fds, all->n + 1, LOOK_AGAIN_MS) < 0)
		if (errno != EINTR)
			return err_sys(e, "waiting for memory");
	if (all->fds[all->n].revents)
		return err_set(e, ERR_STOPPED, "stopped while waiting for memory");
	return 0;
}

#define MIB(bytes) ((bytes) >> 20)

static int wait_to_start(struct reservation *r, const struct conf_amount *amount, int stop_fd,
			 struct err *e)
{
	const int64_t since = clock_now_ms();
	bool told = false;

	for (;;) {
		scoped_claims struct claims all = {NULL, NULL, 0};
		uint64_t budget = 0, left = 0;

		if (try_start(r, amount, &all, &budget, &left, e) < 0)
			return -1;
		r->waited_ms = (uint64_t)(clock_now_ms() - since);
		if (r->runs && r->bytes > budget)
			log_warn("this build reserves %" PRIu64 " MiB, more than the memory-budget "
				 "of %" PRIu64 " MiB, so it runs alone",
				 MIB(r->bytes), MIB(budget));
		if (r->runs)
			return 0;
		if (!told && r->bytes <= left)
			log_msg(LOG_TALKATIVE, "waiting for other work to end (see 'load-max')");
		else if (!told)
			log_msg(LOG_TALKATIVE,
				"waiting for memory: the build reserves %" PRIu64
				" MiB, and %" PRIu64 " of %" PRIu64 " MiB are free",
				MIB(r->bytes), MIB(left), MIB(budget));
		told = true;
		if (sleep_on(&all, stop_fd, e) < 0)
			return -1;
	}
}

int reservation_make_in(const char *dir, const struct conf_amount *amount, uint64_t load_max,
			uint64_t bytes, int stop_fd, struct reservation *ret, struct err *e)
{
	scoped_reservation struct reservation r = RESERVATION_INIT;

	r.bytes = bytes;
	r.load_max = load_max;
	r.ticket = 1;
	r.dir = str_dup(dir, e);
	r.dirfd = r.dir ? io_mkdir_p(dir, 0700, e) : -1;
	if (r.dirfd < 0 || join(&r, e) < 0 || wait_to_start(&r, amount, stop_fd, e) < 0)
		return -1;
	*ret = TAKE(r, (struct reservation)RESERVATION_INIT);
	return 0;
}

int reservation_make(const struct conf *c, uint64_t expected, int stop_fd, struct reservation *ret,
		     struct err *e)
{
	const uint64_t bytes = c->memory_reserve ? c->memory_reserve
			       : expected        ? expected
						 : c->memory_default;

	return reservation_make_bytes(c, bytes, stop_fd, ret, e);
}

int reservation_make_bytes(const struct conf *c, uint64_t bytes, int stop_fd,
			   struct reservation *ret, struct err *e)
{
	static const struct conf_amount no_bound = {AMOUNT_BYTES, UINT64_MAX};
	const bool budget = conf_has_budget(c);

	if (!budget && !c->load_max)
		return 0;
	scoped_free char *dir = str_fmt(e, "%s/memory", c->state_dir);
	return dir ? reservation_make_in(dir, budget ? &c->memory_budget : &no_bound, c->load_max,
					 bytes, stop_fd, ret, e)
		   : -1;
}

int reservation_fd(const struct reservation *r)
{
	return r->fd;
}

int reservation_note(const struct reservation *r, const char *group, struct err *e)
{
	char name[NAME_LEN];

	if (r->dirfd < 0)
		return 0;
	group_name(r->ticket, name);
	return io_write_file(r->dirfd, name, 0600, group, strlen(group), e);
}

/* Remove what no process holds any more; a supervisor may still hold it. */
static void remove_dead(struct reservation *r)
{
	struct err ignored = ERR_INIT;
	scoped_claims struct claims all = {NULL, NULL, 0};
	scoped_fd int lock = lock_dir(r, &ignored);

	if (lock >= 0 && look(r, &all, &ignored) < 0)
		log_debug("%s", ignored.msg);
}

void reservation_done(struct reservation *r)
{
	if (r->fd >= 0)
		close(r->fd);
	if (r->dirfd >= 0) {
		if (r->fd >= 0)
			remove_dead(r);
		close(r->dirfd);
	}
	free(r->dir);
	*r = (struct reservation)RESERVATION_INIT;
}

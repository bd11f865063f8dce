/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *	DIR/lock          flock: one process at a time changes the queue
 *	DIR/queue/<n>     a FIFO (as in mkfifo) for each waiting process, n counts up
 *	DIR/slot-<i>      a FIFO for each slot
 *
 * The kernel's own wait queues do the work. Each process in the queue has its FIFO open for
 * writing. The process behind it has the same FIFO open for reading, and polls it. When the writer
 * leaves or dies, poll(2) reports POLLHUP to the process behind it, and to no other. That process
 * looks for the next lower living number, and is the head of the queue when there is none. Only the
 * head waits for a slot: it polls the FIFOs of all slots in the same way. So a build costs two
 * wake-ups, however many processes wait.
 *
 * A slot belongs to the process that holds the flock(2) on its FIFO and has it open for writing.
 * The kernel drops the lock before it counts the writer out (__fput() in fs/file_table.c). So a
 * process that sees POLLHUP can take the lock.
 *
 * Invariants:
 * - A FIFO in the queue is created, opened and judged dead only under the lock. So a FIFO without a
 *   writer is dead, not about to be opened, and any process may remove it.
 * - Slots are taken by the head of the queue, or under the lock while the queue is empty. So no
 *   process overtakes another.
 * - The state is files and locks only: there is no count that a SIGKILL could leave wrong.
 *
 * Two other ways do not work. A process that blocks in flock(2) cannot wait for one of several
 * files, nor for a stop signal at the same time. inotify(7) reports a close before the lock is
 * free, and allows 128 instances a user by default.
 */
#include "hook/host/slots.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "hook/host/cores.h"
#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define SLOTS_MAX 65536

struct slots {
	char *dir; /* for messages */
	int dirfd, queue_dirfd;
	unsigned n, max_queued;
	int slot_fd;   /* -1: no slot */
	int ticket_fd; /* -1: not in the queue */
	uint64_t ticket;
	int number; /* of the slot that slot_fd holds */
};

/* The numbers in the queue, as one process sees them. */
struct view {
	size_t n;
	uint64_t last;   /* highest number; 0: the queue is empty */
	uint64_t before; /* highest number below the one asked about; 0: there is none */
};

static int lock_queue(const struct slots *s, struct err *e)
{
	scoped_fd int fd =
		openat(s->dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(e, "opening '%s/lock'", s->dir);
	if (io_lock(fd, LOCK_EX) < 0)
		return err_sys(e, "locking '%s/lock'", s->dir);
	return TAKE(fd, -1);
}

/*
 * Open the FIFO NAME, which is created if FLAGS contain O_CREAT.
 * -1 with *E: an error; -1 without: there is no such FIFO.
 */
static int fifo_open(const struct slots *s, int dirfd, const char *name, int flags, struct err *e)
{
	const int how = (flags & ~O_CREAT) | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW;
	scoped_fd int fd = openat(dirfd, name, how);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		if (!(flags & O_CREAT))
			return -1;
		if (mkfifoat(dirfd, name, 0600) < 0 && errno != EEXIST)
			return err_sys(e, "creating '%s' in '%s'", name, s->dir);
		fd = openat(dirfd, name, how);
	}
	if (fd < 0)
		return err_sys(e, "opening '%s' in '%s'", name, s->dir);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "getting attributes of '%s' in '%s'", name, s->dir);
	if (!S_ISFIFO(st.st_mode))
		return err_set(e, ERR_SYSTEM, "'%s' in '%s' is not a FIFO; remove it", name,
			       s->dir);
	return TAKE(fd, -1);
}

static bool has_writer(int fd)
{
	char c;

	/* read(2) reports the end of a FIFO only when no process has it open for writing. */
	return read(fd, &c, 1) != 0;
}

static void ticket_name(uint64_t ticket, char name[static 24])
{
	snprintf(name, 24, "%" PRIu64, ticket);
}

/* Call FN for each number in the queue until it fails. */
static int queue_each(const struct slots *s, int (*fn)(uint64_t, void *, struct err *), void *arg,
		      struct err *e)
{
	scoped_dir DIR *d = io_list(s->queue_dirfd);

	if (!d)
		return err_sys(e, "reading '%s/queue'", s->dir);
	for (;;) {
		uint64_t number;

		errno = 0;
		const struct dirent *de = readdir(d);
		if (!de)
			return errno ? err_sys(e, "reading '%s/queue'", s->dir) : 0;
		if (num_parse_u64(de->d_name, strlen(de->d_name), UINT64_MAX - 1, &number) &&
		    fn(number, arg, e) < 0)
			return -1;
	}
}

struct scan {
	struct view v;
	uint64_t below;
};

static int scan_one(uint64_t number, void *arg, struct err *e)
{
	struct scan *sc = arg;

	sc->v.n++;
	if (number > sc->v.last)
		sc->v.last = number;
	if (number < sc->below && number > sc->v.before)
		sc->v.before = number;
	return 0;
}

/* Look at the queue. RET->before becomes the highest number below BELOW. */
static int queue_scan(const struct slots *s, uint64_t below, struct view *ret, struct err *e)
{
	struct scan sc = {{0, 0, 0}, below};

	if (queue_each(s, scan_one, &sc, e) < 0)
		return -1;
	*ret = sc.v;
	return 0;
}

/*
 * Open the FIFO of NUMBER for reading if a process waits with it, else remove the FIFO. Call with
 * the queue locked.
 * -1 with *E: an error; -1 without: no process waits with it.
 */
static int queue_open_living(const struct slots *s, uint64_t number, struct err *e)
{
	char name[24];

	ticket_name(number, name);
	scoped_fd int fd = fifo_open(s, s->queue_dirfd, name, O_RDONLY, e);
	if (fd < 0)
		return -1;
	if (has_writer(fd))
		return TAKE(fd, -1);
	if (unlinkat(s->queue_dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "removing '%s/queue/%s'", s->dir, name);
	return -1;
}

static int purge_one(uint64_t number, void *arg, struct err *e)
{
	scoped_fd int fd = queue_open_living(arg, number, e);

	return err_is_set(e) ? -1 : 0;
}

/*
 * Try to take slot I, without waiting.
 * Returns 1: taken; 0: another process has it; -1: *E.
 */
static int slot_try(struct slots *s, unsigned i, struct err *e)
{
	char name[24];

	snprintf(name, sizeof name, "slot-%u", i);
	scoped_fd int fd = fifo_open(s, s->dirfd, name, O_RDWR | O_CREAT, e);
	if (fd < 0)
		return -1;
	const int locked = io_lock(fd, LOCK_EX | LOCK_NB);
	if (locked <= 0)
		return locked < 0 ? err_sys(e, "locking '%s/%s'", s->dir, name) : 0;
	s->slot_fd = TAKE(fd, -1);
	s->number = (int)i;
	return 1;
}

static int slot_try_all(struct slots *s, struct err *e)
{
	for (unsigned i = 0; i < s->n; i++) {
		int r = slot_try(s, i, e);

		if (r)
			return r;
	}
	return 0;
}

static int queue_join(struct slots *s, uint64_t number, struct err *e)
{
	char name[24];

	ticket_name(number, name);
	s->ticket_fd = fifo_open(s, s->queue_dirfd, name, O_RDWR | O_CREAT, e);
	if (s->ticket_fd < 0)
		return -1;
	s->ticket = number;
	return 0;
}

static void queue_leave(struct slots *s)
{
	char name[24];

	if (s->ticket_fd < 0)
		return;
	ticket_name(s->ticket, name);
	unlinkat(s->queue_dirfd, name, 0); /* if this fails, the next process removes it */
	close(TAKE(s->ticket_fd, -1));
}

struct slots *slots_open(const char *dir, unsigned n, unsigned max_queued, struct err *e)
{
	assert(n > 0 && n <= SLOTS_MAX);
	struct slots *s = mem_new(1, sizeof *s, e);
	if (!s)
		return NULL;
	*s = (struct slots){NULL, -1, -1, n, max_queued, -1, -1, 0, -1};
	s->dir = str_dup(dir, e);
	if (!s->dir)
		goto fail;
	s->dirfd = io_mkdir_p(dir, 0700, e);
	if (s->dirfd < 0)
		goto fail;
	if (mkdirat(s->dirfd, "queue", 0700) < 0 && errno != EEXIST) {
		err_sys(e, "creating '%s/queue'", dir);
		goto fail;
	}
	s->queue_dirfd = io_opendir(s->dirfd, "queue", e);
	if (s->queue_dirfd < 0)
		goto fail;
	return s;
fail:
	slots_free(s);
	return NULL;
}

int slots_enter(struct slots *s, struct err *e)
{
	struct view v;

	assert(s->slot_fd < 0 && s->ticket_fd < 0);
	scoped_fd int lock = lock_queue(s, e);
	if (lock < 0 || queue_scan(s, UINT64_MAX, &v, e) < 0)
		return -1;
	if (v.n >= s->max_queued && v.n > 0)
		if (queue_each(s, purge_one, s, e) < 0 || queue_scan(s, UINT64_MAX, &v, e) < 0)
			return -1;
	if (v.n == 0) {
		int r = slot_try_all(s, e);

		if (r)
			return r < 0 ? -1 : SLOTS_OK;
	}
	if (v.n >= s->max_queued)
		return SLOTS_FULL;
	return queue_join(s, v.last + 1, e) < 0 ? -1 : SLOTS_OK;
}

/* Sleep until one of the first N descriptors of P hangs up. P has room for one more. */
static int sleep_on(struct pollfd *p, size_t n, int stop_fd, struct err *e)
{
	p[n] = (struct pollfd){.fd = stop_fd, .events = POLLIN};
	while (poll(p, n + 1, -1) < 0)
		if (errno != EINTR)
			return err_sys(e, "waiting for a build slot");
	if (p[n].revents)
		return err_set(e, ERR_STOPPED, "stopped while waiting for a build slot");
	return 0;
}

/*
 * Open the FIFO of the nearest living process before this one in the queue.
 * -1 with *E: an error; -1 without: this process is the head of the queue.
 */
static int queue_predecessor(const struct slots *s, struct err *e)
{
	scoped_fd int lock = lock_queue(s, e);
	struct view v;

	if (lock < 0)
		return -1;
	for (;;) {
		if (queue_scan(s, s->ticket, &v, e) < 0 || v.before == 0)
			return -1;
		int fd = queue_open_living(s, v.before, e);
		if (fd >= 0 || err_is_set(e))
			return fd;
	}
}

static int wait_to_be_head(const struct slots *s, int stop_fd, struct err *e)
{
	struct pollfd p[2];

	for (;;) {
		scoped_fd int fd = queue_predecessor(s, e);

		if (fd < 0)
			return err_is_set(e) ? -1 : 0;
		p[0] = (struct pollfd){.fd = fd};
		if (sleep_on(p, 1, stop_fd, e) < 0)
			return -1;
	}
}

/* Open the FIFO of each slot for reading, and put the descriptors into P. */
static int watch_slots(const struct slots *s, struct pollfd *p, struct err *e)
{
	char name[24];

	for (unsigned i = 0; i < s->n; i++) {
		snprintf(name, sizeof name, "slot-%u", i);
		p[i].fd = fifo_open(s, s->dirfd, name, O_RDONLY | O_CREAT, e);
		if (p[i].fd < 0)
			return -1;
	}
	return 0;
}

static int wait_for_slot(struct slots *s, struct pollfd *p, int stop_fd, struct err *e)
{
	if (watch_slots(s, p, e) < 0)
		return -1;
	/* A FIFO that had no writer when it was opened reports no POLLHUP, so try all first. */
	int r = slot_try_all(s, e);
	while (r == 0) {
		if (sleep_on(p, s->n, stop_fd, e) < 0)
			return -1;
		for (unsigned i = 0; i < s->n && r == 0; i++)
			if (p[i].revents)
				r = slot_try(s, i, e);
	}
	return r < 0 ? -1 : 0;
}

int slots_wait(struct slots *s, int stop_fd, struct err *e)
{
	if (s->slot_fd >= 0)
		return 0;
	assert(s->ticket_fd >= 0);
	if (wait_to_be_head(s, stop_fd, e) < 0)
		return -1;
	scoped_free struct pollfd *p = mem_new(s->n + 1, sizeof *p, e);
	if (!p)
		return -1;
	for (unsigned i = 0; i <= s->n; i++)
		p[i].fd = -1;
	int rc = wait_for_slot(s, p, stop_fd, e);
	for (unsigned i = 0; i < s->n; i++)
		if (p[i].fd >= 0)
			close(p[i].fd);
	if (rc == 0)
		queue_leave(s);
	return rc;
}

int slots_fd(const struct slots *s)
{
	return s->slot_fd;
}

int slots_number(const struct slots *s)
{
	return s->slot_fd < 0 ? -1 : s->number;
}

bool slots_queued(const struct slots *s)
{
	return s->ticket_fd >= 0;
}

void slots_free(struct slots *s)
{
	if (!s)
		return;
	queue_leave(s);
	if (s->slot_fd >= 0)
		close(s->slot_fd);
	if (s->queue_dirfd >= 0)
		close(s->queue_dirfd);
	if (s->dirfd >= 0)
		close(s->dirfd);
	free(s->dir);
	free(s);
}

/*
 * Create the directory PATH, which is the state directory or lies in it, and check who may write to
 * it. The records in it say what the next run removes and which commands it executes.
 */
static int make_state_dir(const char *path, struct err *e)
{
	scoped_fd int fd = io_mkdir_p(path, 0755, e);

	/* Root in a user namespace gets root's default, but /run belongs to the machine's root. */
	if (fd < 0 && e->sys == EACCES)
		return err_wrap(e,
				"user %ju may not create the state directory (set 'state-dir' to a "
				"directory of that user)",
				(uintmax_t)geteuid());
	if (fd < 0)
		return err_wrap(e, "the state directory (see 'state-dir')");
	return conf_check_dir(fd, path, "state-dir", e);
}

struct slots *slots_of_machine(const struct conf *c, struct err *e)
{
	scoped_free char *run_dir = str_fmt(e, "%s/run", c->state_dir);
	scoped_free char *slot_dir = NULL;

	if (!run_dir || make_state_dir(c->state_dir, e) < 0 || make_state_dir(run_dir, e) < 0)
		return NULL;
	slot_dir = str_fmt(e, "%s/slots", c->state_dir);
	if (!slot_dir)
		return NULL;
	return slots_open(slot_dir, (unsigned)(c->max_jobs ? c->max_jobs : cores_of_machine()),
			  (unsigned)c->max_queued, e);
}

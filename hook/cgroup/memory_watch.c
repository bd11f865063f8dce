/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cgroup/memory_watch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hook/cgroup/processes.h"
#include "hook/cgroup/usage.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* v1: with less than a sixteenth of the limit left, a look at the processes is worth it. */
#define NEAR_PART 16
/* v1: what is above has no limit, and to listen costs a wait for all processors in the kernel. */
#define NO_LIMIT (INT64_MAX / 2)
/* The longest pause between what v1 tells and the kill, which is counted. */
#define KILL_TRIES 40
#define KILL_WAIT_MS 5
/* Looks take at most a twentieth of the time. */
#define LOOK_MS 50
#define LOOK_SHARE 20
#define SMALL_FILE 64

/* Read the start of FILE of process PID. False: the process is gone. */
static bool read_proc(pid_t pid, const char *file, char ret[SMALL_FILE])
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read(fd, ret, SMALL_FILE - 1);
	ret[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static void compare(void *ctx, pid_t pid)
{
	struct memory_largest *l = ctx;
	char text[SMALL_FILE];
	uint64_t pages;

	/* "size resident ...", in pages. */
	if (!read_proc(pid, "statm", text))
		return;
	const char *p = strchrnul(text, ' ');
	p += *p == ' ';
	if (!num_parse_u64(p, strcspn(p, " \n"), UINT32_MAX, &pages))
		return;
	const uint64_t bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	if (bytes <= l->bytes || !read_proc(pid, "comm", text))
		return;
	l->bytes = bytes;
	snprintf(l->name, sizeof l->name, "%.*s", (int)strcspn(text, "\n"), text);
}

/* Note the largest process, if it is larger than what was seen before. */
static void look(struct memory_watch *w)
{
	const int64_t start = clock_now_ms();

	for (size_t i = 0; i < w->dirs->n; i++)
		cgroup_each_process(w->dirs->items[i], true, compare, &w->largest);
	const int64_t end = clock_now_ms();
	w->look_next_ms = end + LOOK_MS + (end - start) * LOOK_SHARE;
}

/* v1: an eventfd that hears of FILE in DIR, with ARGUMENT. -1: there is none. */
static int listen_v1(const char *dir, const char *file, const char *argument)
{
	struct err ignored = ERR_INIT;
	scoped_free char *path = str_fmt(&ignored, "%s/%s", dir, file);
	scoped_free char *control = str_fmt(&ignored, "%s/cgroup.event_control", dir);
	scoped_fd int of = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	scoped_fd int to = control ? open(control, O_WRONLY | O_CLOEXEC) : -1;
	scoped_fd int fd = of < 0 || to < 0 ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char text[64];

	if (fd < 0)
		return -1;
	const int n = snprintf(text, sizeof text, "%d %d %s", fd, of, argument);
	if (write(to, text, (size_t)n) < 0)
		return -1;
	return TAKE(fd, -1);
}

static void listen_near(struct memory_watch *w, const char *dir)
{
	scoped_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scoped_buf struct buf b = BUF_INIT(SMALL_FILE);
	struct err ignored = ERR_INIT;
	char at[32];
	uint64_t limit;

	if (fd < 0 || io_read_file(fd, "memory.limit_in_bytes", &b, &ignored) < 0 || !b.data ||
	    !num_parse_u64(b.data, b.len - (b.len > 0), INT64_MAX, &limit) || limit > NO_LIMIT)
		return;
	snprintf(at, sizeof at, "%" PRIu64, limit - limit / NEAR_PART);
	w->near_fd = listen_v1(dir, "memory.usage_in_bytes", at);
}

static void start_in(struct memory_watch *w, const char *dir)
{
	struct err ignored = ERR_INIT;
	scoped_free char *events = str_fmt(&ignored, "%s/memory.events", dir);
	char text[SMALL_FILE];

	if (w->events_fd < 0 && events)
		w->events_fd = open(events, O_RDONLY | O_CLOEXEC);
	/* Only what changes after this is heard of. */
	if (w->events_fd >= 0 && pread(w->events_fd, text, sizeof text, 0) < 0)
		close(TAKE(w->events_fd, -1));
	if (w->oom_fd < 0)
		w->oom_fd = listen_v1(dir, "memory.oom_control", "");
	if (w->oom_fd >= 0 && w->near_fd < 0)
		listen_near(w, dir);
}

void memory_watch_start(struct memory_watch *w, const struct strv *dirs)
{
	*w = MEMORY_WATCH_INIT;
	w->dirs = dirs;
	for (size_t i = 0; i < dirs->n; i++)
		start_in(w, dirs->items[i]);
}

void memory_watch_fill(const struct memory_watch *w, struct pollfd fds[MEMORY_WATCH_FDS])
{
	fds[0] = (struct pollfd){w->events_fd, POLLPRI, 0};
	fds[1] = (struct pollfd){w->oom_fd, POLLIN, 0};
	fds[2] = (struct pollfd){w->near_fd, POLLIN, 0};
}

static bool was_killed(const struct memory_watch *w)
{
	return cgroup_oom_kills(w->dirs).n > 0;
}

/* Read *FD, or poll(2) would not wait for the next time. What cannot be read is not waited for. */
static void rearm(int *fd, const struct pollfd *p, bool from_start)
{
	char text[SMALL_FILE];

	if (*fd < 0 || !p->revents)
		return;
	if ((from_start ? pread(*fd, text, sizeof text, 0) : read(*fd, text, sizeof text)) < 0)
		close(TAKE(*fd, -1));
}

bool memory_watch_hear(struct memory_watch *w, const struct pollfd fds[MEMORY_WATCH_FDS])
{
	const bool out = fds[1].revents;

	rearm(&w->events_fd, &fds[0], true);
	rearm(&w->oom_fd, &fds[1], false);
	rearm(&w->near_fd, &fds[2], false);
	if (out || clock_now_ms() >= w->look_next_ms)
		look(w);
	/* v1 tells before it kills. */
	for (int i = 0; out && i < KILL_TRIES && !was_killed(w); i++)
		io_pause_ms(KILL_WAIT_MS);
	return was_killed(w);
}

void memory_watch_done(struct memory_watch *w)
{
	int *const fds[] = {&w->events_fd, &w->oom_fd, &w->near_fd};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		scope_close(fds[i]);
	*w = MEMORY_WATCH_INIT;
}

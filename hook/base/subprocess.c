/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Input and output are memory files, not pipes. Neither process can block on a full pipe or die of
 * a broken one, so no loop over descriptors is needed.
 */
#include "hook/base/subprocess.h"

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hook/base/environment.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Most bytes that are read, and shown, of the standard error of a program that failed. */
#define STDERR_MAX (64u << 10)
#define STDERR_SHOWN 2000

static int memory_file(const void *data, size_t n, struct err *e)
{
	scoped_fd int fd = memfd_create("nix-oci-hook", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "creating a memory file");
	if (n && io_write(fd, data, n, "memory file", e) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "rewinding a memory file");
	return TAKE(fd, -1);
}

/* Make descriptors close-on-exec that the process which started this one may have left open. */
static void keep_others(void)
{
#ifdef HAVE_CLOSE_RANGE
	/* Fails before Linux 5.11. The hook opens all of its own close-on-exec. */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
#endif
}

static int spawn(char *const *argv, const int fds[3], enum environment_kind kind, pid_t *ret,
		 struct err *e)
{
	scoped_free char **env = environment_for(kind, e);
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, defaults;
	int rc;

	if (!env)
		return -1;
	keep_others();
	/* These fail only if memory runs out, and glibc's allocate none. */
	if (posix_spawn_file_actions_init(&actions) || posix_spawnattr_init(&attr))
		return err_memory(e);
	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGINT);
	sigaddset(&defaults, SIGTERM);
	rc = posix_spawnattr_setsigmask(&attr, &none);
	if (!rc)
		rc = posix_spawnattr_setsigdefault(&attr, &defaults);
	if (!rc)
		rc = posix_spawnattr_setflags(&attr,
					      POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	for (int i = 0; !rc && i < 3; i++)
		rc = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
	if (!rc)
		rc = posix_spawnp(ret, argv[0], &actions, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	if (rc) {
		errno = rc;
		return err_sys(e, "starting '%s'", argv[0]);
	}
	return 0;
}

/* Return the end of the text in FD, without an "error: " at the start and blanks at the end. */
static const char *last_words(int fd, struct buf *b)
{
	struct err ignored = ERR_INIT;
	off_t size = lseek(fd, 0, SEEK_END);

	if (lseek(fd, size > STDERR_SHOWN ? size - STDERR_SHOWN : 0, SEEK_SET) < 0 ||
	    buf_read_fd(b, fd, "standard error", &ignored) < 0 || !b->data)
		return "";
	while (b->len && strchr(" \n\t\r", b->data[b->len - 1]))
		b->data[--b->len] = '\0';
	return str_starts(b->data, "error: ") ? b->data + strlen("error: ") : b->data;
}

/* Run ARGV with FDS as its descriptors 0 to 2, and wait for its end. */
static int run(char *const *argv, const int fds[3], enum environment_kind kind, int *ret_status,
	       struct err *e)
{
	pid_t pid;

	if (spawn(argv, fds, kind, &pid, e) < 0)
		return -1;
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "waiting for '%s'", argv[0]);
	return 0;
}

static int read_output(int fd, const char *what, struct buf *out, struct err *e)
{
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "rewinding a memory file");
	return buf_read_fd(out, fd, what, e);
}

int subprocess_run_told(char *const *argv, int err_fd, const char *quote, struct buf *out,
			struct err *e)
{
	scoped_fd int in_fd = memory_file(NULL, 0, e);
	if (in_fd < 0)
		return -1;
	scoped_fd int out_fd = memory_file(NULL, 0, e);
	if (out_fd < 0)
		return -1;
	const int fds[3] = {in_fd, out_fd, err_fd};
	int status;

	if (run(argv, fds, ENVIRONMENT_PREBUILD, &status, e) < 0)
		return -1;
	if (WIFSIGNALED(status))
		return err_set(e, ERR_SYSTEM, "program %s%s%s failed due to signal %d (%s)", quote,
			       argv[0], quote, WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) != 0)
		return err_set(e, ERR_SYSTEM, "program %s%s%s failed with exit code %d", quote,
			       argv[0], quote, WEXITSTATUS(status));
	return read_output(out_fd, argv[0], out, e);
}

int subprocess_run(char *const *argv, const void *in, size_t in_len, struct buf *out, struct err *e)
{
	scoped_fd int in_fd = memory_file(in, in_len, e);
	if (in_fd < 0)
		return -1;
	scoped_fd int out_fd = memory_file(NULL, 0, e);
	if (out_fd < 0)
		return -1;
	scoped_fd int err_fd = memory_file(NULL, 0, e);
	if (err_fd < 0)
		return -1;
	const int fds[3] = {in_fd, out_fd, err_fd};
	scoped_buf struct buf words = BUF_INIT(STDERR_MAX);
	int status;

	if (run(argv, fds, ENVIRONMENT_NIX, &status, e) < 0)
		return -1;
	if (WIFSIGNALED(status))
		return err_set(e, ERR_SYSTEM, "'%s %s' was killed by signal %d", argv[0],
			       argv[1] ? argv[1] : "", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(e, ERR_SYSTEM, "'%s %s' failed with exit code %d: %s", argv[0],
			       argv[1] ? argv[1] : "", WEXITSTATUS(status),
			       last_words(err_fd, &words));
	return out ? read_output(out_fd, argv[0], out, e) : 0;
}

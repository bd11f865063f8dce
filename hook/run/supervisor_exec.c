/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens between the supervisor's vfork(2) or clone_into() and the runtime's execve(2).
 *
 * Runs in: the child of the supervisor that becomes the runtime.
 */
#include "hook/run/supervisor_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/cgroup/group.h"
#include "hook/runtime/runtime.h"
#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* As if a build had half of the machine's memory more than it has. */
#define OOM_SCORE_ADJ 500
#define OOM_SCORE_ADJ_TEXT "500"

/* Reset signal handlers to the default: they are the hook's and must not run here. */
static void reset_handlers(void)
{
	struct sigaction sa;

	for (int sig = 1; sig < NSIG; sig++)
		if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_IGN &&
		    sa.sa_handler != SIG_DFL) {
			sa = (struct sigaction){.sa_handler = SIG_DFL};
			sigaction(sig, &sa, NULL);
		}
}

/*
 * Make standard input a null device.
 *
 * The runtime changes the owner of its standard input: runsc to the user nobody, crun, where root
 * is mapped, to the build's user. On the machine's null device that would let the new owner lock
 * out all others. So this is the bundle's own null device if there is one (hook/bundle/bundle.h),
 * else a pipe at its end. Only a runtime that cannot change the machine's null device keeps it,
 * which the supervisor has at its standard input: crun without root mapped.
 */
static int give_stdin(const struct sup *s, struct err *e)
{
	struct stat st;
	int ends[2] = {-1, -1};
	char null[4096];

	/* runc does not change the owner of a null device. */
	if (s->how.kind == RUNTIME_RUNC)
		return 0;
	if ((size_t)snprintf(null, sizeof null, "%s/root/dev/null", s->words.items[WORD_BUNDLE]) >=
	    sizeof null)
		return err_set(e, ERR_LIMIT, "the path '%s' of the bundle is too long",
			       s->words.items[WORD_BUNDLE]);
	scoped_fd int fd = open(null, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode))
		return dup2(fd, STDIN_FILENO) < 0 ? err_sys(e, "giving the runtime its input") : 0;
	if (s->how.kind != RUNTIME_RUNSC && !s->how.owns_machine)
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0 || dup2(ends[0], STDIN_FILENO) < 0)
		return err_sys(e, "giving the runtime its input");
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/*
 * Enter the mount namespace in which the runtime finds its files. *PROGRAM changes, to the path in
 * EXE, if the runtime is to be executed from there.
 */
static int enter_view(const struct sup *s, char *exe, size_t exe_size, const char **program,
		      struct err *e)
{
	const struct runtime_view v = {
		.layout = (enum cgroup_layout)s->how.layout,
		.mount_fd = s->mount_fd,
		.mounts_null = s->how.mounts_null,
		.bundle = s->words.items[WORD_BUNDLE],
		.scratch = s->words.items[WORD_SCRATCH],
		.exe = exe,
	};

	/* Under its own name, which is what `ps` shows. */
	if ((size_t)snprintf(exe, exe_size, "%s/%s", s->words.items[WORD_STATE],
			     str_base(*program)) >= exe_size)
		return err_set(e, ERR_LIMIT, "the path '%s' of the state directory is too long",
			       s->words.items[WORD_STATE]);
	return runtime_prepare_child((enum runtime_kind)s->how.kind, &v, program, e);
}

/*
 * Make TTY standard output and error: the terminal, or the pipe that runsc gets.
 *
 * With runsc the pipe is opened a second time for standard error. gVisor makes each of a
 * container's descriptors non-blocking, and waits where the builder would block. It does not wait
 * if the descriptor was non-blocking when gVisor first saw it (NewFD() in
 * pkg/sentry/fsimpl/host/host.go). If both were one open file description, the second would be
 * non-blocking by then, and a builder that writes faster than its log is read would get EAGAIN.
 */
static int give_output(const struct sup *s, int tty, struct err *e)
{
	if (dup2(tty, STDOUT_FILENO) < 0 || dup2(tty, STDERR_FILENO) < 0)
		return err_sys(e, "connecting the runtime to its terminal");
	if (s->how.kind != RUNTIME_RUNSC)
		return 0;
	scoped_fd int again = open("/proc/self/fd/1", O_WRONLY | O_CLOEXEC);
	if (again < 0 || dup2(again, STDERR_FILENO) < 0)
		return err_sys(e, "opening the pipe for the build's log a second time, by "
				  "'/proc/self/fd/1'");
	return 0;
}

/*
 * When the machine runs out of memory, have the kernel kill a build rather than Nix's daemon or
 * this hook (proc(5), oom_score_adj). Where that cannot be set, the kernel chooses as it would.
 */
static void raise_oom_score(void)
{
	scoped_fd int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	char now[16] = "";
	uint64_t n;

	if (fd < 0 || read(fd, now, sizeof now - 1) < 0)
		return;
	/* A negative one is no number here, and is raised. */
	if (num_parse_u64(now, strcspn(now, "\n"), INT32_MAX, &n) && n >= OOM_SCORE_ADJ)
		return;
	if (pwrite(fd, OOM_SCORE_ADJ_TEXT, strlen(OOM_SCORE_ADJ_TEXT), 0) < 0)
		return;
}

int become_runtime(const struct sup *s, size_t entered, int tty, char *const *env, struct err *e)
{
	char *const *argv = s->words.items + WORD_ARGV;
	const char *program = argv[0];
	char exe[4096];

	if (give_output(s, tty, e) < 0)
		return -1;
	/* Before enter_view(), which on a hybrid machine hides the v2 hierarchy from crun. */
	for (size_t i = 0; s->how.enters_group && i < s->cgroups.n; i++) {
		if (i == entered || cgroup_enter(s->cgroups.items[i], e) == 0)
			continue;
		if (!s->how.may_stay_out)
			return -1;
		err_clear(e);
	}
	if (enter_view(s, exe, sizeof exe, &program, e) < 0 || give_stdin(s, e) < 0)
		return -1;
	if (s->how.personality && personality(s->how.personality) < 0)
		return err_sys(e, "setting the personality to 0x%lx", s->how.personality);
	raise_oom_score();
	/* A runtime that the supervisor has stopped could not end by itself after its death. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != s->self)
		return err_sys(e, "tying the runtime to its supervisor process");
	reset_handlers();
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
	execve(program, argv, env);
	return err_sys(e, "executing '%s'", argv[0]);
}

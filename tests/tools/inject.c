/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inject: run a program, and let one of its system calls fail, or kill it there.
 *
 *	inject [-s] [-o FILE] MODE -- PROGRAM ARG...
 *
 * The traced process is PROGRAM's first, or with -s the one that it forks and that then calls
 * setsid(2): for the hook, its supervisor, from that call on. Calls are counted from 1 on, those of
 * the dynamic loader at the beginning left out: no program can help what fails there.
 *
 *	-c            count: FILE gets the name of each call, a line each
 *	-k N          SIGKILL at the beginning of the Nth call; -K N: to both processes
 *	-f CALL:N:ERR the Nth such call does nothing and fails; both have names ("openat:2:EIO")
 *	-m N          memory ends: from the Nth call on no brk(2) and no anonymous mmap(2) succeeds
 *
 * FILE then has a line "hit CALL" if it came to that. Other processes run untraced. Ends as PROGRAM
 * does; 126 is the tracer's own failure.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* What can be counted by name; the others have numbers. */
static const struct {
	const char *name;
	long nr;
} calls[] = {
#define CALL(name)                \
	{                         \
#name, SYS_##name \
	}
	CALL(accept4),    CALL(brk),        CALL(chdir),       CALL(clone),
	CALL(clone3),     CALL(close),      CALL(close_range), CALL(dup3),
	CALL(execve),     CALL(exit_group), CALL(fchdir),      CALL(fchmod),
	CALL(fchmodat),   CALL(fchown),     CALL(fchownat),    CALL(fcntl),
	CALL(fdatasync),  CALL(flock),      CALL(fsconfig),    CALL(fsmount),
	CALL(fsopen),     CALL(fstat),      CALL(fstatfs),     CALL(fsync),
	CALL(ftruncate),  CALL(getdents64), CALL(getrandom),   CALL(ioctl),
	CALL(kill),       CALL(linkat),     CALL(lseek),       CALL(memfd_create),
	CALL(mkdirat),    CALL(mknodat),    CALL(mmap),        CALL(mount),
	CALL(move_mount), CALL(mprotect),   CALL(mremap),      CALL(munmap),
	CALL(newfstatat), CALL(openat),     CALL(pidfd_open),  CALL(pipe2),
	CALL(ppoll),      CALL(prctl),      CALL(pread64),     CALL(pwrite64),
	CALL(read),       CALL(readlinkat), CALL(recvfrom),    CALL(recvmsg),
	CALL(renameat),   CALL(renameat2),  CALL(sendfile),    CALL(sendmsg),
	CALL(setsid),     CALL(shutdown),   CALL(signalfd4),   CALL(socketpair),
	CALL(statfs),     CALL(statx),      CALL(symlinkat),   CALL(sync_file_range),
	CALL(syncfs),     CALL(umount2),    CALL(unlinkat),    CALL(unshare),
	CALL(utimensat),  CALL(wait4),      CALL(waitid),      CALL(write),
	CALL(writev),
#ifdef SYS_access
	CALL(access),     CALL(chmod),      CALL(dup2),        CALL(fork),
	CALL(link),       CALL(lstat),      CALL(mkdir),       CALL(open),
	CALL(poll),       CALL(readlink),   CALL(rename),      CALL(rmdir),
	CALL(stat),       CALL(unlink),     CALL(vfork),
#endif
};

static const struct {
	const char *name;
	int number;
} errors[] = {
#define ERROR(name)         \
	{                   \
#name, name \
	}
	ERROR(EACCES), ERROR(EAGAIN), ERROR(EINTR),  ERROR(EIO),   ERROR(EMFILE),
	ERROR(ENOMEM), ERROR(ENOSPC), ERROR(ENOSYS), ERROR(EPERM), ERROR(EROFS),
};

/* Its calls, one after the other: which, with which first six arguments, and how to change it. */
#if defined __x86_64__
struct regs {
	struct user_regs_struct r;
};
static long regs_nr(const struct regs *r)
{
	return (long)r->r.orig_rax;
}
static uint64_t regs_arg(const struct regs *r, int i)
{
	const uint64_t args[] = {r->r.rdi, r->r.rsi, r->r.rdx, r->r.r10};

	return args[i];
}
static void regs_skip(struct regs *r, pid_t pid)
{
	(void)pid;
	r->r.orig_rax = (unsigned long)-1;
}
static void regs_result(struct regs *r, long result)
{
	r->r.rax = (unsigned long)result;
}
static void regs_set_arg0(struct regs *r, uint64_t value)
{
	r->r.rdi = value;
}
#elif defined __aarch64__
struct regs {
	struct user_pt_regs r;
};
static long regs_nr(const struct regs *r)
{
	return (long)r->r.regs[8];
}
static uint64_t regs_arg(const struct regs *r, int i)
{
	return r->r.regs[i];
}
static void regs_skip(struct regs *r, pid_t pid)
{
	int none = -1;
	struct iovec iov = {&none, sizeof none};

	(void)r;
	ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &iov);
}
static void regs_result(struct regs *r, long result)
{
	r->r.regs[0] = (uint64_t)result;
}
static void regs_set_arg0(struct regs *r, uint64_t value)
{
	r->r.regs[0] = value;
}
#else
#define NO_REGS
#endif

#ifdef NO_REGS
int main(void)
{
	fprintf(stderr, "inject: not on this machine\n");
	return 77;
}
#else

enum mode { COUNT, KILL, KILL_BOTH, FAIL, MEMORY };

struct task {
	pid_t tid;
	bool counted;   /* of the traced process */
	bool candidate; /* may be about to become the supervisor */
	bool skipped;   /* the call under way was made to fail */
	bool changed;   /* it has another first argument than arg0 */
	uint64_t arg0;
	bool expected; /* its parent has told of it */
	bool stopped;  /* it stopped before that */
};

#define TASKS_MAX 256
static struct task tasks[TASKS_MAX];
static enum mode mode;
static bool of_supervisor, loaded, hit;
static long at, fail_nr, count;
static int fail_error;
static pid_t first, second; /* the program's process; its supervisor once that is known */
static FILE *out;

static struct task *find(pid_t tid)
{
	for (size_t i = 0; i < TASKS_MAX; i++)
		if (tasks[i].tid == tid)
			return &tasks[i];
	for (size_t i = 0; i < TASKS_MAX; i++)
		if (!tasks[i].tid) {
			tasks[i] = (struct task){.tid = tid};
			return &tasks[i];
		}
	fprintf(stderr, "inject: too many tasks\n");
	exit(126);
}

static void go_on(struct task *t, int sig)
{
	/* The first process is followed until it has forked, even where another is traced. */
	const bool calls_too = t->counted || t->candidate;
	const bool follow = calls_too || (t->tid == first && !second);

	ptrace(calls_too ? PTRACE_SYSCALL : follow ? PTRACE_CONT : PTRACE_DETACH, t->tid, 0, sig);
	if (!follow)
		*t = (struct task){0};
}

static bool get_regs(pid_t tid, struct regs *r)
{
	struct iovec iov = {r, sizeof *r};

	return ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &iov) == 0;
}

static void set_regs(pid_t tid, struct regs *r)
{
	struct iovec iov = {r, sizeof *r};

	ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &iov);
}

static void print_call(const char *before, long nr)
{
	if (!out)
		return;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (calls[i].nr == nr) {
			fprintf(out, "%s%s\n", before, calls[i].name);
			return;
		}
	fprintf(out, "%s%ld\n", before, nr);
}

static void tell_hit(long nr)
{
	if (!hit)
		print_call("hit ", nr);
	hit = true;
}

static void fail_it(struct task *t, struct regs *r)
{
	tell_hit(regs_nr(r));
	/* brk(2) of the kernel does not fail with a number: it says where the end stays. */
	if (regs_nr(r) == SYS_brk) {
		t->changed = true;
		t->arg0 = regs_arg(r, 0);
		regs_set_arg0(r, 0);
		set_regs(t->tid, r);
		return;
	}
	t->skipped = true;
	regs_skip(r, t->tid);
	set_regs(t->tid, r);
}

static bool wants_memory(const struct regs *r)
{
	return (regs_nr(r) == SYS_brk && regs_arg(r, 0) != 0) || regs_nr(r) == SYS_mremap ||
	       (regs_nr(r) == SYS_mmap && regs_arg(r, 3) & MAP_ANONYMOUS);
}

static void call_begins(struct task *t, struct regs *r)
{
	const long nr = regs_nr(r);

	/* The last thing that the loader does is to unmap its cache. */
	if (!loaded) {
		loaded = nr == SYS_munmap;
		return;
	}
	if (mode == FAIL && nr != fail_nr)
		return;
	count++;
	if (mode == COUNT)
		print_call("", nr);
	if (mode == FAIL && count == at)
		fail_it(t, r);
	if (mode == MEMORY && count >= at && wants_memory(r))
		fail_it(t, r);
	if ((mode == KILL || mode == KILL_BOTH) && count == at) {
		tell_hit(nr);
		if (mode == KILL_BOTH || !of_supervisor)
			kill(first, SIGKILL);
		if (second && (mode == KILL_BOTH || of_supervisor))
			kill(second, SIGKILL);
	}
}

static void call_stop(struct task *t)
{
	struct __ptrace_syscall_info info = {0};
	struct regs r;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof info, &info) <= 0 ||
	    !get_regs(t->tid, &r))
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		if (t->candidate && regs_nr(&r) == SYS_setsid) {
			second = t->tid;
			t->candidate = false;
			t->counted = of_supervisor;
		}
		if (t->counted)
			call_begins(t, &r);
	} else if (t->changed) {
		/* The program may look at what the kernel leaves as it was. */
		t->changed = false;
#ifdef __x86_64__
		regs_set_arg0(&r, t->arg0);
		set_regs(t->tid, &r);
#endif
	} else if (t->skipped) {
		t->skipped = false;
		regs_result(&r, mode == MEMORY ? -ENOMEM : -fail_error);
		set_regs(t->tid, &r);
	}
}

/* PARENT has made a task. Only threads of the traced process and its first fork matter. */
static void made(struct task *parent, int event)
{
	unsigned long tid = 0;
	char path[64];

	ptrace(PTRACE_GETEVENTMSG, parent->tid, 0, &tid);
	struct task *t = find((pid_t)tid);
	const bool stopped = t->stopped;
	snprintf(path, sizeof path, "/proc/%d/task/%lu", (int)parent->tid, tid);
	const bool thread = event == PTRACE_EVENT_CLONE && access(path, F_OK) == 0;
	if (thread) {
		t->counted = parent->counted;
	} else if (!second && parent->tid == first) {
		t->candidate = true;
	}
	t->expected = true;
	t->stopped = false;
	if (stopped)
		go_on(t, 0);
}

static void stopped(struct task *t, int status)
{
	const int sig = WSTOPSIG(status), event = status >> 16;

	if (sig == (SIGTRAP | 0x80)) {
		call_stop(t);
		go_on(t, 0);
	} else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
		   event == PTRACE_EVENT_CLONE) {
		made(t, event);
		go_on(t, 0);
	} else if (event == PTRACE_EVENT_EXEC) {
		go_on(t, 0);
	} else if (!t->expected && sig == SIGSTOP) {
		t->stopped = true; /* before its parent's event */
	} else {
		/* A new task's first stop is ptrace's; what is later is its own. */
		const bool new = t->expected &&sig == SIGSTOP && !t->stopped;

		t->stopped = true;
		go_on(t, new || event || sig == SIGTRAP ? 0 : sig);
	}
}

static void parse_failure(const char *text)
{
	char call[32], error[32];

	if (sscanf(text, "%31[a-z0-9_]:%ld:%31[A-Z0-9]", call, &at, error) != 3)
		exit(126);
	fail_nr = -1;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (strcmp(calls[i].name, call) == 0)
			fail_nr = calls[i].nr;
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (strcmp(errors[i].name, error) == 0)
			fail_error = errors[i].number;
	if (fail_nr < 0 || !fail_error)
		exit(126);
}

static void parse(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "+so:ck:K:f:m:")) >= 0) {
		switch (opt) {
		case 's':
			of_supervisor = loaded = true;
			break;
		case 'o':
			out = fopen(optarg, "we");
			break;
		case 'c':
			mode = COUNT;
			break;
		case 'k':
		case 'K':
		case 'm':
			mode = opt == 'k' ? KILL : opt == 'K' ? KILL_BOTH : MEMORY;
			at = atol(optarg);
			break;
		case 'f':
			mode = FAIL;
			parse_failure(optarg);
			break;
		default:
			exit(126);
		}
	}
	if (optind >= argc)
		exit(126);
}

static void start(char **argv)
{
	int status;

	first = fork();
	if (first == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[0], argv);
		_exit(126);
	}
	/* Whoever waits for the end of the program's output does not wait for this process. */
	for (int fd = 0; fd < 64; fd++)
		if (!out || fd != fileno(out))
			close(fd);
	if (waitpid(first, &status, 0) != first || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, first, 0,
		   PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			   PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC) < 0)
		exit(126);
	struct task *t = find(first);
	t->expected = t->stopped = true;
	t->counted = !of_supervisor;
	ptrace(PTRACE_CONT, first, 0, 0);
}

int main(int argc, char **argv)
{
	int status, rc = 126;
	pid_t pid;

	parse(argc, argv);
	start(argv + optind);
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (pid < 0)
			continue;
		if (WIFSTOPPED(status)) {
			stopped(find(pid), status);
			continue;
		}
		if (pid == first)
			rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		*find(pid) = (struct task){0};
	}
	if (out)
		fclose(out);
	return rc;
}
#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The launcher: the container's first program, which becomes the builder, or starts it.
 * Runs in: the container, before the builder.
 *
 * A runtime gets a command and an environment as JSON, so only as Unicode. It derives argv[0] from
 * the path, adds variables of its own, changes the disposition of SIGPIPE, and has messages of its
 * own for a builder that cannot be executed. The launcher reads command and environment from the
 * end of its own file, removes the file, and calls execve(2) as Nix does.
 *
 * The container may have no loader and no libraries, and every build starts the launcher. So it has
 * no libc and uses the system calls only. It maps its file, memory for the vectors, and a buffer if
 * it relays the build's output (relay_output()). The hook wrote the payload. Its bounds are checked
 * anyway; a builder that runs a changed copy of the file harms only itself.
 */
#include "launch/launch.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/stat.h>
#include <stddef.h>

#define SIGKILL_NUMBER 9
#define SIGPIPE_NUMBER 13
#define SIGCHLD_NUMBER 17
#define EXIT_FAILED 1
#define RELAY_BYTES 65536
/* From the headers of Linux 6.12 (Landlock ABI 6). The numbers are equal on all machines. */
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#define __NR_landlock_restrict_self 446
#endif
#define LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET 1
struct landlock_rules {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

#if defined(__x86_64__)
#define ENTRY "xor %ebp, %ebp\nmov %rsp, %rdi\nand $-16, %rsp\ncall launch\n"
static long call6(long n, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
#define ENTRY "mov x29, #0\nmov x30, #0\nmov x0, sp\nbl launch\n"
static long call6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#elif defined(__riscv) && __riscv_xlen == 64
#define ENTRY                                                                                \
	".option push\n.option norelax\nlla gp, __global_pointer$\n.option pop\nmv a0, sp\n" \
	"call launch\n"
static long call6(long n, long a, long b, long c, long d, long e, long f)
{
	register long a7 __asm__("a7") = n;
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d;
	register long a4 __asm__("a4") = e;
	register long a5 __asm__("a5") = f;

	__asm__ volatile("ecall"
			 : "+r"(a0)
			 : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5)
			 : "memory");
	return a0;
}
#else
#error "the launcher does not know this machine's system calls"
#endif

__asm__(".text\n.global _start\n_start:\n" ENTRY);
_Noreturn void launch(char **stack);

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n]) {
		n++;
		__asm__ volatile(""); /* keeps the compiler from calling strlen() instead */
	}
	return n;
}

static void say(const char *s)
{
	/* A failure is ignored: it could only be printed to the same place. */
	call6(__NR_write, 2, (long)s, (long)length(s), 0, 0, 0);
}

_Noreturn static void quit(long code)
{
	for (;;)
		call6(__NR_exit_group, code, 0, 0, 0, 0, 0);
}

_Noreturn static void damaged(void)
{
	say("error: the launcher of this build is damaged\n");
	quit(EXIT_FAILED);
}

/* Returns the text of strerror(3) for an error of execve(2). */
static const char *reason(long error)
{
	switch (error) {
	case E2BIG:
		return "Argument list too long";
	case EACCES:
		return "Permission denied";
	case EFAULT:
		return "Bad address";
	case EINVAL:
		return "Invalid argument";
	case EIO:
		return "Input/output error";
	case EISDIR:
		return "Is a directory";
	case ELIBBAD:
		return "Accessing a corrupted shared library";
	case ELOOP:
		return "Too many levels of symbolic links";
	case EMFILE:
		return "Too many open files";
	case ENAMETOOLONG:
		return "File name too long";
	case ENFILE:
		return "Too many open files in system";
	case ENOENT:
		return "No such file or directory";
	case ENOEXEC:
		return "Exec format error";
	case ENOMEM:
		return "Cannot allocate memory";
	case ENOTDIR:
		return "Not a directory";
	case EPERM:
		return "Operation not permitted";
	case EAGAIN:
		return "Resource temporarily unavailable";
	case ETXTBSY:
		return "Text file busy";
	default:
		return "Unknown error";
	}
}

static long map(size_t bytes, int fd)
{
	return call6(__NR_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
}

static int failed(long ret)
{
	return ret < 0 && ret > -4096;
}

/* Map the file at PATH and remove it. Returns its contents, of *RET_BYTES. */
static char *take_file(const char *path, size_t *ret_bytes)
{
	const long fd = call6(__NR_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
	const long size = fd < 0 ? -1 : call6(__NR_lseek, fd, 0, 2 /* SEEK_END */, 0, 0, 0);
	const long at = size <= 0 ? -1 : map((size_t)size, (int)fd);

	if (fd < 0 || size <= 0 || failed(at))
		damaged();
	call6(__NR_unlinkat, AT_FDCWD, (long)path, 0, 0, 0, 0);
	call6(__NR_close, fd, 0, 0, 0, 0, 0);
	*ret_bytes = (size_t)size;
	return (char *)at;
}

/* Fill V with the N strings that begin at *P, and NULL after them. Moves *P behind the strings. */
static void fill(char **v, uint32_t n, char **p, const char *end)
{
	for (uint32_t i = 0; i < n; i++) {
		if (*p >= end)
			damaged();
		v[i] = *p;
		*p += length(*p) + 1;
	}
	v[n] = NULL;
}

static void set_sigpipe(uint32_t flags)
{
	/* The kernel's struct sigaction: its first member is the handler, and 1 is SIG_IGN. */
	const unsigned long action[4] = {flags & LAUNCH_IGNORE_SIGPIPE ? 1 : 0, 0, 0, 0};

	call6(__NR_rt_sigaction, SIGPIPE_NUMBER, (long)action, 0, 8, 0, 0);
}

/*
 * Keep a build that has the machine's network from sockets with abstract addresses, such as those
 * of a session's bus or a display. Kernels before 6.12 cannot do so, and nor can a process that may
 * gain privileges. Then the build runs without this protection, as with Nix before 2.34.5.
 */
static void close_abstract_sockets(void)
{
	const struct landlock_rules rules = {0, 0, LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET};
	const long fd = call6(__NR_landlock_create_ruleset, (long)&rules, sizeof rules, 0, 0, 0, 0);

	if (failed(fd))
		return;
	call6(__NR_landlock_restrict_self, fd, 0, 0, 0, 0, 0);
	call6(__NR_close, fd, 0, 0, 0, 0, 0);
}

/* ---- relaying the build's output ---- */

struct relay {
	long from;     /* the reading end of the builder's pipe; -1: the pipe has ended */
	long children; /* a signalfd for SIGCHLD */
	long builder;  /* its pid */
	char *buffer;
	int ended, status; /* the builder has ended, with this status of waitpid(2) */
};

_Noreturn static void cannot_relay(void)
{
	say("error: the launcher cannot make a pipe for the build's output\n");
	quit(EXIT_FAILED);
}

/* Write all N bytes to standard output; wait while it is full. Without a reader they are lost. */
static void write_all(const char *p, long n)
{
	struct pollfd out = {1, POLLOUT, 0};

	while (n > 0) {
		const long w = call6(__NR_write, 1, (long)p, n, 0, 0, 0);

		if (w == -EAGAIN)
			call6(__NR_ppoll, (long)&out, 1, 0, 0, 0, 0);
		else if (w < 0 && w != -EINTR)
			return;
		if (w > 0) {
			p += w;
			n -= w;
		}
	}
}

/* Read once from the builder's pipe and pass the bytes on. Returns 0: there is nothing to read. */
static int relay_once(struct relay *r)
{
	const long n = call6(__NR_read, r->from, (long)r->buffer, RELAY_BYTES, 0, 0, 0);

	if (n > 0) {
		write_all(r->buffer, n);
		return 1;
	}
	if (n != -EAGAIN && n != -EINTR)
		r->from = -1;
	return n == -EINTR;
}

/* Reap dead children: the builder, and orphans that this process has inherited. */
static void reap(struct relay *r)
{
	char info[128]; /* struct signalfd_siginfo */
	int status;
	long pid;

	call6(__NR_read, r->children, (long)info, sizeof info, 0, 0, 0);
	while ((pid = call6(__NR_wait4, -1, (long)&status, 1 /* WNOHANG */, 0, 0, 0)) > 0)
		if (pid == r->builder) {
			r->ended = 1;
			r->status = status;
		}
}

/* Relay until the builder and its output have ended. Returns the launcher's exit code. */
static int relay_until_the_end(struct relay *r)
{
	while (!r->ended) {
		struct pollfd p[] = {{(int)r->children, POLLIN, 0}, {(int)r->from, POLLIN, 0}};

		call6(__NR_ppoll, (long)p, 2, 0, 0, 0, 0);
		if (p[1].revents)
			relay_once(r);
		if (p[0].revents)
			reap(r);
	}
	/* Kill all others, as the kernel does when the first process of a pid namespace ends. */
	if (call6(__NR_getpid, 0, 0, 0, 0, 0, 0) == 1)
		call6(__NR_kill, -1, SIGKILL_NUMBER, 0, 0, 0, 0);
	call6(__NR_fcntl, r->from, F_SETFL, O_NONBLOCK, 0, 0, 0);
	while (r->from >= 0 && relay_once(r))
		;
	return r->status & 0x7f ? 128 + (r->status & 0x7f) : r->status >> 8 & 0xff;
}

/*
 * Give the builder a pipe of gVisor's kernel as its output, and pass on its output. Returns in a
 * child process, which becomes the builder.
 *
 * gVisor passes a write to the machine's pipe on without blocking, and tells the builder how many
 * bytes the pipe took. POSIX promises that a successful write(2) to a pipe has written everything.
 * A builder that relies on this loses bytes whenever the log is full. gVisor's own pipes keep the
 * promise.
 *
 * This process stays the first one of the container. When it ends, all others are killed, and by
 * then all output must be written. So the builder is the second process.
 */
static void relay_output(void)
{
	const unsigned long child = 1UL << (SIGCHLD_NUMBER - 1);
	unsigned long was = 0;
	struct relay r = {.ended = 0};
	int p[2];

	r.buffer = (char *)map(RELAY_BYTES, -1);
	call6(__NR_rt_sigprocmask, 0 /* SIG_BLOCK */, (long)&child, (long)&was, 8, 0, 0);
	r.children = call6(__NR_signalfd4, -1, (long)&child, 8, O_CLOEXEC | O_NONBLOCK, 0, 0);
	if (failed((long)r.buffer) || r.children < 0 ||
	    call6(__NR_pipe2, (long)p, O_CLOEXEC, 0, 0, 0, 0) < 0)
		cannot_relay();
	r.from = p[0];
	r.builder = call6(__NR_clone, SIGCHLD_NUMBER, 0, 0, 0, 0, 0);
	if (r.builder < 0)
		cannot_relay();
	if (r.builder > 0) {
		call6(__NR_close, p[1], 0, 0, 0, 0, 0);
		quit(relay_until_the_end(&r));
	}
	/* Lead a session, as the first process of a container does. */
	call6(__NR_setsid, 0, 0, 0, 0, 0, 0);
	call6(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, (long)&was, 0, 8, 0, 0);
	if (call6(__NR_dup3, p[1], 1, 0, 0, 0, 0) < 0 || call6(__NR_dup3, p[1], 2, 0, 0, 0, 0) < 0)
		cannot_relay();
}

/* ---- */

/* The program's entry. STACK contains argc, then argv. */
__attribute__((used)) _Noreturn void launch(char **stack)
{
	size_t size;
	char *file = take_file(stack[1], &size);
	const struct launch_trailer *t =
		(const void *)(file + size - sizeof(struct launch_trailer));

	if (size < sizeof *t || (size & 7) || t->magic != LAUNCH_MAGIC ||
	    t->payload_bytes > size - sizeof *t || t->argc > size || t->envc > size)
		damaged();
	char *p = file + size - sizeof *t - t->payload_bytes;
	const char *end = p + t->payload_bytes;
	/* The last byte is a NUL, so every string has an end. */
	if (p == end || end[-1] != '\0')
		damaged();
	const long vectors = map(((size_t)t->argc + t->envc + 3) * sizeof(char *), -1);
	if (failed(vectors))
		damaged();
	char **path = (char **)vectors, **argv = path + 1, **env = argv + t->argc + 1;
	*path = p;
	p += length(p) + 1;
	fill(argv, t->argc, &p, end);
	fill(env, t->envc, &p, end);
	if (t->flags & LAUNCH_RELAY)
		relay_output();
	set_sigpipe(t->flags);
	close_abstract_sockets();
	/* execve(2) keeps this setting, because no program in a build gains privileges. */
	if (t->flags & LAUNCH_DIE_WITH_PARENT)
		call6(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL_NUMBER, 0, 0, 0, 0);
	const long error = call6(__NR_execve, (long)*path, (long)argv, (long)env, 0, 0, 0);
	say("error: executing '");
	say(*path);
	say("': ");
	say(reason(-error));
	say("\n");
	quit(EXIT_FAILED);
}

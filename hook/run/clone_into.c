/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The C library has no function for it. clone3(2) with shared memory returns twice, and the child
 * must not use the parent's stack frames, as the compiler does not know of them what it knows of
 * vfork(2). So a few instructions take the child to a function and a stack of its own.
 */
#include "hook/run/clone_into.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nar/base/banned.h"

/* A sanitizer takes a stack that it does not know for an error. */
#if defined(CLONE_INTO_CGROUP) && defined(SYS_clone3) && !defined(__SANITIZE_ADDRESS__) && \
	(defined(__x86_64__) || defined(__aarch64__))

/* Several paths of up to 4096 bytes and a struct err are on it. */
#define STACK_BYTES (256u << 10)

static long clone3(struct clone_args *a, void (*fn)(void *), void *arg)
{
#ifdef __x86_64__
	long r = SYS_clone3;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %[arg], %%rdi\n\t"
			 "call *%[fn]\n\t"
			 "ud2\n"
			 "1:"
			 : "+a"(r)
			 : "D"(a), "S"(sizeof *a), [fn] "r"(fn), [arg] "r"(arg)
			 : "rcx", "r11", "memory", "cc");
	return r;
#else
	register long x8 __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long)a;
	register long x1 __asm__("x1") = sizeof *a;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x0, %[arg]\n\t"
			 "blr %[fn]\n\t"
			 "brk #0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), [fn] "r"(fn), [arg] "r"(arg)
			 : "memory", "cc", "x30");
	return x0;
#endif
}

pid_t clone_into(int group_fd, void (*fn)(void *arg), void *arg)
{
	static char stack[STACK_BYTES] __attribute__((aligned(16)));
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack,
		.stack_size = sizeof stack,
		.cgroup = (uint64_t)group_fd,
	};
	const long r = clone3(&a, fn, arg);

	if (r < 0)
		errno = (int)-r;
	return r < 0 ? -1 : (pid_t)r;
}

#else

pid_t clone_into(int group_fd, void (*fn)(void *arg), void *arg)
{
	errno = ENOSYS;
	return -1;
}

#endif

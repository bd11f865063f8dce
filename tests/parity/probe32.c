/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A 32-bit builder for i686-linux, which says what such a program sees: as tests/parity/probe.c,
 * `KEY = VALUE` a line. Its first argument is its output. It has no libc, so that a compiler for
 * x86_64 makes it by -m32 without one for i686: system calls by number, of the 32-bit table.
 */
static long call(long n, long a, long b, long c)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory");
	return ret;
}
#define SYS_exit 1
#define SYS_write 4
#define SYS_chmod 15
#define SYS_mkdir 39
#define SYS_uname 122
#define SYS_personality 136
#define SYS_setxattr 226

/* struct new_utsname */
struct names {
	char system[65], node[65], release[65], version[65], machine[65], domain[65];
};

static void put(const char *s)
{
	long n = 0;

	while (s[n])
		n++;
	call(SYS_write, 1, (long)s, n);
}

static void say(const char *key, const char *value)
{
	put(key);
	put(" = ");
	put(value);
	put("\n");
}

static void say_number(const char *key, long n)
{
	char text[16], *p = text + sizeof text - 1;
	unsigned long left = (unsigned long)n;

	*p = '\0';
	do {
		*--p = "0123456789abcdef"[left % 16];
		left /= 16;
	} while (left);
	say(key, p);
}

/* STACK: argc, then argv. */
__attribute__((used, noreturn)) void probe(char **stack)
{
	const char *out = stack[2];
	struct names u;

	call(SYS_uname, (long)&u, 0, 0);
	say("machine", u.machine);
	say_number("bytes of a pointer", sizeof(void *));
	say_number("personality", call(SYS_personality, -1, 0, 0));
	say_number("make the output", call(SYS_mkdir, (long)out, 0755, 0));
	/* Negative numbers are those of errors. The filter is for this table of calls, too. */
	say_number("chmod 4755", call(SYS_chmod, (long)out, 04755, 0));
	say_number("chmod 0755", call(SYS_chmod, (long)out, 0755, 0));
	say_number("setxattr", call(SYS_setxattr, (long)out, (long)"user.x", (long)"x"));
	say("end", "reached");
	call(SYS_exit, 0, 0, 0);
	for (;;)
		;
}

__asm__(".text\n.globl _start\n_start:\nmov %esp, %eax\nand $-16, %esp\nsub $12, %esp\npush %eax\n"
	"call probe\n");

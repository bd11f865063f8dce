/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A builder that says what it sees, one `KEY = VALUE` a line. Its arguments are its outputs, which
 * it makes empty files, then where it is itself, then anything. Linked statically: nothing of the
 * machine is needed to run it.
 *
 * What differs from one run to the next of the same sandbox (numbers of mounts, inodes, times) is
 * left out or reduced to what matters of it. Errors are told by name, or "ok".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>

#include "probe.h"

const char *error_name(int err)
{
	return err == 0 ? "ok" : strerrorname_np(err) ? strerrorname_np(err) : "unknown error";
}

void say(const char *key, const char *fmt, ...)
{
	static char value[1 << 20];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof value, fmt, ap);
	va_end(ap);
	printf("%s = ", key);
	for (const unsigned char *p = (unsigned char *)value; *p; p++)
		if (*p < 0x20 || *p >= 0x7f)
			printf("\\x%02x", *p);
		else
			putchar(*p);
	putchar('\n');
	fflush(stdout);
}

void say_err(const char *key, long rc)
{
	say(key, "%s", error_name(rc < 0 ? errno : 0));
}

char *keyf(const char *fmt, ...)
{
	/* Two, as a line may have one as its key and one in its value. */
	static char keys[2][8192];
	static unsigned turn;
	char *key = keys[turn++ % 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(key, sizeof keys[0], fmt, ap);
	va_end(ap);
	return key;
}

ssize_t slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return -1;
	while (n < size - 1 && (got = read(fd, buf + n, size - 1 - n)) > 0)
		n += (size_t)got;
	buf[n] = '\0';
	close(fd);
	return (ssize_t)n;
}

void say_file(const char *path)
{
	static char buf[65536];

	if (slurp(path, buf, sizeof buf) < 0)
		say(path, "%s", error_name(errno));
	else
		say(path, "%s", buf);
}

/* ---- the process ---- */

static void show_arguments(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		say(keyf("argument %d", i), "%s", argv[i]);
}

static void show_environment(char **env)
{
	static char order[65536];
	size_t n = 0;

	for (; *env; env++) {
		const char *eq = strchr(*env, '=');
		int len = eq ? (int)(eq - *env) : (int)strlen(*env);
		n += (size_t)snprintf(order + n, sizeof order - n, "%.*s ", len, *env);
		say(keyf("environment %.*s", len, *env), "%s", eq ? eq + 1 : "(no =)");
	}
	say("environment order", "%s", order);
}

static void show_ids(void)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;
	gid_t groups[64];
	char text[1024] = "";

	getresuid(&r, &e, &s);
	getresgid(&rg, &eg, &sg);
	say("uid", "%u %u %u fs %d", r, e, s, setfsuid((uid_t)-1));
	say("gid", "%u %u %u fs %d", rg, eg, sg, setfsgid((gid_t)-1));
	int n = getgroups(64, groups);
	for (int i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%u ", groups[i]);
	say("groups", "%d: %s", n, text);
	say("process", "pid %d parent %d group %d session %d", getpid(), getppid(), getpgrp(),
	    getsid(0));
	mode_t mask = umask(0);
	umask(mask);
	say("umask", "%04o", mask);
	char cwd[4096];
	say("cwd", "%s", getcwd(cwd, sizeof cwd) ? cwd : error_name(errno));
}

static void show_process(void)
{
	sigset_t mask;
	char text[2048] = "";
	cpu_set_t cpus;
	struct utsname u;
	int deathsig = -1;

	say("personality", "%#x", (unsigned)personality(0xffffffff));
	say("nice", "%d", getpriority(PRIO_PROCESS, 0));
	say("scheduler", "%d", sched_getscheduler(0));
	sched_getaffinity(0, sizeof cpus, &cpus);
	say("cpus", "%d", CPU_COUNT(&cpus));
	say("ioprio", "%ld", syscall(SYS_ioprio_get, 1, 0));
	prctl(PR_GET_PDEATHSIG, &deathsig);
	say("pdeathsig", "%d", deathsig);
	say("dumpable", "%d", prctl(PR_GET_DUMPABLE));
	say("keepcaps", "%d", prctl(PR_GET_KEEPCAPS));
	say("securebits", "%d", prctl(PR_GET_SECUREBITS));
	say("no_new_privs", "%d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	say("seccomp", "%d", prctl(PR_GET_SECCOMP));
	say("timerslack", "%d", prctl(PR_GET_TIMERSLACK));
	say("thp disabled", "%d", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	say("speculation store bypass", "%d",
	    prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0));
	say("speculation indirect branch", "%d",
	    prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, 0, 0, 0));
	int subreaper = -1;
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
	say("subreaper", "%d", subreaper);

	for (int i = 1; i < NSIG; i++) {
		struct sigaction sa;
		if (sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", i);
	}
	say("signals ignored", "%s", text);
	text[0] = '\0';
	sigprocmask(SIG_BLOCK, NULL, &mask);
	for (int i = 1; i < NSIG; i++)
		if (sigismember(&mask, i) == 1)
			snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", i);
	say("signals blocked", "%s", text);

	uname(&u);
	say("hostname", "%s", u.nodename);
	say("domainname", "%s", u.domainname);
	say("machine", "%s", u.machine);
	say("release", "%s", u.release);
}

static void show_limits(void)
{
	static const char *const names[] = {
		"CPU",     "FSIZE", "DATA",  "STACK",      "CORE",     "RSS",  "NPROC",  "NOFILE",
		"MEMLOCK", "AS",    "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		struct rlimit l;
		getrlimit((__rlimit_resource_t)i, &l);
		say(keyf("limit %s", names[i]), "%lld %lld", (long long)l.rlim_cur,
		    (long long)l.rlim_max);
	}
}

/* The lines of /proc/self/status that tell what we are, not how much of it. */
static void show_status(void)
{
	static const char *const skipped[] = {"Vm",           "Rss",   "Hugetlb", "voluntary",
					      "nonvoluntary", "State", "FDSize",  "SigQ",
					      "Threads",      "x86_"};
	static char buf[65536];
	char *save = NULL;

	slurp("/proc/self/status", buf, sizeof buf);
	for (char *l = strtok_r(buf, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(l, ':');
		bool skip = !colon;
		for (size_t i = 0; i < ARRAY_SIZE(skipped); i++)
			skip = skip || strncmp(l, skipped[i], strlen(skipped[i])) == 0;
		if (skip)
			continue;
		*colon = '\0';
		say(keyf("status %s", l), "%s", colon + 1 + strspn(colon + 1, "\t "));
	}
}

static void show_proc_self(void)
{
	static const char *const files[] = {"/proc/self/uid_map",
					    "/proc/self/gid_map",
					    "/proc/self/projid_map",
					    "/proc/self/setgroups",
					    "/proc/self/oom_score_adj",
					    "/proc/self/coredump_filter",
					    "/proc/self/timens_offsets",
					    "/proc/self/cgroup",
					    "/proc/self/attr/current",
					    "/proc/self/loginuid",
					    "/proc/self/comm",
					    "/proc/sys/user/max_user_namespaces",
					    "/proc/sys/kernel/ngroups_max",
					    "/proc/sys/net/ipv4/ping_group_range",
					    "/proc/sys/net/ipv4/ip_unprivileged_port_start",
					    "/proc/sys/net/ipv4/ip_local_port_range",
					    "/proc/sys/net/ipv4/ip_forward",
					    "/proc/sys/net/ipv6/conf/all/disable_ipv6",
					    "/proc/sys/fs/mqueue/msg_max",
					    "/proc/sys/kernel/shmmax",
					    "/proc/sys/kernel/domainname"};
	static const char *const spaces[] = {"cgroup", "ipc",  "mnt",  "net",
					     "pid",    "time", "user", "uts"};
	char path[64], link[256];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		say_file(files[i]);
	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++) {
		snprintf(path, sizeof path, "/proc/self/ns/%s", spaces[i]);
		ssize_t n = readlink(path, link, sizeof link - 1);
		link[n > 0 ? n : 0] = '\0';
		say(keyf("namespace %s", spaces[i]), "%s", link);
	}
	say("exe", "%s",
	    readlink("/proc/self/exe", link, sizeof link) > 0 ? "ok" : error_name(errno));
}

/* ---- descriptors and the terminal ---- */

static void show_descriptors(void)
{
	char list[512] = "", link[256];

	for (int fd = 0; fd < 4096; fd++) {
		struct stat st;
		if (fstat(fd, &st) < 0)
			continue;
		snprintf(list + strlen(list), sizeof list - strlen(list), "%d ", fd);
		if (fd > 2)
			continue;
		const char *kind = !S_ISCHR(st.st_mode)          ? "no device"
				   : major(st.st_rdev) == 136    ? "pty"
				   : st.st_rdev == makedev(1, 3) ? "null"
								 : "another device";
		say(keyf("descriptor %d", fd),
		    "%s, mode %04o, owner %u:%u, flags %#x, close on exec %d", kind,
		    st.st_mode & 07777, st.st_uid, st.st_gid, fcntl(fd, F_GETFL),
		    fcntl(fd, F_GETFD));
		ssize_t n = readlink(keyf("/proc/self/fd/%d", fd), link, sizeof link - 1);
		link[n > 0 ? n : 0] = '\0';
		if (strncmp(link, "/dev/pts/", 9) == 0)
			strcpy(link + 9, "N");
		say(keyf("descriptor %d link", fd), "%s", link);
	}
	say("descriptors", "%s", list);
	struct stat a, b;
	fstat(1, &a);
	fstat(2, &b);
	say("1 and 2 are one", "%d", a.st_rdev == b.st_rdev && a.st_ino == b.st_ino);
}

static void show_terminal(void)
{
	struct termios t;
	struct winsize w;
	char name[256];
	pid_t sid;

	for (int fd = 0; fd < 3; fd++)
		say(keyf("isatty %d", fd), "%d", isatty(fd));
	if (tcgetattr(1, &t) == 0)
		say("termios", "%#x %#x %#x %#x", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
	if (ioctl(1, TIOCGWINSZ, &w) == 0)
		say("window", "%u %u", w.ws_row, w.ws_col);
	say("ttyname 1", "%s", error_name(ttyname_r(1, name, sizeof name)));
	say_err("session of 1", ioctl(1, TIOCGSID, &sid));
	say_err("open /dev/tty", open("/dev/tty", O_RDWR | O_CLOEXEC));
	say_err("open /dev/console", open("/dev/console", O_RDWR | O_CLOEXEC));
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	say_err("posix_openpt", fd);
	if (fd >= 0) {
		struct stat st;
		say_err("unlockpt", unlockpt(fd));
		ssize_t rc = ptsname_r(fd, name, sizeof name);
		say("ptsname", "%s %s", error_name((int)rc), rc == 0 ? name : "");
		if (rc == 0 && stat(name, &st) == 0)
			say("new pty", "mode %04o owner %u:%u", st.st_mode & 07777, st.st_uid,
			    st.st_gid);
		close(fd);
	}
}

/* The argument that is an existing file. */
static const char *find_self(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '/' && access(argv[i], X_OK) == 0)
			return argv[i];
	return "/nowhere";
}

/* The outputs come first, then the probe itself. */
static int make_outputs(int argc, char **argv)
{
	for (int i = 1; i < argc && argv[i][0] == '/'; i++) {
		int fd = open(argv[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

		if (fd < 0)
			return errno != EEXIST;
		close(fd);
	}
	return 0;
}

int main(int argc, char **argv, char **env)
{
	/* Before anything opens a descriptor. */
	show_descriptors();
	show_arguments(argc, argv);
	show_environment(env);
	show_ids();
	show_process();
	show_limits();
	show_status();
	show_proc_self();
	show_terminal();
	show_mounts();
	show_files();
	if (getuid() == 0)
		try_cgroup();
	/* Root, where a build has it, can leave its root directory, which it tries below. */
	if (getuid() == 0 && make_outputs(argc, argv) != 0)
		return 1;
	try_files(find_self(argc, argv));
	try_calls();
	try_network();
	/* A line end that a terminal that is not raw would change, and one that is missing. */
	say("end", "%s", "reached");
	return getuid() == 0 ? 0 : make_outputs(argc, argv);
}

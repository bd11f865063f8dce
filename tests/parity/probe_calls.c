/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* System calls that a sandbox may refuse, and the network. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "probe.h"

/* Run TRY in a child, as what it does cannot be undone: its errno is the exit code. */
static void say_forked(const char *key, int (*try)(void))
{
	int status;

	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		errno = 0;
		_exit(try() < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		say(key, "signal %d", WTERMSIG(status));
	else
		say(key, "%s", error_name(WEXITSTATUS(status)));
}

static int try_setuid(void)
{
	return setuid(0);
}
static int try_setgid(void)
{
	return setgid(0);
}
static int try_setresuid(void)
{
	return setresuid(65534, 65534, 65534);
}
static int try_setgroups(void)
{
	gid_t g = 100;
	return (int)syscall(SYS_setgroups, 1, &g);
}
static int try_setgroups_0(void)
{
	return (int)syscall(SYS_setgroups, 0, NULL);
}
static int try_chroot(void)
{
	return chroot(".");
}
static int try_pivot(void)
{
	return (int)syscall(SYS_pivot_root, ".", ".");
}
static int try_mount_tmpfs(void)
{
	return mount("none", ".", "tmpfs", 0, NULL);
}
static int try_mount_proc(void)
{
	return mount("none", "/proc", "proc", 0, NULL);
}
static int try_bind(void)
{
	return mount(".", "/tmp", NULL, MS_BIND, NULL);
}
static int try_remount(void)
{
	return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL);
}
static int try_umount(void)
{
	return umount2("/nix/store", MNT_DETACH);
}
static int try_sethostname(void)
{
	return sethostname("x", 1);
}
static int try_setdomainname(void)
{
	return setdomainname("x", 1);
}
static int try_ptrace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static int try_attach_1(void)
{
	return (int)ptrace(PTRACE_SEIZE, 1, NULL, NULL);
}
static int try_kill_all(void)
{
	return kill(-1, 0);
}
static int try_nice(void)
{
	return setpriority(PRIO_PROCESS, 0, -5);
}
static int try_fifo(void)
{
	struct sched_param p = {.sched_priority = 1};
	return sched_setscheduler(0, SCHED_FIFO, &p);
}
static int try_ioprio(void)
{
	return (int)syscall(SYS_ioprio_set, 1, 0, 1 << 13 | 4);
}
static int try_raise_core(void)
{
	struct rlimit l;
	getrlimit(RLIMIT_CORE, &l);
	l.rlim_cur = l.rlim_max;
	return setrlimit(RLIMIT_CORE, &l);
}
static int try_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -1 : (int)write(fd, "-500", 4);
}
static int try_settime(void)
{
	struct timespec t = {1, 0};
	return clock_settime(CLOCK_REALTIME, &t);
}
static int try_adjtime(void)
{
	struct timex t = {.modes = ADJ_STATUS};
	return adjtimex(&t) < 0 ? -1 : 0;
}
static int try_capset(void)
{
	struct {
		uint32_t version;
		int pid;
	} h = {0x20080522, 0};
	struct {
		uint32_t e, p, i;
	} d[2] = {{1, 1, 0}, {0, 0, 0}};
	return (int)syscall(SYS_capset, &h, d);
}
static int try_bounding(void)
{
	return prctl(PR_CAPBSET_DROP, 0, 0, 0, 0);
}
static int try_ambient(void)
{
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0);
}
static int try_unshare_user(void)
{
	return unshare(CLONE_NEWUSER);
}
static int try_unshare_mnt(void)
{
	return unshare(CLONE_NEWNS);
}
static int try_unshare_net(void)
{
	return unshare(CLONE_NEWNET);
}
static int try_unshare_uts(void)
{
	return unshare(CLONE_NEWUTS);
}
static int try_unshare_pid(void)
{
	return unshare(CLONE_NEWPID);
}
static int try_unshare_cgroup(void)
{
	return unshare(CLONE_NEWCGROUP);
}
static int try_unshare_all(void)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
		       CLONE_NEWCGROUP);
}
static int nested(void)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID);
}
static int try_nested_tmpfs(void)
{
	return nested() < 0 ? -1 : try_mount_tmpfs();
}
static int try_nested_bind(void)
{
	return nested() < 0 ? -1 : try_bind();
}
static int try_nested_overlay(void)
{
	mkdir("u", 0777);
	mkdir("w", 0777);
	mkdir("o", 0777);
	return nested() < 0
		       ? -1
		       : mount("none", "o", "overlay", 0, "lowerdir=/tmp,upperdir=u,workdir=w");
}
static int try_nested_proc(void)
{
	int status;
	if (nested() < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		errno = 0;
		_exit(try_mount_proc() < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	errno = WEXITSTATUS(status);
	return errno ? -1 : 0;
}
static int try_nested_devpts(void)
{
	return nested() < 0 ? -1 : mount("none", ".", "devpts", 0, "newinstance");
}
static int try_nested_map(void)
{
	if (unshare(CLONE_NEWUSER) < 0)
		return -1;
	int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -1 : (int)write(fd, "0 1000 1", 8);
}
static int try_setns(void)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return setns(fd, CLONE_NEWNS);
}
static int try_setctty(void)
{
	setsid();
	return ioctl(1, TIOCSCTTY, 0);
}
static int try_sti(void)
{
	return ioctl(1, TIOCSTI, "x");
}
static int try_winsize(void)
{
	struct winsize w = {0};
	return ioctl(1, TIOCSWINSZ, &w);
}
static int try_mlock(void)
{
	static char page[4096];
	return mlock(page, sizeof page);
}
static int try_personality(void)
{
	return personality(PER_LINUX32) < 0 ? -1 : 0;
}
static int try_add_key(void)
{
	return (int)syscall(SYS_add_key, "user", "probe", "x", 1, -3) < 0 ? -1 : 0;
}
static int try_session_key(void)
{
	char text[256];
	return (int)syscall(SYS_keyctl, 6 /* KEYCTL_DESCRIBE */, -3, text, sizeof text) < 0 ? -1
											    : 0;
}
static int try_bpf(void)
{
	char attr[128] = {0};
	return (int)syscall(SYS_bpf, 0, attr, 48) < 0 ? -1 : 0;
}
static int try_perf(void)
{
	struct {
		uint32_t type, size;
		uint64_t config, rest[20];
	} a = {1, 112, 0, {0}};
	return (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0) < 0 ? -1 : 0;
}
static int try_userfaultfd(void)
{
	return (int)syscall(SYS_userfaultfd, 1) < 0 ? -1 : 0;
}
static int try_io_uring(void)
{
	char p[128] = {0};
	return (int)syscall(425, 1, p) < 0 ? -1 : 0;
}
static int try_syslog(void)
{
	return (int)syscall(SYS_syslog, 10, NULL, 0) < 0 ? -1 : 0;
}
static int try_module(void)
{
	return (int)syscall(SYS_finit_module, -1, "", 0);
}
static int try_handle(void)
{
	char h[136] = {0};
	((unsigned *)h)[0] = 128;
	int id;
	return (int)syscall(SYS_name_to_handle_at, AT_FDCWD, ".", h, &id, 0);
}
static int try_fanotify(void)
{
	return (int)syscall(SYS_fanotify_init, 0, 0) < 0 ? -1 : 0;
}
static int try_inotify(void)
{
	return inotify_init1(IN_CLOEXEC) < 0 ? -1 : 0;
}
static int try_memfd(void)
{
	return memfd_create("probe", 0) < 0 ? -1 : 0;
}
static int try_memfd_exec(void)
{
	return memfd_create("probe", 0x0010 /* MFD_EXEC */) < 0 ? -1 : 0;
}
static int try_pidfd(void)
{
	return (int)syscall(434, getpid(), 0) < 0 ? -1 : 0;
}
static int try_clone3(void)
{
	return (int)syscall(435, NULL, 0);
}
static int try_kcmp(void)
{
	return (int)syscall(SYS_kcmp, getpid(), getpid(), 1, 0, 0) < 0 ? -1 : 0;
}
static int try_process_vm(void)
{
	int a = 0, b = 0;
	struct iovec l = {&a, sizeof a}, r = {&b, sizeof b};
	return syscall(SYS_process_vm_readv, getppid(), &l, 1, &r, 1, 0) < 0 ? -1 : 0;
}
static int try_setxattrat(void)
{
	struct {
		uint64_t value;
		uint32_t size, flags;
	} a = {(uintptr_t) "1", 1, 0};
	return (int)syscall(463, AT_FDCWD, ".", 0, "user.x", &a, sizeof a);
}
static int try_landlock(void)
{
	return (int)syscall(444, NULL, 0, 1) < 0 ? -1 : 0;
}
static int try_seccomp(void)
{
	return prctl(PR_SET_SECCOMP, 1) < 0 ? -1 : 0;
}
static int try_shm(void)
{
	return shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600) < 0 ? -1 : 0;
}
static int try_mq(void)
{
	return (int)syscall(SYS_mq_open, "probe", O_CREAT | O_RDWR, 0600, NULL) < 0 ? -1 : 0;
}
static int try_quota(void)
{
	return (int)syscall(SYS_quotactl, 0x800001 << 8, "/dev/null", 0, NULL);
}
static int try_acct(void)
{
	return acct(NULL);
}
static int try_swapoff(void)
{
	return (int)syscall(SYS_swapoff, ".");
}
static int try_vhangup(void)
{
	return vhangup();
}
static int try_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 0);
}
static int try_subreaper(void)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void try_calls(void)
{
	static const struct {
		const char *name;
		int (*try)(void);
	} calls[] = {
		{"setuid 0", try_setuid},
		{"setgid 0", try_setgid},
		{"setresuid 65534", try_setresuid},
		{"setgroups", try_setgroups},
		{"setgroups of none", try_setgroups_0},
		{"chroot", try_chroot},
		{"pivot_root", try_pivot},
		{"mount tmpfs", try_mount_tmpfs},
		{"mount proc", try_mount_proc},
		{"bind mount", try_bind},
		{"remount", try_remount},
		{"umount the store", try_umount},
		{"sethostname", try_sethostname},
		{"setdomainname", try_setdomainname},
		{"ptrace itself", try_ptrace},
		{"ptrace 1", try_attach_1},
		{"kill -1", try_kill_all},
		{"nice -5", try_nice},
		{"SCHED_FIFO", try_fifo},
		{"ioprio real-time", try_ioprio},
		{"raise the core limit", try_raise_core},
		{"lower oom_score_adj", try_oom},
		{"set the clock", try_settime},
		{"adjust the clock", try_adjtime},
		{"capset", try_capset},
		{"drop from the bounding set", try_bounding},
		{"raise ambient", try_ambient},
		{"unshare user", try_unshare_user},
		{"unshare mount", try_unshare_mnt},
		{"unshare network", try_unshare_net},
		{"unshare uts", try_unshare_uts},
		{"unshare pid", try_unshare_pid},
		{"unshare cgroup", try_unshare_cgroup},
		{"unshare all", try_unshare_all},
		{"nested tmpfs", try_nested_tmpfs},
		{"nested bind", try_nested_bind},
		{"nested overlay", try_nested_overlay},
		{"nested proc", try_nested_proc},
		{"nested devpts", try_nested_devpts},
		{"nested uid_map", try_nested_map},
		{"setns", try_setns},
		{"TIOCSCTTY", try_setctty},
		{"TIOCSTI", try_sti},
		{"TIOCSWINSZ", try_winsize},
		{"mlock", try_mlock},
		{"set personality", try_personality},
		{"add_key", try_add_key},
		{"describe the session's keyring", try_session_key},
		{"bpf", try_bpf},
		{"perf_event_open", try_perf},
		{"userfaultfd", try_userfaultfd},
		{"io_uring_setup", try_io_uring},
		{"syslog", try_syslog},
		{"finit_module", try_module},
		{"name_to_handle_at", try_handle},
		{"fanotify_init", try_fanotify},
		{"inotify_init", try_inotify},
		{"memfd_create", try_memfd},
		{"memfd_create executable", try_memfd_exec},
		{"pidfd_open", try_pidfd},
		{"clone3", try_clone3},
		{"kcmp", try_kcmp},
		{"process_vm_readv", try_process_vm},
		{"setxattrat", try_setxattrat},
		{"landlock", try_landlock},
		{"strict seccomp", try_seccomp},
		{"shmget", try_shm},
		{"mq_open", try_mq},
		{"quotactl", try_quota},
		{"acct", try_acct},
		{"swapoff", try_swapoff},
		{"vhangup", try_vhangup},
		{"undumpable", try_dumpable},
		{"become subreaper", try_subreaper},
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		say_forked(keyf("call %s", calls[i].name), calls[i].try);
}

/* ---- the network ---- */

static void show_interfaces(void)
{
	struct ifaddrs *all = NULL;
	char text[128];

	if (getifaddrs(&all) < 0) {
		say("interfaces", "%s", error_name(errno));
		return;
	}
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		if (!i->ifa_addr || strcmp(i->ifa_name, "lo") != 0)
			continue;
		int family = i->ifa_addr->sa_family;
		if (family == AF_INET)
			inet_ntop(family, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, text,
				  sizeof text);
		else if (family == AF_INET6)
			inet_ntop(family, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, text,
				  sizeof text);
		else
			snprintf(text, sizeof text, "link");
		say(keyf("interface %s %s", i->ifa_name, text), "%#x", i->ifa_flags);
	}
	freeifaddrs(all);
	int n = 0;
	struct if_nameindex *names = if_nameindex();
	for (; names && names[n].if_index; n++)
		;
	say("interfaces", "%d", n);
}

/* Listen on ADDR and connect to oneself. */
static int loop(int family, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_storage got;
	socklen_t got_len = sizeof got;
	int s = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int c = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (s < 0 || bind(s, addr, len) < 0 || listen(s, 1) < 0 ||
	    getsockname(s, (struct sockaddr *)&got, &got_len) < 0 ||
	    connect(c, (struct sockaddr *)&got, got_len) < 0)
		return -1;
	close(s);
	close(c);
	return 0;
}

/* Where somebody of the machine listens stands in a file that is mounted: an abstract address. */
static int connect_outside(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = open("/a-dir/socket", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, un.sun_path + 1, sizeof un.sun_path - 1);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (n < 0 || s < 0)
		return -1;
	close(fd);
	int rc = connect(s, (struct sockaddr *)&un,
			 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n));
	close(s);
	return rc;
}

void try_network(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in low = in, far = in;
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "probe-socket"};
	struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0nih-probe"};

	show_interfaces();
	low.sin_port = htons(80);
	inet_pton(AF_INET, "192.0.2.1", &far.sin_addr);
	far.sin_port = htons(9);
	say_err("listen 127.0.0.1", loop(AF_INET, (struct sockaddr *)&in, sizeof in));
	say_err("listen ::1", loop(AF_INET6, (struct sockaddr *)&in6, sizeof in6));
	say_err("listen unix", loop(AF_UNIX, (struct sockaddr *)&un, sizeof un));
	say_err("listen abstract",
		loop(AF_UNIX, (struct sockaddr *)&abstract, sizeof(sa_family_t) + 10));
	say_err("connect abstract outside", connect_outside());
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = bind(s, (struct sockaddr *)&low, sizeof low);
	/* On the machine's own network the port may be in use. */
	say("bind port 80", "%s",
	    rc < 0 && errno == EADDRINUSE ? "ok" : error_name(rc < 0 ? errno : 0));
	close(s);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	say_err("connect udp 192.0.2.1", connect(s, (struct sockaddr *)&far, sizeof far));
	close(s);
	say_err("socket raw", socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
	say_err("socket ping", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP));
	say_err("socket packet", socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
	say_err("socket netlink", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
	say_err("socket vsock", socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
	say_err("socket alg", socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	unlink("probe-socket");
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A builder that prints what its sandbox is like, one fact a line. Linked statically by
 * tests/spec/runtimes.sh, so that nothing else of the machine has to be inside.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

#define STORE "/nix/store"
#define INPUT STORE "/00000000000000000000000000000000-a"
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* The result of a call: "ok" or the errno's name. */
#define TRY(call)                                                                   \
	do {                                                                        \
		errno = 0;                                                          \
		long rc_ = (long)(call);                                            \
		printf("%s: %s\n", #call, rc_ < 0 ? strerrorname_np(errno) : "ok"); \
	} while (0)

static void show_file(const char *path)
{
	struct stat st;
	char target[256] = "";

	if (lstat(path, &st) < 0) {
		printf("%s %s\n", path, strerrorname_np(errno));
		return;
	}
	printf("%s %o %u:%u", path, st.st_mode, st.st_uid, st.st_gid);
	if (S_ISLNK(st.st_mode) && readlink(path, target, sizeof target - 1) > 0)
		printf(" -> %s", target);
	if (S_ISCHR(st.st_mode))
		printf(" c %u,%u", major(st.st_rdev), minor(st.st_rdev));
	printf("\n");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void show_names(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, by_name);

	printf("%s:", path);
	for (int i = 0; i < n; i++)
		if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0)
			printf(" %s", names[i]->d_name);
	printf("\n");
}

static void show_status(void)
{
	static const char *const keys[] = {
		"Uid:",    "Gid:",    "Groups:", "CapInh:",     "CapPrm:",
		"CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:"};
	FILE *f = fopen("/proc/self/status", "re");
	char line[512];

	while (f && fgets(line, sizeof line, f))
		for (size_t i = 0; i < COUNT(keys); i++)
			if (strncmp(line, keys[i], strlen(keys[i])) == 0)
				fputs(line, stdout);
}

static void show_process(char **env)
{
	struct utsname uts;
	struct rlimit core;
	mode_t mask = umask(022);

	uname(&uts);
	getrlimit(RLIMIT_CORE, &core);
	printf("umask %03o, cwd %s, pid %d, sid %d\n", mask, getcwd(NULL, 0), getpid(), getsid(0));
	printf("host %s, core soft %ld hard %ld\n", uts.nodename, (long)core.rlim_cur,
	       (long)core.rlim_max);
	printf("domain %s\n", uts.domainname);
	for (; *env; env++)
		printf("env %s\n", *env);
	for (int fd = 3; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("fd %d is open\n", fd);
}

static void show_network(void)
{
	struct ifreq lo = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ioctl(fd, SIOCGIFFLAGS, &lo);
	printf("lo is %s\n", lo.ifr_flags & IFF_UP ? "up" : "down");
}

static void show_files(void)
{
	static const char *const paths[] = {
		"/",           "/build",        "/etc",
		"/tmp",        "/dev",          "/etc/passwd",
		"/etc/group",  "/etc/hosts",    "/nix",
		STORE,         INPUT,           STORE "/00000000000000000000000000000000-l",
		"/dev/pts",    "/dev/pts/ptmx", "/dev/shm",
		"/dev/full",   "/dev/null",     "/dev/random",
		"/dev/tty",    "/dev/urandom",  "/dev/zero",
		"/dev/fd",     "/dev/stdin",    "/dev/stdout",
		"/dev/stderr", "/dev/ptmx",     "/build/.attr",
		"/link",
	};

	for (size_t i = 0; i < COUNT(paths); i++)
		show_file(paths[i]);
	show_names("/");
	show_names("/dev");
	show_names(STORE);
}

static void try_what_is_forbidden(void)
{
	TRY(mkdir("/foo", 0755));
	TRY(open("/etc/x", O_CREAT | O_WRONLY, 0644));
	TRY(open("/nix/x", O_CREAT | O_WRONLY, 0644));
	TRY(mkdir("/dev/q", 0755));
	TRY(open(INPUT "/x", O_CREAT | O_WRONLY, 0644));
	TRY(rmdir(INPUT));
	TRY(mount("none", "/tmp", "tmpfs", 0, ""));
	TRY(chroot("/"));
	TRY(sethostname("x", 1));
	TRY(setgroups(0, NULL));
	TRY(socket(AF_INET, SOCK_RAW, 1));
	TRY(setuid(0));
	TRY(open("/dev/tty", O_RDWR));
	TRY(open("/proc/sys/kernel/hostname", O_WRONLY));
}

static void try_what_is_allowed(void)
{
	TRY(mkdir(STORE "/new", 0755));
	TRY(mkdir("/build/new", 0755));
	TRY(mkdir("/tmp/new", 0755));
	TRY(mkdir("/dev/shm/new", 0755));
	TRY(posix_openpt(O_RDWR | O_NOCTTY));
	TRY(open("/dev/null", O_RDWR));
	TRY(open("/dev/full", O_RDWR));
	TRY(open("/dev/urandom", O_RDONLY));
	TRY(chmod("/build/new", 01755));
}

static void try_the_filter(void)
{
	char value[8];

	TRY(chmod("/build/new", 04755));
	TRY(chmod("/build/new", 02755));
	TRY(fchmodat(AT_FDCWD, "/build/new", 04755, 0));
	TRY(setxattr("/build/new", "user.x", "a", 1, 0));
	TRY(getxattr("/build/new", "user.x", value, sizeof value));
}

int main(int argc, char **argv, char **env)
{
	(void)argc;
	(void)argv;
	show_process(env);
	show_status();
	show_network();
	show_files();
	try_what_is_forbidden();
	try_what_is_allowed();
	try_the_filter();
	TRY(unshare(CLONE_NEWUSER));
	return 0;
}

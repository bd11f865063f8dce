/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lies where, and what may be done to it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "probe.h"

/* ---- mounts and files ---- */

static const char *const flags_wanted[] = {"ro",      "rw",         "nosuid",
					   "nodev",   "noexec",     "relatime",
					   "noatime", "nodiratime", "nosymfollow"};

/* The flags, in one order. */
static void put_flags(char *out, size_t size, char *flags)
{
	out[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(flags_wanted); i++) {
		const char *at = flags;
		size_t n = strlen(flags_wanted[i]);
		for (; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
			if (strncmp(at, flags_wanted[i], n) == 0 && (at[n] == ',' || !at[n]))
				snprintf(out + strlen(out), size - strlen(out), "%s%s",
					 out[0] ? "," : "", flags_wanted[i]);
	}
}

/* One line of mountinfo; what is on a disk has the disk's type and options on both sides. */
static void show_mount(char *line)
{
	char root[4096], target[4096], flags[1024], rest[4096], type[256], source[4096],
		super[4096];
	char shown[1024];
	int at = 0;

	if (sscanf(line, "%*d %*d %*s %4095s %4095s %1023s %n", root, target, flags, &at) < 3)
		return;
	snprintf(rest, sizeof rest, "%s", line + at);
	char *dash = strstr(rest, "- ");
	if (!dash || sscanf(dash + 2, "%255s %4095s %4095s", type, source, super) != 3)
		return;
	*dash = '\0';
	bool kernels = strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0 ||
		       strcmp(type, "tmpfs") == 0 || strcmp(type, "devpts") == 0 ||
		       strcmp(type, "mqueue") == 0 || strncmp(type, "cgroup", 6) == 0;
	bool whole = strcmp(root, "/") == 0;
	put_flags(shown, sizeof shown, flags);
	say(keyf("mount %s", target), "%s, %s%s%s%s%s", shown,
	    strstr(rest, "shared:") ? "shared" : "private",
	    strstr(rest, "master:") ? ", slave" : "", kernels && whole ? ", " : "",
	    kernels && whole ? type : "", kernels && whole ? keyf(" %s %s", source, super) : "");
}

void show_mounts(void)
{
	static char buf[1 << 20], order[65536];
	char *save = NULL, target[4096];

	slurp("/proc/self/mountinfo", buf, sizeof buf);
	for (char *l = strtok_r(buf, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (sscanf(l, "%*d %*d %*s %*s %4095s", target) == 1)
			snprintf(order + strlen(order), sizeof order - strlen(order), "%s ",
				 target);
		show_mount(l);
	}
	say("mount order", "%s", order);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* What show_tree() has to say of one file. */
static void show_path(const char *path, const struct stat *st)
{
	char detail[8192] = "";

	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlink(path, detail, sizeof detail - 64);
		snprintf(detail + (n > 0 ? n : 0), 64, "%s", st->st_mtime == 1 ? ", time 1" : "");
	} else if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		snprintf(detail, sizeof detail, "%u,%u", major(st->st_rdev), minor(st->st_rdev));
	} else if (S_ISREG(st->st_mode)) {
		snprintf(detail, sizeof detail, "%lld bytes, %lu links", (long long)st->st_size,
			 (unsigned long)st->st_nlink);
	}
	static const char types[] = "?pc?d?b?-?l?s???";
	say(keyf("file %s", path), "%c%04o %u:%u %s", types[st->st_mode >> 12], st->st_mode & 07777,
	    st->st_uid, st->st_gid, detail);
	if (S_ISREG(st->st_mode) && st->st_size < 8192 &&
	    (strncmp(path, "/etc/", 5) == 0 ||
	     strncmp(path, getenv("NIX_BUILD_TOP"), strlen(getenv("NIX_BUILD_TOP"))) == 0)) {
		ssize_t n = slurp(path, detail, sizeof detail);
		say(keyf("contents %s", path), "%s", n < 0 ? error_name(errno) : detail);
	}
}

static void show_tree(const char *path, int depth)
{
	struct dirent **names;
	struct stat st;
	char below[4096];

	if (lstat(path, &st) < 0) {
		say(keyf("file %s", path), "%s", error_name(errno));
		return;
	}
	show_path(path, &st);
	if (!S_ISDIR(st.st_mode) || depth > 20 || strcmp(path, "/proc") == 0 ||
	    strcmp(path, "/sys") == 0)
		return;
	int n = scandir(path, &names, NULL, by_name);
	if (n < 0)
		say(keyf("list %s", path), "%s", error_name(errno));
	for (int i = 0; i < n; i++) {
		if (strcmp(names[i]->d_name, ".") == 0 || strcmp(names[i]->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof below, "%s/%s", path[1] ? path : "", names[i]->d_name);
		show_tree(below, depth + 1);
	}
}

/* /proc itself: what is there, and that nothing of it is masked. */
static void show_proc(void)
{
	struct dirent **names;
	struct stat st, mask;
	static const char *const paths[] = {"/proc/kcore",
					    "/proc/keys",
					    "/proc/latency_stats",
					    "/proc/timer_list",
					    "/proc/sched_debug",
					    "/proc/acpi",
					    "/proc/scsi",
					    "/proc/asound",
					    "/proc/bus",
					    "/proc/fs",
					    "/proc/irq",
					    "/proc/sys",
					    "/proc/sysrq-trigger",
					    "/proc/sys/kernel/hostname",
					    "/proc/sys/kernel/core_pattern"};
	int n = scandir("/proc", &names, NULL, by_name);

	stat("/dev/null", &mask);
	for (int i = 0; i < n; i++) {
		const char *path = names[i]->d_name;
		if (path[0] == '.' || (path[0] >= '0' && path[0] <= '9'))
			continue;
		char full[512];
		snprintf(full, sizeof full, "/proc/%s", path);
		if (lstat(full, &st) == 0)
			say(keyf("proc %s", path), "%06o %u:%u", st.st_mode, st.st_uid, st.st_gid);
	}
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int r = open(paths[i], O_RDONLY | O_CLOEXEC);
		say_err(keyf("read %s", paths[i]), r);
		int w = open(paths[i], O_WRONLY | O_CLOEXEC);
		say_err(keyf("write %s", paths[i]), w);
		close(r);
		close(w);
	}
}

static void show_sizes(void)
{
	static const char *const paths[] = {"/dev/shm", "/tmp", ".", "/nix/store", "/", "/dev"};
	struct statvfs v;
	struct statfs f;
	struct stat root, st;

	stat("/", &root);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (statfs(paths[i], &f) < 0 || statvfs(paths[i], &v) < 0 ||
		    stat(paths[i], &st) < 0)
			continue;
		bool tmpfs = f.f_type == 0x01021994;
		say(keyf("file system of %s", paths[i]), "%s%s, %s the root's",
		    tmpfs ? "tmpfs" : "disk",
		    tmpfs ? keyf(" of %lld", (long long)f.f_blocks * f.f_bsize) : "",
		    st.st_dev == root.st_dev ? "is" : "is not");
	}
}

/* ---- what works and what does not ---- */

static int touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0)
		return -1;
	close(fd);
	return unlink(path);
}

static int make_dir(const char *path)
{
	return mkdir(path, 0777) < 0 ? -1 : rmdir(path);
}

static void try_writes(const char *self)
{
	static const char *const dirs[] = {"",         "/nix",     "/nix/store", "/dev",
					   "/dev/shm", "/dev/pts", "/etc",       ".",
					   "/tmp",     "/proc",    "/proc/sys",  "/bin"};
	char path[4096];

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof path, "%s/probe-new", dirs[i]);
		say_err(keyf("mkdir %s", path), make_dir(path));
		say_err(keyf("touch %s", path), touch(path));
	}
	say_err("write an input", open(self, O_WRONLY | O_CLOEXEC));
	say_err("chmod an input", chmod(self, 0777));
	say_err("utimes of an input", utimes(self, NULL));
	say_err("unlink an input", unlink(self));
	say_err("rename an input", rename(self, "/nix/store/probe-renamed"));
	say_err("rename over an input", rename("/tmp", self));
	say_err("link an input", link(self, "probe-linked"));
	say_err("link an input in the store", link(self, "/nix/store/probe-linked"));
	unlink("probe-linked");
	unlink("/nix/store/probe-linked");
	say_err("write /etc/passwd", open("/etc/passwd", O_WRONLY | O_CLOEXEC));
	say_err("unlink /etc/passwd", unlink("/etc/passwd"));
	say_err("write /bin/sh", open("/bin/sh", O_WRONLY | O_CLOEXEC));
	say_err("chmod /", chmod("/", 0777));
	say_err("chmod /nix/store", chmod("/nix/store", 01777));
	say_err("chmod /tmp", chmod("/tmp", 0777));
	say_err("chmod the build directory", chmod(".", 0700));
	say_err("rmdir the build directory", rmdir(getenv("NIX_BUILD_TOP")));
}

/* Between the places where a build may write. */
static void try_moves(void)
{
	static const char *const dirs[] = {".", "/tmp", "/nix/store", "/dev/shm"};
	char from[64], to[64];

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(dirs); k++) {
			if (i == k)
				continue;
			snprintf(from, sizeof from, "%s/probe-a", dirs[i]);
			snprintf(to, sizeof to, "%s/probe-b", dirs[k]);
			close(open(from, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
			say_err(keyf("link %s %s", from, to), link(from, to));
			unlink(to);
			say_err(keyf("rename %s %s", from, to), rename(from, to));
			unlink(from);
			unlink(to);
		}
	}
}

/* The mode of what was made with set-id bits: RC says whether it was. */
static void say_created(const char *key, long rc)
{
	static const char f[] = "probe-setuid";
	struct stat st = {0};

	if (rc < 0 || lstat(f, &st) < 0)
		say(key, "%s", error_name(errno));
	else
		say(key, "%04o", st.st_mode & 07777);
	remove(f);
}

static void try_created(void)
{
	static const char f[] = "probe-setuid";
	struct {
		uint64_t flags, mode, resolve;
	} how = {O_CREAT | O_RDWR, 04755, 0};
	struct stat st = {0};

	say_created("open with mode 04755", open(f, O_RDWR | O_CREAT | O_CLOEXEC, 04755));
	say_created("open with mode 02755", open(f, O_RDWR | O_CREAT | O_CLOEXEC, 02755));
	say_created("openat with mode 02644",
		    openat(AT_FDCWD, f, O_RDWR | O_CREAT | O_CLOEXEC, 02644));
	say_created("creat with mode 04755", syscall(SYS_creat, f, 04755));
	say_created("mknod with mode 04755", mknod(f, S_IFREG | 04755, 0));
	say_created("mkdir with mode 02755", mkdir(f, 02755));
	say_created("openat2 with mode 04755", syscall(437, AT_FDCWD, f, &how, sizeof how));
	/* A mode without O_CREAT has no meaning. */
	close(creat(f, 0644));
	say_created("open what is there with mode 04755", open(f, O_RDWR | O_CLOEXEC, 04755));
	int made = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 04755);
	if (made < 0 || fstat(made, &st) < 0)
		say("O_TMPFILE with mode 04755", "%s", error_name(errno));
	else
		say("O_TMPFILE with mode 04755", "%04o", st.st_mode & 07777);
	close(made);
}

static void try_modes(void)
{
	static const char f[] = "probe-file";
	int fd = open(f, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	char buf[64];
	static const mode_t modes[] = {04755, 02755, 01755, 06755};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		say_err(keyf("chmod %04o", modes[i]), chmod(f, modes[i]));
		say_err(keyf("fchmod %04o", modes[i]), fchmod(fd, modes[i]));
		say_err(keyf("fchmodat %04o", modes[i]), fchmodat(AT_FDCWD, f, modes[i], 0));
		say_err(keyf("fchmodat2 %04o", modes[i]), syscall(452, AT_FDCWD, f, modes[i], 0));
	}
	try_created();
	say_err("setxattr", setxattr(f, "user.x", "1", 1, 0));
	say_err("lsetxattr", lsetxattr(f, "user.x", "1", 1, 0));
	say_err("fsetxattr", fsetxattr(fd, "user.x", "1", 1, 0));
	say_err("getxattr", getxattr(f, "user.x", buf, sizeof buf));
	say_err("lgetxattr", lgetxattr(f, "user.x", buf, sizeof buf));
	say_err("fgetxattr", fgetxattr(fd, "user.x", buf, sizeof buf));
	say_err("listxattr", listxattr(f, buf, sizeof buf));
	say_err("removexattr", removexattr(f, "user.x"));
	say_err("set a posix acl", setxattr(f, "system.posix_acl_access", "1", 1, 0));
	say_err("chown to 0", chown(f, 0, (gid_t)-1));
	say_err("chown to 65534", chown(f, 65534, (gid_t)-1));
	say_err("chown to itself", chown(f, getuid(), getgid()));
	say_err("chgrp to 0", chown(f, (uid_t)-1, 0));
	say_err("mknod fifo", mknod("probe-node", S_IFIFO | 0666, 0));
	unlink("probe-node");
	say_err("mknod file", mknod("probe-node", S_IFREG | 0666, 0));
	unlink("probe-node");
	say_err("mknod null", mknod("probe-node", S_IFCHR | 0666, makedev(1, 3)));
	say_err("mknod whiteout", mknod("probe-node", S_IFCHR | 0666, 0));
	unlink("probe-node");
	say_err("O_TMPFILE", open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	say_err("flock", flock(fd, LOCK_EX | LOCK_NB));
	close(fd);
	unlink(f);
}

static void try_devices(void)
{
	char c;
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC);

	say_err("write /dev/full", write(fd, "x", 1));
	close(fd);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	say_err("write /dev/null", write(fd, "x", 1));
	say("read /dev/null", "%zd", read(fd, &c, 1));
	close(fd);
	say("read stdin", "%zd", read(0, &c, 1));
	say_err("write stdin", write(0, "x", 1));
	fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	say("read /dev/urandom", "%zd", read(fd, &c, 1));
	close(fd);
	say_err("open /dev/kvm", open("/dev/kvm", O_RDWR | O_CLOEXEC));
	say_err("open /dev/fuse", open("/dev/fuse", O_RDWR | O_CLOEXEC));
}

void show_files(void)
{
	show_tree("/", 0);
	show_proc();
	show_sizes();
}

void try_files(const char *self)
{
	try_writes(self);
	try_moves();
	try_modes();
	try_devices();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cgroup/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "hook/cgroup/cgroup_internal.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define PROC_FILE_MAX (1 << 20)
#define DEPTH_MAX 32 /* levels of groups below the group of a build */
#define DEPTH_MAX_TEXT "32"
#define REMOVE_TRIES 200
#define REMOVE_WAIT_NS 5000000L

static bool fs_is(const char *path, long magic)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (long)fs.f_type == magic;
}

enum cgroup_layout cgroup_layout_detect(void)
{
	static const char *const v1[] = {
		CGROUP_ROOT "/memory", CGROUP_ROOT "/pids",    CGROUP_ROOT "/cpu",
		CGROUP_ROOT "/cpuset", CGROUP_ROOT "/devices", CGROUP_ROOT "/systemd",
	};

	if (fs_is(CGROUP_ROOT, CGROUP2_SUPER_MAGIC))
		return CGROUP_V2;
	if (fs_is(CGROUP_ROOT "/unified", CGROUP2_SUPER_MAGIC))
		return CGROUP_HYBRID;
	for (size_t i = 0; i < ARRAY_SIZE(v1); i++)
		if (fs_is(v1[i], CGROUP_SUPER_MAGIC))
			return CGROUP_V1;
	return CGROUP_NONE;
}

static const char *line_end(const char *p)
{
	return strchrnul(p, '\n');
}

static const char *next_line(const char *p)
{
	const char *end = line_end(p);

	return *end ? end + 1 : end;
}

/* Return the word at *P, and move *P past it and one blank. */
static struct bytes next_word(const char **p, const char *end)
{
	struct bytes w = {*p, 0};

	while (*p < end && **p != ' ')
		++*p;
	w.len = (size_t)(*p - w.data);
	if (*p < end)
		++*p;
	return w;
}

static bool bytes_eq(struct bytes a, struct bytes b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool bytes_eq_s(struct bytes a, const char *s)
{
	return bytes_eq(a, (struct bytes){s, strlen(s)});
}

/* Tell whether the comma-separated LIST contains every word of the comma-separated WORDS. */
static bool list_has_all(struct bytes list, struct bytes words)
{
	const char *end = words.data + words.len;

	for (const char *p = words.data; p < end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		struct bytes word = {p, (size_t)((comma ? comma : end) - p)};
		bool found = false;

		for (const char *q = list.data; q < list.data + list.len;) {
			const char *list_end = list.data + list.len;
			const char *c = memchr(q, ',', (size_t)(list_end - q));

			found = found ||
				bytes_eq((struct bytes){q, (size_t)((c ? c : list_end) - q)}, word);
			q = c ? c + 1 : list_end;
		}
		if (!found)
			return false;
		p = comma ? comma + 1 : end;
	}
	return true;
}

struct hierarchy {
	struct bytes controllers; /* "" for cgroup v2 */
	struct bytes path;
};

/* Parse LINE, `N:controllers:/path` (cgroups(7)). False: it is none. */
static bool parse_hierarchy(const char *line, struct hierarchy *ret)
{
	const char *end = line_end(line);
	const char *a = memchr(line, ':', (size_t)(end - line));
	const char *b = a ? memchr(a + 1, ':', (size_t)(end - a - 1)) : NULL;

	if (!b)
		return false;
	ret->controllers = (struct bytes){a + 1, (size_t)(b - a - 1)};
	ret->path = (struct bytes){b + 1, (size_t)(end - b - 1)};
	return true;
}

static bool find_hierarchy(const char *text, struct bytes controllers, struct hierarchy *ret)
{
	for (const char *p = text; *p; p = next_line(p))
		if (parse_hierarchy(p, ret) && bytes_eq(ret->controllers, controllers))
			return true;
	return false;
}

bool cgroup_lists(const char *text, const char *list, const char *controller)
{
	const struct bytes wanted = {controller, strlen(controller)};

	for (const char *p = text; *p; p = next_line(p)) {
		struct hierarchy h;

		if (parse_hierarchy(p, &h) && h.controllers.len &&
		    list_has_all(h.controllers, wanted))
			return true;
	}
	for (const char *p = list, *end = line_end(list); p < end;)
		if (bytes_eq(next_word(&p, end), wanted))
			return true;
	return false;
}

/*
 * Find the mount of the hierarchy that has CONTROLLERS: its mount point, and which cgroup is the
 * root of the mount.
 */
static bool find_mount(const char *mountinfo, struct bytes controllers, struct bytes *ret_root,
		       struct bytes *ret_point)
{
	for (const char *line = mountinfo; *line; line = next_line(line)) {
		const char *p = line, *end = line_end(line);
		struct bytes word;

		/* id parent dev root point options [tags] - type source super; proc(5) */
		for (int i = 0; i < 3; i++)
			next_word(&p, end);
		*ret_root = next_word(&p, end);
		*ret_point = next_word(&p, end);
		do
			word = next_word(&p, end);
		while (p < end && !bytes_eq_s(word, "-"));
		struct bytes type = next_word(&p, end);
		next_word(&p, end);
		struct bytes super = next_word(&p, end);
		if (controllers.len == 0
			    ? bytes_eq_s(type, "cgroup2")
			    : bytes_eq_s(type, "cgroup") && list_has_all(super, controllers))
			return true;
	}
	return false;
}

/*
 * Return the directory of cgroup PATH in the hierarchy that has CONTROLLERS.
 * Heap. NULL with *E: an error; NULL without: no mount shows the cgroup.
 */
static char *cgroup_directory(const char *path, struct bytes controllers, const char *mountinfo,
			      struct err *e)
{
	struct bytes root, point;

	/* The kernel shows a cgroup outside this process's cgroup namespace with "..". */
	if (path[0] != '/' || strstr(path, "/..") ||
	    !find_mount(mountinfo, controllers, &root, &point))
		return NULL;
	if (!bytes_eq_s(root, "/")) {
		if (strncmp(path, root.data, root.len) != 0 || path[root.len] != '/')
			return NULL;
		path += root.len;
	}
	return str_fmt(e, "%.*s%s", (int)point.len, point.data, path);
}

/* Append the directory of cgroup H to RET if its name contains ID and a mount shows it. */
static int add_directory(const struct hierarchy *h, const char *mountinfo, const char *id,
			 struct strv *ret, struct err *e)
{
	scoped_free char *path = str_ndup(h->path.data, h->path.len, e);

	if (!path)
		return -1;
	if (!strstr(str_base(path), id))
		return 0;
	scoped_free char *dir = cgroup_directory(path, h->controllers, mountinfo, e);
	if (!dir)
		return err_is_set(e) ? -1 : 0;
	return strv_has(ret, dir) ? 0 : strv_take(ret, TAKE(dir, NULL), e);
}

int cgroup_match(const char *theirs, const char *ours, const char *mountinfo, const char *id,
		 struct strv *ret, struct err *e)
{
	for (const char *p = theirs; *p; p = next_line(p)) {
		struct hierarchy h, own;

		if (!parse_hierarchy(p, &h))
			continue;
		if (find_hierarchy(ours, h.controllers, &own) && bytes_eq(own.path, h.path))
			continue;
		if (add_directory(&h, mountinfo, id, ret, e) < 0)
			return -1;
	}
	return 0;
}

static int read_proc(const char *path, struct buf *b, struct err *e)
{
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "opening '%s'", path);
	return buf_read_fd(b, fd, path, e) < 0 || buf_addc(b, '\0', e) < 0 ? -1 : 0;
}

bool cgroup_has_controller(const char *controller)
{
	scoped_buf struct buf ours = BUF_INIT(PROC_FILE_MAX), list = BUF_INIT(PROC_FILE_MAX);
	struct err none = ERR_INIT, none2 = ERR_INIT;
	const bool v1 = read_proc("/proc/self/cgroup", &ours, &none) == 0;
	const bool v2 = read_proc("/sys/fs/cgroup/cgroup.controllers", &list, &none2) == 0;

	return cgroup_lists(v1 ? ours.data : "", v2 ? list.data : "", controller);
}

bool cgroup_may_create(const char *controller)
{
	char top[128];

	if (cgroup_layout_detect() == CGROUP_V2)
		return access("/sys/fs/cgroup", W_OK) == 0;
	return (size_t)snprintf(top, sizeof top, "/sys/fs/cgroup/%s", controller) < sizeof top &&
	       access(top, W_OK) == 0;
}

int cgroup_find(pid_t pid, const char *id, struct strv *ret, struct err *e)
{
	scoped_buf struct buf theirs = BUF_INIT(PROC_FILE_MAX), ours = BUF_INIT(PROC_FILE_MAX),
			      mounts = BUF_INIT(PROC_FILE_MAX);
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	if (read_proc(path, &theirs, e) < 0) {
		if (e->sys != ENOENT && e->sys != ESRCH)
			return -1;
		err_clear(e); /* the process has exited, or the kernel has no cgroups */
		return 0;
	}
	if (read_proc("/proc/self/cgroup", &ours, e) < 0 ||
	    read_proc("/proc/self/mountinfo", &mounts, e) < 0)
		return -1;
	return cgroup_match(theirs.data, ours.data, mounts.data, id, ret, e);
}

static int guess_one(const char *base, struct bytes controllers, const char *mountinfo,
		     const char *id, struct strv *ret, struct err *e)
{
	scoped_free char *path = str_fmt(e, "%s/%s", str_eq(base, "/") ? "" : base, id);
	scoped_free char *dir = path ? cgroup_directory(path, controllers, mountinfo, e) : NULL;

	if (!dir)
		return err_is_set(e) ? -1 : 0;
	if (access(dir, F_OK) < 0 || strv_has(ret, dir))
		return 0;
	return strv_take(ret, TAKE(dir, NULL), e);
}

int cgroup_guess(const char *id, struct strv *ret, struct err *e)
{
	scoped_buf struct buf ours = BUF_INIT(PROC_FILE_MAX), mounts = BUF_INIT(PROC_FILE_MAX);

	if (read_proc("/proc/self/cgroup", &ours, e) < 0 ||
	    read_proc("/proc/self/mountinfo", &mounts, e) < 0)
		return -1;
	for (const char *p = ours.data; *p; p = next_line(p)) {
		struct hierarchy h;

		if (!parse_hierarchy(p, &h))
			continue;
		scoped_free char *own = str_ndup(h.path.data, h.path.len, e);
		if (!own || guess_one(own, h.controllers, mounts.data, id, ret, e) < 0 ||
		    guess_one("/", h.controllers, mounts.data, id, ret, e) < 0)
			return -1;
	}
	return 0;
}

/* Remove the cgroups below DIRFD. Their files cannot be removed, and vanish with them. */
static void remove_below(int dirfd, int depth)
{
	scoped_dir DIR *d = io_list(dirfd);

	if (!d)
		return;
	for (const struct dirent *de; (de = readdir(d));) {
		if (de->d_type != DT_DIR || str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
			continue;
		scoped_fd int sub =
			openat(dirfd, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0 && depth > 0)
			remove_below(sub, depth - 1);
		unlinkat(dirfd, de->d_name, AT_REMOVEDIR);
	}
}

static int remove_one(const char *dir, struct err *e)
{
	/* A killed process leaves its cgroup some time after it can be waited for. */
	for (int i = 0; i < REMOVE_TRIES; i++) {
		if (rmdir(dir) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY && errno != ENOTEMPTY)
			break;
		scoped_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			remove_below(fd, DEPTH_MAX);
		if (rmdir(dir) == 0)
			return 0;
		nanosleep(&(struct timespec){0, REMOVE_WAIT_NS}, NULL);
	}
	return err_sys(e, "removing the control group '%s'", dir);
}

int cgroup_remove(const struct strv *dirs, struct err *e)
{
	struct err later = ERR_INIT;
	int rc = 0;

	for (size_t i = 0; i < dirs->n; i++)
		if (remove_one(dirs->items[i], rc ? &later : e) < 0) {
			rc = -1;
			err_clear(&later);
		}
	return rc;
}

/* ---- a group that the hook makes ---- */

char *cgroup_place_in(const char *ours, const char *mountinfo, const char *name, bool topmost,
		      struct err *e)
{
	static const struct bytes v2 = {"", 0};
	struct bytes root, point;
	struct hierarchy own;

	if (!find_mount(mountinfo, v2, &root, &point) || !find_hierarchy(ours, v2, &own)) {
		err_set(e, ERR_SYSTEM, "no file system of cgroup v2 is mounted on this machine");
		return NULL;
	}
	if (topmost)
		return str_fmt(e, "%.*s/%s", (int)point.len, point.data, name);
	scoped_free char *path = str_fmt(e, "%.*s/%s", own.path.len > 1 ? (int)own.path.len : 0,
					 own.path.data, name);
	char *dir = path ? cgroup_directory(path, v2, mountinfo, e) : NULL;
	if (!dir && !err_is_set(e))
		err_set(e, ERR_SYSTEM,
			"this process's own control group ('%.*s') cannot be seen in '%.*s'",
			(int)own.path.len, own.path.data, (int)point.len, point.data);
	return dir;
}

char *cgroup_place(const char *name, bool topmost, struct err *e)
{
	scoped_buf struct buf ours = BUF_INIT(PROC_FILE_MAX), mounts = BUF_INIT(PROC_FILE_MAX);

	if (read_proc("/proc/self/cgroup", &ours, e) < 0 ||
	    read_proc("/proc/self/mountinfo", &mounts, e) < 0)
		return NULL;
	return cgroup_place_in(ours.data, mounts.data, name, topmost, e);
}

static int write_in(int dirfd, const char *name, const char *text, const char *dir, struct err *e)
{
	scoped_fd int fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "opening '%s/%s'", dir, name);
	return io_write(fd, text, strlen(text), name, e) < 0 ? err_wrap(e, "in '%s'", dir) : 0;
}

static int hand_over(const char *dir, uid_t uid, gid_t gid, struct err *e)
{
	/* No file that sets a limit: Nix gives none either, and the build could lift ours. */
	static const char *const theirs[] = {"", "cgroup.procs", "cgroup.threads"};
	scoped_fd int fd = io_opendir(AT_FDCWD, dir, e);

	if (fd < 0)
		return -1;
	/* mkdir(2) has applied the umask. */
	if (fchmod(fd, 0755) < 0)
		return err_sys(e, "setting the mode of the control group '%s'", dir);
	/* cgroup_remove() walks down the tree, so its depth needs a bound. */
	if (write_in(fd, "cgroup.max.depth", DEPTH_MAX_TEXT, dir, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(theirs); i++)
		if (fchownat(fd, theirs[i], uid, gid, AT_EMPTY_PATH) < 0)
			return err_sys(e, "giving the control group '%s' to the build's user", dir);
	return 0;
}

int cgroup_make(const char *dir, uid_t uid, gid_t gid, struct err *e)
{
	if (mkdir(dir, 0755) < 0)
		return err_sys(e, "creating the control group '%s'", dir);
	if (hand_over(dir, uid, gid, e) < 0) {
		rmdir(dir);
		return -1;
	}
	return 0;
}

int cgroup_enter(const char *dir, struct err *e)
{
	scoped_fd int fd = io_opendir(AT_FDCWD, dir, e);

	return fd < 0 ? -1 : write_in(fd, "cgroup.procs", "0", dir, e);
}

void cgroup_kill(const char *dir)
{
	struct err ignored = ERR_INIT;
	scoped_fd int fd = io_opendir(AT_FDCWD, dir, &ignored);

	if (fd >= 0 && write_in(fd, "cgroup.kill", "1", dir, &ignored) < 0)
		return;
}
